//! The magics of every shell.

use std::{fs, sync::Arc, time::Instant};

use tracing::level_filters::LevelFilter;

use super::Shell;
use crate::{
    catalogue::Described,
    engine::{Outcome, ScriptError},
    language::statements,
    output::{Column, Kind, Record, Reply, Table},
};

/// A magic of every shell.
#[derive(Clone, Copy)]
struct BuiltIn {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: fn(&mut Shell, &str) -> Outcome,
}

const BUILT_IN: [BuiltIn; 6] = [
    BuiltIn {
        name: "help_shell",
        arguments: "",
        summary: "list the magics",
        run: |shell, _| Outcome::Done(Reply::Table(shell.catalogue.magics())),
    },
    BuiltIn {
        name: "status",
        arguments: "",
        summary: "tell how the tracking of this shell goes",
        run: |shell, _| Outcome::Done(Reply::Record(shell.tracking.report())),
    },
    BuiltIn {
        name: "history",
        arguments: "[count]",
        summary: "list what was typed in this session",
        run: history,
    },
    BuiltIn {
        name: "time",
        arguments: "line",
        summary: "run a line and tell how long it took",
        run: time,
    },
    BuiltIn {
        name: "run",
        arguments: "file",
        summary: "run the lines of a file",
        run: run_file,
    },
    BuiltIn {
        name: "log",
        arguments: "level",
        summary: "show what happens behind the shell: off, error, warn, info, debug or trace",
        run: log,
    },
];

impl Described for BuiltIn {
    fn name(&self) -> &str {
        self.name
    }

    fn arguments(&self) -> &str {
        self.arguments
    }

    fn summary(&self) -> &str {
        self.summary
    }
}

/// Gives the magics of every shell, for help.
pub(super) fn described() -> impl Iterator<Item = Arc<dyn Described>> {
    BUILT_IN
        .into_iter()
        .map(|magic| Arc::new(magic) as Arc<dyn Described>)
}

/// Runs a magic; one of the component's goes before one of every shell.
pub(super) fn run(shell: &mut Shell, name: &str, rest: &str) -> Outcome {
    if let Some(magic) = shell.magics.iter().find(|magic| magic.name == name) {
        return match (magic.action)(&shell.context, rest) {
            Ok(reply) => Outcome::Done(reply),
            Err(error) => {
                let hint = error.hint_text().map(str::to_owned);
                Outcome::Failed(ScriptError::new(error.to_string(), hint))
            }
        };
    }
    if let Some(magic) = BUILT_IN.iter().find(|magic| magic.name == name) {
        return (magic.run)(shell, rest);
    }
    let hint = match shell.catalogue.similar_magic(name) {
        Some(similar) => format!("did you mean %{similar}?"),
        None => "%help_shell lists the magics".to_owned(),
    };
    Outcome::Failed(ScriptError::new(
        format!("there is no magic %{name}"),
        Some(hint),
    ))
}

fn history(shell: &mut Shell, rest: &str) -> Outcome {
    let count = match rest {
        "" => usize::MAX,
        count => match count.parse() {
            Ok(count) => count,
            Err(_) => return usage("%history takes a number of lines"),
        },
    };
    let columns = [
        Column::new("number", "No.").kind(Kind::Number),
        Column::new("line", "Line"),
    ];
    let mut table = Table::new(columns, "nothing was typed yet");
    let first = shell.history.len().saturating_sub(count);
    for (number, line) in shell.history.iter().enumerate().skip(first) {
        table.push([(number + 1).into(), line.as_str().into()]);
    }
    Outcome::Done(Reply::Table(table))
}

fn time(shell: &mut Shell, rest: &str) -> Outcome {
    if rest.is_empty() {
        return usage("%time takes a line to run");
    }
    let began = Instant::now();
    let outcome = shell.execute(rest);
    let took = began.elapsed();
    match outcome {
        Outcome::Done(reply) => {
            shell.show(&reply);
            let milliseconds = took.as_secs_f64() * 1e3;
            let record = Record::new().field("took", "Took", format!("{milliseconds:.3} ms"));
            Outcome::Done(Reply::Record(record))
        }
        outcome @ (Outcome::Exit(_) | Outcome::Interrupted | Outcome::Failed(_)) => outcome,
    }
}

/// Runs a file as if its lines were typed; an error ends it.
fn run_file(shell: &mut Shell, rest: &str) -> Outcome {
    if rest.is_empty() {
        return usage("%run takes a file");
    }
    let script = match fs::read_to_string(rest) {
        Ok(script) => script,
        Err(error) => return usage(&format!("cannot read {rest}: {error}")),
    };
    for statement in statements(&script) {
        if statement.is_cut {
            return usage(&format!(
                "{rest} ends in the middle of what begins in its line {}",
                statement.line
            ));
        }
        match shell.execute(&statement.text) {
            Outcome::Done(reply) => shell.show(&reply),
            Outcome::Failed(error) => {
                return Outcome::Failed(error.in_file(rest, statement.line));
            }
            outcome @ (Outcome::Exit(_) | Outcome::Interrupted) => return outcome,
        }
    }
    Outcome::Done(Reply::Nothing)
}

fn log(shell: &mut Shell, rest: &str) -> Outcome {
    let Ok(level) = rest.to_ascii_lowercase().parse::<LevelFilter>() else {
        return usage("%log takes off, error, warn, info, debug or trace");
    };
    match shell.log.set(level, &shell.context.console) {
        Ok(()) => Outcome::Done(Reply::Nothing),
        Err(error) => usage(&error.to_string()),
    }
}

fn usage(problem: &str) -> Outcome {
    Outcome::Failed(ScriptError::new(problem, None))
}
