//! How workflows are shown.

use std::path::Path;

use admin_shell::{
    Cell, Column, Context, HelperError, Kind, Record, Reply, Table,
    output::{length, one_line},
};
use serde_json::{Value, json};
use session_model::Timestamp;

use super::{open, project_error};
use crate::{
    ProjectError, log,
    record::{Job, JobStatus, Workflow},
};

/// How many repositories and errors of a workflow are shown to people.
const REPOS_MAX: usize = 10;
const ERRORS_MAX: usize = 5;

/// Gives the cells that every list of workflows has.
pub(super) fn row(context: &Context, workflow: &Workflow) -> Vec<Cell> {
    vec![
        workflow.id.clone().into(),
        workflow.status.word().into(),
        progress(workflow),
        workflow.adapter.clone().into(),
        Cell::shown_as(
            workflow.created_at.clone(),
            time(context, &workflow.created_at),
        ),
        workflow.task.clone().into(),
    ]
}

fn progress(workflow: &Workflow) -> Cell {
    let shown = workflow.progress.map(|progress| format!("{progress:.0}"));
    Cell::shown_as(workflow.progress, shown.unwrap_or_default())
}

/// Writes a time in 19 characters, in the zone of who looks.
pub(super) fn time(context: &Context, text: &str) -> String {
    let Ok(at) = text.parse::<Timestamp>() else {
        return text.to_owned();
    };
    let local = at.as_jiff().to_zoned(context.view().zone);
    local.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Gives how long a workflow has run.
pub(super) fn elapsed_seconds(context: &Context, workflow: &Workflow) -> Option<f64> {
    let until = if workflow.status.is_final() {
        workflow.updated_at.parse().ok()?
    } else {
        context.view().now
    };
    seconds_between(&workflow.created_at, until)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "2^52 microseconds are 142 years"
)]
fn seconds_between(begin: &str, end: Timestamp) -> Option<f64> {
    let begin: Timestamp = begin.parse().ok()?;
    Some(end.micros_since(begin).max(0) as f64 / 1e6)
}

/// Gives lines that people see, and what programs get instead; `empty` is what people are told if there are none.
pub(super) fn lines(value: Value, lines: &[String], empty: &str) -> Reply {
    if lines.is_empty() {
        return Reply::Table(Table::new([], empty));
    }
    let text = lines.join("\n");
    Reply::Shown { value, text }
}

pub(super) fn workflow(context: &Context, id: String) -> Result<Reply, HelperError> {
    let workflow = open()?.find(&id).map_err(|error| match error {
        crate::StoreError::NotFound(id) => {
            HelperError::new(format!("Workflow not found: {id}")).hint("ps() lists the ids")
        }
        error => error.into(),
    })?;
    let view = context.view();
    let mut text = panel(context, &workflow).for_people(&view);
    text.push('\n');
    text.push_str(&jobs(context, &workflow).for_people(&view));
    Ok(shown(&workflow, text))
}

/// Shows a workflow that has just run: its jobs, and where their logs are.
pub(super) fn ran(context: &Context, workflow: &Workflow) -> Reply {
    let view = context.view();
    let table = jobs(context, workflow).for_people(&view);
    let seconds = elapsed_seconds(context, workflow).unwrap_or_default();
    let took = if seconds < 10.0 {
        format!("{seconds:.1}s")
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, and whole seconds are what is shown"
        )]
        length(seconds as i64)
    };
    let text = format!("{table}\n{} {} in {took}", workflow.id, workflow.status);
    shown(workflow, text)
}

fn shown(workflow: &Workflow, text: String) -> Reply {
    Reply::Shown {
        value: serde_json::to_value(workflow).unwrap_or_default(),
        text: text.trim_end().to_owned(),
    }
}

fn panel(context: &Context, workflow: &Workflow) -> Record {
    let record = Record::new()
        .field("id", "ID", workflow.id.clone())
        .field("task", "Task", workflow.task.clone())
        .field("status", "Status", workflow.status.word())
        .field(
            "progress",
            "Progress",
            match workflow.progress {
                Some(progress) => format!("{progress:.0} %"),
                None => "unknown".to_owned(),
            },
        )
        .field("adapter", "Adapter", workflow.adapter.clone())
        .field("created_at", "Created", time(context, &workflow.created_at))
        .field_of(
            "elapsed",
            "Elapsed",
            Kind::Seconds,
            elapsed_seconds(context, workflow),
        )
        .field("tag", "Tag", workflow.tag.clone())
        .field("session_id", "Session", workflow.session_id.clone());
    let repos = workflow
        .repos
        .iter()
        .map(|path| ("repos", "Repository", path.clone()));
    let errors = workflow.errors.iter().map(|error| {
        let text = format!("[{}] {}", time(context, &error.timestamp), error.message);
        ("errors", "Error", text)
    });
    let record = with_some(record, repos, REPOS_MAX);
    with_some(record, errors, ERRORS_MAX)
}

