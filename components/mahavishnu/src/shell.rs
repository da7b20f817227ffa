//! Mahavishnu's shell and program: the same helpers in both.

mod running;
mod showing;

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use admin_shell::{
    AdminShell, Builder, Cell, Column, Context, HelperError, Kind, Program, Reply, Table,
    output::one_line,
};
use session_client::Clock;

use crate::{
    Project, ProjectError, Store, adapters,
    plan::{PlanError, check_tag},
    prefect::Prefect,
    process,
    record::Status,
    sync,
};

/// How long a script may take: as long as the steps of a workflow, which have limits of their own.
const SCRIPT_TIME_MAX: Duration = Duration::from_hours(24);

/// The exit code where no server answers.
const NO_ANSWER: u8 = 3;

/// Makes the program. `adapters` are those that answer.
pub fn program(adapters: Vec<String>) -> Program {
    shell(adapters)
        .program("Run workflows over many repositories, watch them from anywhere, and collect their errors")
        .parameter("name", "The workflow: its name, or the path of its file")
        .parameter("id", "The workflow that was run: its id, or the beginning of it or of its last part")
        .parameter("tag", "Only in repositories that have this tag")
        .parameter("parallel", "How many steps at once, up to 64 [default: the workflow's, else the number of processors]")
        .parameter("dry_run", "Only show what would run, and in which order")
        .parameter("limit", "How many, at most")
        .parameter("status", "Only those that are pending, running, completed, failed, interrupted or crashed")
        .parameter("follow", "Show it again and again until nothing runs")
        .parameter("days", "How many days are kept")
        .parameter("step", "Only of this step")
        .parameter("repository", "Only of this repository")
        .example("mahavishnu run check --tag rust")
        .example("mahavishnu top --follow")
        .example("mahavishnu logs z3ucgb7g --step test")
        .example("mahavishnu errors --format json")
}

/// Makes the shell.
pub fn shell(adapters: Vec<String>) -> Builder {
    AdminShell::builder("mahavishnu", env!("CARGO_PKG_VERSION"))
        .title("Mahavishnu, workflows over many repositories")
        .adapters(adapters)
        .metadata("component_type", "orchestrator")
        .script_time_max(SCRIPT_TIME_MAX)
        .helper("ps(limit=100, status=none) - list workflows that were run, the newest first", ps)
        .helper("top(follow=false) - list workflows that run now, with how far they are", top)
        .helper("errors(limit=10) - list what went wrong in any workflow, the newest first", errors)
        .helper("sync() - look at the store, at who runs workflows, and at Prefect, and say what has changed", sync)
        .helper("run(name, tag=none, parallel=none, dry_run=false) - run a workflow", running::run)
        .helper("cancel(id) - stop a workflow, and end all that it has started", running::cancel)
        .helper(
            "prune(days=30) - forget workflows that ran here, have ended, and began longer ago, with their logs",
            running::prune,
        )
        .helper("logs(id, step=none, repository=none) - show what the steps of a workflow wrote", showing::logs)
        .helper("workflow(id) - show all that is known of a workflow that was run", showing::workflow)
        .helper("workflows() - list workflows that can be run", workflows)
        .helper("repos(tag=none) - list repositories", |tag: Option<String>| repos(tag.as_deref()))
        .helper("validate() - find what is wrong in the list of repositories and in workflows: file, line, key", validate)
        .helper("adapters() - ask each adapter whether it is there", list_adapters)
        .magic("%repos [tag] - list repositories", |_: &Context, tag: &str| repos(Some(tag).filter(|tag| !tag.is_empty())))
        .magic("%workflow <id> - show all that is known of a workflow that was run", |context: &Context, id: &str| {
            if id.is_empty() {
                return Err(HelperError::new("Usage: %workflow <id>").hint("ps() lists the ids"));
            }
            showing::workflow(context, id.to_owned())
        })
}

/// Opens the store, with what crashed marked as crashed: whoever looks, sees the truth.
fn open() -> Result<Store, HelperError> {
    let mut store = Store::of_this_user()?;
    store.notice_crashed(Clock::system().now())?;
    Ok(store)
}

