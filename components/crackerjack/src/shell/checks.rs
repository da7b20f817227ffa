//! Helpers that run tools.

use admin_shell::{Cell, Column, Context, HelperError, Kind, Table};

use super::{Shown, Site, below};
use crate::{
    check::{self, Outcome, Verdict},
    finder::Finder,
    format::{self, Proposal},
    tools::{Changes, Chosen, Role},
};

/// Runs the tools of these roles.
pub(super) fn run(
    context: &Context,
    path: String,
    roles: &[Role],
    stop_on_first: bool,
    timeout: Option<String>,
) -> Shown {
    let site = Site::at(path, timeout)?;
    let stops = stop_on_first || site.settings.stops_on_first();
    let tools = wanted(context, &site, roles)?;
    let mut verdicts = Verdicts::of(&site);
    for (chosen, finder) in &tools {
        let outcome = if context.is_interrupted() {
            Outcome::not_begun()
        } else {
            check::run(
                context,
                chosen,
                finder,
                site.settings.timeout(chosen.tool.name),
            )
        };
        let verdict = outcome.verdict;
        verdicts.add(context, chosen, outcome);
        if stops && verdict != Verdict::Passed {
            break;
        }
    }
    Ok(verdicts.table(context))
}

/// Shows what the formatters would change, asks, and lets them.
pub(super) fn format_code(
    context: &Context,
    path: String,
    yes: bool,
    timeout: Option<String>,
) -> Shown {
    let site = Site::at(path, timeout)?;
    let tools = wanted(context, &site, &[Role::Format])?;
    let mut verdicts = Verdicts::of(&site);
    let mut proposed = Vec::new();
    for (chosen, finder) in &tools {
        let Some(changes) = &chosen.tool.changes else {
            continue;
        };
        let limit = site.settings.timeout(chosen.tool.name);
        if context.is_interrupted() {
            verdicts.add(context, chosen, Outcome::not_begun());
            continue;
        }
        match format::propose(context, chosen, changes, finder, limit) {
            Proposal::Nothing(outcome) | Proposal::Failed(outcome) => {
                verdicts.add(context, chosen, outcome)
            }
            Proposal::Diff(diff) => proposed.push((chosen, finder, changes, diff)),
        }
    }
    if proposed.is_empty() {
        return Ok(verdicts.table(context));
    }
    let diff: String = proposed
        .iter()
        .map(|(.., diff)| format::shown(diff))
        .collect();
    context.page(&diff);
    let agreed = if yes {
        Some(true)
    } else {
        context.ask("Apply these changes?")?
    };
    let Some(agreed) = agreed else {
        let error =
            HelperError::new("files would change, and nobody can be asked whether they may");
        return Err(error.hint("`format-code --yes` and format_code(yes=true) change them"));
    };
    for (chosen, finder, changes, _) in proposed {
        let outcome = if agreed {
            change(context, &site, chosen, changes, finder)
        } else {
            format::failed("files would change, and may not".to_owned())
        };
        verdicts.add(context, chosen, outcome);
    }
    Ok(verdicts.table(context))
}

fn change(
    context: &Context,
    site: &Site,
    chosen: &Chosen<'_>,
    changes: &Changes,
    finder: &Finder,
) -> Outcome {
    if context.is_interrupted() {
        return Outcome::not_begun();
    }
    format::apply(
        context,
        chosen,
        changes,
        finder,
        site.settings.timeout(chosen.tool.name),
    )
}

/// Gives the tools that should run; a part that has none for a role, or has it switched off, is told.
fn wanted<'a>(
    context: &Context,
    site: &'a Site,
    roles: &[Role],
) -> Result<Vec<(Chosen<'a>, Finder)>, HelperError> {
    let (disabled, tools): (Vec<_>, Vec<_>) = site
        .tools(roles)
        .into_iter()
        .partition(|(chosen, _)| chosen.disabled);
    for (chosen, _) in &disabled {
        context.tell(format_args!(
            "note: {} is switched off by the project",
            chosen.tool.name
        ));
    }
    let all = || tools.iter().chain(&disabled).map(|(chosen, _)| chosen);
    for part in &site.project.parts {
        for role in roles {
            let has = all().any(|chosen| chosen.part == part && chosen.tool.role == *role);
            if !has {
                let (kind, role) = (part.kind.word(), role.word());
                context.tell(format_args!(
                    "note: the {kind} project has nothing to {role} with"
                ));
            }
        }
    }
    if tools.is_empty() {
        return Err(HelperError::new("there is nothing to run")
            .hint("`show-adapters` and show_adapters() show the tools of this project"));
    }
    Ok(tools)
}

/// The verdicts so far.
struct Verdicts<'a> {
    site: &'a Site,
    table: Table,
    worst: Option<Verdict>,
}

impl<'a> Verdicts<'a> {
    fn of(site: &'a Site) -> Self {
        let columns = [
            Column::new("tool", "Tool"),
            Column::new("kind", "Kind").dispensable(1),
            Column::new("role", "Role"),
            Column::new("verdict", "Verdict"),
            Column::new("seconds", "Took").kind(Kind::Number),
            Column::new("exit_code", "Code")
                .kind(Kind::Number)
                .dispensable(2),
            Column::new("summary", "Summary"),
            Column::new("folder", ""),
            Column::new("command", ""),
        ];
        Self {
            site,
            table: Table::new(columns, "nothing was run"),
            worst: None,
        }
    }

    fn add(&mut self, context: &Context, chosen: &Chosen<'_>, outcome: Outcome) {
        let Outcome {
            verdict,
            took,
            exit_code,
            summary,
        } = outcome;
        let name = chosen.tool.name;
        let seconds = (took.as_secs_f64() * 1e3).round() / 1e3;
        context.tell(format_args!(
            "── {name}: {}, {seconds:.1} s",
            verdict.word()
        ));
        if verdict != Verdict::Passed && self.worst != Some(Verdict::Interrupted) {
            self.worst = Some(verdict);
        }
        self.table.push([
            name.into(),
            chosen.part.kind.word().into(),
            chosen.tool.role.word().into(),
            verdict.word().into(),
            Cell::shown_as(seconds, format!("{seconds:.1} s")),
            exit_code.into(),
            summary.into(),
            below(&self.site.project.root, &chosen.part.folder).into(),
            chosen.command.join(" ").into(),
        ]);
    }

    /// Gives the table; what did not pass is the exit code.
    fn table(self, context: &Context) -> Table {
        match self.worst {
            None => {}
            Some(Verdict::Interrupted) => context.answer_interrupt(),
            Some(Verdict::Passed | Verdict::Failed | Verdict::Missing | Verdict::TimedOut) => {
                context.set_exit_code(1);
            }
        }
        self.table
    }
}
