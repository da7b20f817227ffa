//! Helpers that begin and end workflows.

use std::{thread, time::Duration};

use admin_shell::{Cell, Column, Context, HelperError, Kind, Record, Reply, Table};
use session_client::{Clock, identity::PARENT_SESSION_ID};
use session_model::Timestamp;

use super::{open, plan_error, project_error, showing};
use crate::{
    Plan, Project, process,
    progress::Progress,
    record::{self, Status},
    runner::{Host, Run},
    workflow::{PARALLEL_MAX, Workflow},
};

/// How long a cancelled workflow has to end: 2 s for programs that do not listen, and as much again.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(50);

pub(super) fn run(
    context: &Context,
    name: String,
    tag: Option<String>,
    parallel: Option<u32>,
    dry_run: bool,
) -> Result<Reply, HelperError> {
    let project = Project::of_this_process();
    let workflow = project.read_workflow(&name).map_err(project_error)?;
    let repositories = project.read_repositories().map_err(project_error)?;
    let plan = Plan::new(&workflow, &repositories, tag.as_deref()).map_err(plan_error)?;
    if dry_run {
        return Ok(Reply::Table(order(&workflow, &plan)));
    }
    let run = Run {
        workflow: &workflow,
        plan: &plan,
        project: &project,
        tag,
        parallel: bound(parallel, &workflow)?,
        session_id: session(context),
    };
    let (mut store, clock) = (open()?, Clock::system());
    let record = run.begin(&mut store, &clock)?;
    let places = repositories_text(&plan);
    context.tell(format_args!("{}: {} in {places}", record.id, workflow.name));
    let mut progress = Progress::new(context, &workflow, &plan);
    let status = run.run(&record, context, &mut store, &clock, &mut |event| {
        progress.show(event)
    });
    progress.finish();
    tell_end(context, status?);
    Ok(showing::ran(context, &store.find(&record.id)?))
}

fn tell_end(context: &Context, status: Status) {
    match status {
        Status::Completed => {}
        Status::Interrupted => context.answer_interrupt(),
        Status::Failed | Status::Crashed | Status::Pending | Status::Running => {
            context.set_exit_code(1)
        }
    }
}

fn repositories_text(plan: &Plan) -> String {
    match plan.repositories.len() {
        1 => "1 repository".to_owned(),
        count => format!("{count} repositories"),
    }
}

fn bound(parallel: Option<u32>, workflow: &Workflow) -> Result<usize, HelperError> {
    if let Some(wrong) = parallel.filter(|number| !(1..=PARALLEL_MAX).contains(number)) {
        let problem =
            format!("parallel: a number from 1 to {PARALLEL_MAX} is expected, found {wrong}");
        return Err(HelperError::new(problem).exit_code(2));
    }
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    let asked = parallel.or(workflow.parallel);
    Ok(asked.map_or_else(processors, |number| number as usize))
}

/// Gives the session that steps are started in, as their environment says it.
fn session(context: &Context) -> Option<String> {
    let command = Host::command(context, "/bin/sh");
    let mut variables = command.get_envs();
    let (_, id) = variables.find(|(name, _)| *name == PARENT_SESSION_ID)?;
    Some(id?.to_str()?.to_owned())
}

/// Shows what would run.
fn order(workflow: &Workflow, plan: &Plan) -> Table {
    let columns = [
        Column::new("place", "#").kind(Kind::Number),
        Column::new("step", "Step"),
        Column::new("repository", "Repository"),
        Column::new("after", "After"),
        Column::new("command", "Command"),
    ];
    let mut table = Table::new(columns, "nothing to run");
    for (place, job) in plan.jobs.iter().enumerate() {
        let step = &workflow.steps[job.step];
        let after: Vec<usize> = job.needs.iter().map(|need| need + 1).collect();
        let shown: Vec<_> = after.iter().map(ToString::to_string).collect();
        table.push([
            (place + 1).into(),
            step.name.clone().into(),
            plan.repository_of(job).map(|r| r.name.clone()).into(),
            Cell::shown_as(after, shown.join(", ")),
            step.command.clone().into(),
        ]);
    }
    table
}

pub(super) fn cancel(context: &Context, id: String) -> Result<Record, HelperError> {
    let mut store = open()?;
    let workflow = store.find(&id)?;
    let id = workflow.id.clone();
    if workflow.status == Status::Crashed {
        let count = process::end_rest_of(&id);
        return Ok(told(&workflow).field("ended_processes", "Ended processes", count));
    }
    if !store.request_cancel(&id)? {
        let problem = if workflow.status.is_final() {
            format!("{id} has ended: it is {}", workflow.status)
        } else {
            format!(
                "{id} runs in {}, where it can be cancelled",
                workflow.adapter
            )
        };
        return Err(HelperError::new(problem));
    }
    let mut waited = Duration::ZERO;
    while waited < CANCEL_PATIENCE {
        store.notice_crashed(Clock::system().now())?;
        let workflow = store.find(&id)?;
        if workflow.status.is_final() {
            return Ok(told(&workflow));
        }
        context.wait(LOOK)?;
        waited += LOOK;
    }
    Err(HelperError::new(format!(
        "{id} was asked to stop {CANCEL_PATIENCE:?} ago, and still runs"
    )))
}

pub(super) fn prune(context: &Context, days: u32) -> Result<Table, HelperError> {
    const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
    let now = Clock::system().now();
    let before = now
        .as_micros()
        .saturating_sub(DAY_MICROS.saturating_mul(days.into()));
    let before = Timestamp::from_micros(before)?;
    let mut table = Table::new([Column::new("id", "ID")], "nothing to forget");
    for id in open()?.prune(before)? {
        table.push([id.into()]);
    }
    if !table.is_empty() {
        context.tell(format_args!("forgotten: {}", table.len()));
    }
    Ok(table)
}

fn told(workflow: &record::Workflow) -> Record {
    let record = Record::new().field("id", "ID", workflow.id.clone());
    record.field("status", "Status", workflow.status.word())
}