fn ps(context: &Context, limit: usize, status: Option<String>) -> Result<Table, HelperError> {
    let status = status.map(|word| read_status(&word)).transpose()?;
    let mut table = Table::new(columns(), "No workflows to display");
    for workflow in open()?.list(status, limit)? {
        table.push(showing::row(context, &workflow));
    }
    Ok(table)
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("id", "ID"),
        Column::new("status", "Status"),
        Column::new("progress", "Progress %").kind(Kind::Number),
        Column::new("adapter", "Adapter"),
        Column::new("created_at", "Created"),
        Column::new("task", "Task").dispensable(1),
    ]
}

fn read_status(word: &str) -> Result<Status, HelperError> {
    Status::of_word(word).ok_or_else(|| {
        let known: Vec<_> = Status::ALL.iter().map(|status| status.word()).collect();
        let problem = format!(
            "status: one of {} is expected, found {word:?}",
            known.join(", ")
        );
        HelperError::new(problem).exit_code(2)
    })
}

fn top(context: &Context, follow: bool) -> Result<Reply, HelperError> {
    /// How often it is shown again.
    const AGAIN: Duration = Duration::from_millis(500);
    /// Moves the cursor to the top left and clears what is below it (ECMA-48: CUP, ED).
    const CLEAR: &str = "\x1b[H\x1b[J";
    let mut shown = false;
    loop {
        let table = running_now(context)?;
        let view = context.view();
        let clear = if view.width.is_some() { CLEAR } else { "" };
        if !follow || table.is_empty() {
            // What ran must not be left on the screen as if it still did.
            if shown && !clear.is_empty() {
                context.print(clear);
            }
            return Ok(Reply::Table(table));
        }
        context.print(format_args!("{clear}{}", table.for_people(&view)));
        shown = true;
        if context.wait(AGAIN).is_err() {
            context.answer_interrupt();
            return Ok(Reply::Nothing);
        }
    }
}

fn running_now(context: &Context) -> Result<Table, HelperError> {
    /// How many are listed.
    const LIMIT: usize = 20;
    let store = open()?;
    let mut columns = columns();
    columns.insert(
        5,
        Column::new("elapsed_seconds", "Elapsed").kind(Kind::Seconds),
    );
    columns.push(Column::new("details", "Details"));
    let mut table = Table::new(columns, "No active workflows");
    for workflow in store.list(Some(Status::Running), LIMIT)? {
        let jobs = store.running_jobs(&workflow.id)?.into_iter();
        let jobs = jobs.map(|job| match job.repository {
            Some(repository) => format!("{} in {repository}", job.step),
            None => job.step,
        });
        let (repos, errors) = (workflow.repos.len(), store.count_errors(&workflow.id)?);
        let mut details = vec![format!("Repos: {repos}"), format!("Errors: {errors}")];
        details.extend(jobs);
        let mut row = showing::row(context, &workflow);
        row.insert(5, showing::elapsed_seconds(context, &workflow).into());
        row.push(details.join(", ").into());
        table.push(row);
    }
    Ok(table)
}

fn errors(context: &Context, limit: usize) -> Result<Reply, HelperError> {
    let errors = open()?.errors(limit)?;
    let line = |error: &crate::record::Problem| {
        let text = format!("{}: {}", error.workflow, error.message);
        format!(
            "[{}] [ERROR] {}",
            showing::time(context, &error.timestamp),
            one_line(&text)
        )
    };
    let lines: Vec<_> = errors.iter().map(line).collect();
    Ok(showing::lines(
        serde_json::to_value(&errors)?,
        &lines,
        "No errors found",
    ))
}