/// Adds the first of some fields, and how many are left out.
fn with_some(
    mut record: Record,
    fields: impl ExactSizeIterator<Item = (&'static str, &'static str, String)>,
    most: usize,
) -> Record {
    let count = fields.len();
    for (key, title, text) in fields.take(most) {
        record = record.field(key, title, text);
    }
    match count.checked_sub(most) {
        None | Some(0) => record,
        Some(more) => record.field("more", "And", format!("{more} more")),
    }
}

fn jobs(context: &Context, workflow: &Workflow) -> Table {
    let columns = [
        Column::new("step", "Step"),
        Column::new("repository", "Repository"),
        Column::new("status", "Status"),
        Column::new("attempts", "Tries").kind(Kind::Number),
        Column::new("exit_code", "Exit").kind(Kind::Number),
        Column::new("seconds", "Seconds").kind(Kind::Number),
        Column::new("log", "Log").dispensable(1),
    ];
    let mut table = Table::new(columns, "");
    for job in &workflow.results {
        let begun = job.attempts > 0;
        table.push([
            job.step.clone().into(),
            job.repository.clone().into(),
            job.status.word().into(),
            begun.then_some(job.attempts).into(),
            job.exit_code.into(),
            seconds_of(context, job),
            begun.then(|| job.log.clone()).into(),
        ]);
    }
    table
}

fn seconds_of(context: &Context, job: &Job) -> Cell {
    let end = match (&job.ended_at, job.status) {
        (Some(end), _) => end.parse().ok(),
        (None, JobStatus::Running) => Some(context.view().now),
        (None, _) => None,
    };
    let begin = job.started_at.as_deref();
    let seconds = begin
        .zip(end)
        .and_then(|(begin, end)| seconds_between(begin, end));
    Cell::shown_as(
        seconds,
        seconds.map_or_else(String::new, |seconds| format!("{seconds:.1}")),
    )
}

pub(super) fn logs(
    id: String,
    step: Option<String>,
    repository: Option<String>,
) -> Result<Reply, HelperError> {
    let workflow = open()?.find(&id)?;
    let is_wanted = |job: &&Job| {
        step.as_ref().is_none_or(|step| job.step == *step)
            && repository
                .as_ref()
                .is_none_or(|name| job.repository.as_ref() == Some(name))
    };
    let wanted: Vec<_> = workflow.results.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        let error = HelperError::new(format!("{} has no such step", workflow.id));
        return Err(error.hint(format!("workflow(\"{}\") lists its steps", workflow.id)));
    }
    let (mut values, mut shown) = (Vec::new(), Vec::new());
    for job in wanted {
        let text = match log::read(Path::new(&job.log)) {
            Ok(text) => text,
            // It has not begun.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(HelperError::new(format!(
                    "could not read {}: {error}",
                    job.log
                )));
            }
        };
        let place = job.repository.as_ref().map(|name| format!(" in {name}"));
        shown.push(format!(
            "=== {}{}: {}",
            job.step,
            place.unwrap_or_default(),
            job.status
        ));
        shown.extend(text.lines().map(|line| one_line(line).into_owned()));
        values.push(json!({"step": job.step, "repository": job.repository, "status": job.status, "log": text}));
    }
    Ok(lines(values.into(), &shown, "no step has begun"))
}

/// What `validate` has found.
#[derive(Default)]
pub(super) struct Found(Vec<[Cell; 5]>);

impl Found {
    /// Takes what was read, or what is wrong with it.
    pub(super) fn take<T>(&mut self, file: &Path, read: Result<T, ProjectError>) -> Option<T> {
        match read {
            Ok(read) => return Some(read),
            Err(ProjectError::Invalid(invalid)) => {
                for problem in invalid.0 {
                    self.0.push([
                        problem.file.display().to_string().into(),
                        problem.line.into(),
                        Some(problem.key).filter(|key| !key.is_empty()).into(),
                        problem.problem.into(),
                        problem.suggestion.into(),
                    ]);
                }
            }
            Err(error) => self.add(file, "", &project_error(error).to_string(), None),
        }
        None
    }

    pub(super) fn add(
        &mut self,
        file: &Path,
        key: &str,
        problem: &str,
        suggestion: Option<String>,
    ) {
        self.0.push([
            file.display().to_string().into(),
            Value::Null.into(),
            Some(key).filter(|key| !key.is_empty()).into(),
            problem.into(),
            suggestion.into(),
        ]);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn table(self, mut table: Table) -> Table {
        for row in self.0 {
            table.push(row);
        }
        table
    }
}