fn sync(context: &Context) -> Result<Table, HelperError> {
    let runs = patiently(context, "asking Prefect", || {
        Prefect::of_this_process().map(|prefect| prefect?.flow_runs(adapters::PATIENCE))
    })?;
    let remotes = runs.transpose().unwrap_or_else(|error| {
        context.tell(format_args!("note: {}", one_line(&error.to_string())));
        context.set_exit_code(NO_ANSWER);
        None
    });
    let remotes = remotes.unwrap_or_default();
    let changes = sync::sync(&mut Store::of_this_user()?, &Clock::system(), &remotes)?;
    let columns = [
        Column::new("id", "ID"),
        Column::new("adapter", "Adapter"),
        Column::new("task", "Task"),
        Column::new("before", "Before"),
        Column::new("after", "Now"),
    ];
    let mut table = Table::new(columns, "nothing has changed since the last sync");
    for change in changes {
        if change.after == Status::Crashed.word() {
            note_rest(context, &change.id);
        }
        let before = Cell::shown_as(
            change.before.clone(),
            change.before.as_deref().unwrap_or("(new)"),
        );
        table.push([
            change.id.into(),
            change.adapter.into(),
            change.task.into(),
            before,
            change.after.into(),
        ]);
    }
    Ok(table)
}

/// Says what still runs of a workflow that nobody looks after any more.
fn note_rest(context: &Context, id: &str) {
    let count = process::of_workflow(id).len();
    if count > 0 {
        context.tell(format_args!(
            "note: {count} processes of {id} still run; cancel(\"{id}\") and `mahavishnu cancel {id}` end them"
        ));
    }
}

fn workflows() -> Result<Table, HelperError> {
    let project = Project::of_this_process();
    let columns = [
        Column::new("name", "Name"),
        Column::new("description", "Description"),
        Column::new("steps", "Steps"),
        Column::new("tags", "Tags"),
        Column::new("problem", "Problem").dispensable(1),
    ];
    let empty = format!("no workflows in {}", project.workflows.display());
    let mut table = Table::new(columns, empty);
    for name in project.workflow_names()? {
        match project.read_workflow(&name) {
            Ok(workflow) => {
                let steps: Vec<_> = workflow.steps.into_iter().map(|step| step.name).collect();
                table.push([
                    name.into(),
                    workflow.description.into(),
                    joined(steps),
                    joined(workflow.tags),
                ]);
            }
            Err(error) => {
                let none = || Cell::from(serde_json::Value::Null);
                let problem = project_error(error).to_string();
                table.push([name.into(), none(), none(), none(), problem.into()]);
            }
        }
    }
    Ok(table)
}

/// A list for programs, and its items with commas for people.
fn joined(texts: Vec<String>) -> Cell {
    let shown = texts.join(", ");
    Cell::shown_as(texts, shown)
}

fn repos(tag: Option<&str>) -> Result<Table, HelperError> {
    let project = Project::of_this_process();
    let repositories = project.read_repositories().map_err(project_error)?;
    if let Some(tag) = tag {
        check_tag(&repositories, tag).map_err(plan_error)?;
    }
    let columns = [
        Column::new("name", ""),
        Column::new("path", "Path"),
        Column::new("description", "Description"),
        Column::new("tags", "Tags"),
    ];
    let empty = format!("no repositories in {}", project.repositories.display());
    let mut table = Table::new(columns, empty);
    let wanted: Vec<_> = tag.map(str::to_owned).into_iter().collect();
    for repository in repositories.into_iter().filter(|r| r.has_any(&wanted)) {
        table.push([
            repository.name.into(),
            repository.path.display().to_string().into(),
            repository.description.into(),
            joined(repository.tags),
        ]);
    }
    Ok(table)
}

fn validate(context: &Context) -> Result<Table, HelperError> {
    let project = Project::of_this_process();
    let columns = [
        Column::new("file", "File"),
        Column::new("line", "Line").kind(Kind::Number),
        Column::new("key", "Key"),
        Column::new("problem", "Problem"),
        Column::new("suggestion", "Meant?"),
    ];
    let mut found = showing::Found::default();
    let names = project.workflow_names()?;
    let repositories = found.take(&project.repositories, project.read_repositories());
    for repository in repositories.iter().flatten() {
        if !repository.path.is_dir() {
            let problem = format!("there is no folder {}", repository.path.display());
            found.add(&project.repositories, &repository.name, &problem, None);
        }
    }
    for name in &names {
        let file = project.workflows.join(format!("{name}.yaml"));
        let Some(workflow) = found.take(&file, project.read_workflow(name)) else {
            continue;
        };
        let of_steps = workflow.steps.iter().flat_map(|step| &step.tags);
        for tag in workflow.tags.iter().chain(of_steps) {
            if let Some(Err(PlanError::UnknownTag { suggestion, .. })) =
                repositories.as_ref().map(|known| check_tag(known, tag))
            {
                found.add(
                    &file,
                    "tags",
                    &format!("no repository has the tag {tag}"),
                    suggestion,
                );
            }
        }
    }
    if !found.is_empty() {
        context.set_exit_code(1);
    }
    let count = repositories.map_or(0, |repositories| repositories.len());
    let valid = format!("valid: {count} repositories, {} workflows", names.len());
    Ok(found.table(Table::new(columns, valid)))
}

fn list_adapters(context: &Context) -> Result<Table, HelperError> {
    let columns = [
        Column::new("name", "Adapter"),
        Column::new("version", "Version"),
        Column::new("place", "Where"),
    ];
    let mut table = Table::new(columns, "no adapter answers");
    for adapter in patiently(context, "asking the adapters", adapters::ask)? {
        match adapter.answer {
            Ok(version) => table.push([adapter.name.into(), version.into(), adapter.place.into()]),
            Err(problem) => context.tell(format_args!(
                "note: {} is not listed: {}",
                adapter.name,
                one_line(&problem)
            )),
        }
    }
    Ok(table)
}

/// Waits for what others answer, but not longer than the user wants; says so where it takes a while.
fn patiently<T: Send + 'static>(
    context: &Context,
    what: &str,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HelperError> {
    /// How often it is looked whether the user wants to stop.
    const LOOK: Duration = Duration::from_millis(50);
    /// How many looks are a while: 150 ms, before people wonder.
    const A_WHILE: u32 = 3;
    let (sender, answer) = mpsc::channel();
    let asking = thread::Builder::new().name("asking".to_owned());
    asking.spawn(move || {
        // Who does not wait any more does not listen.
        let _ = sender.send(ask());
    })?;
    for look in 1.. {
        match answer.recv_timeout(LOOK) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if context.is_interrupted() {
            return Err(HelperError::new("interrupted"));
        }
        if look == A_WHILE {
            context.tell(format_args!("{what} ..."));
        }
    }
    Err(HelperError::new(format!("{what} ended without an answer")))
}

/// Says what is wrong in a file: the first thing, and how many more there are.
fn project_error(error: ProjectError) -> HelperError {
    match error {
        ProjectError::Invalid(invalid) => {
            let first = invalid.0.first().map(ToString::to_string);
            let error = HelperError::new(first.unwrap_or_default());
            match invalid.0.len() {
                0 | 1 => error,
                count => error.hint(format!(
                    "{} more to put right; validate() and `mahavishnu validate` list all",
                    count - 1
                )),
            }
        }
        ProjectError::NoWorkflow { ref suggestion, .. } => {
            let hint = match suggestion {
                Some(suggestion) => format!("did you mean {suggestion}?"),
                None => "workflows() and `mahavishnu workflows` list what there is".to_owned(),
            };
            HelperError::from(error).hint(hint)
        }
        ProjectError::Read { ref path, .. } if path.ends_with("repos.yaml") => {
            HelperError::from(error)
                .hint("list your repositories there, or name another file in MAHAVISHNU_REPOS_PATH")
        }
        ProjectError::Read { .. } => error.into(),
    }
}

fn plan_error(error: PlanError) -> HelperError {
    match error {
        PlanError::UnknownTag {
            suggestion: Some(ref suggestion),
            ..
        } => {
            let hint = format!("did you mean {suggestion}?");
            HelperError::from(error).hint(hint)
        }
        PlanError::UnknownTag { .. } | PlanError::Nothing { .. } => HelperError::from(error)
            .hint("repos() and `mahavishnu repos` list repositories with their tags"),
    }
}
