//! What a formatter would change, asked before it does.

use std::{fs, path::Path, time::Duration};

use admin_shell::{Context, End, Stream};
use similar::TextDiff;

use crate::{
    check::{self, Outcome, Ran, Verdict, tool_line},
    finder::Finder,
    tools::{Changes, Chosen},
};

/// How many lines of a difference are kept to be shown.
const DIFF_LINES_MAX: usize = 20_000;
/// How many files are shown whose tool gives no difference itself.
const FILES_MAX: usize = 500;

/// What a formatter would do.
#[derive(Clone, Debug, PartialEq)]
pub enum Proposal {
    /// Nothing.
    Nothing(Outcome),
    /// This difference; no file is changed yet.
    Diff(Vec<String>),
    /// It cannot say.
    Failed(Outcome),
}

/// Asks a formatter what it would change. No file is touched.
pub fn propose(
    context: &Context,
    chosen: &Chosen<'_>,
    changes: &Changes,
    finder: &Finder,
    limit: Duration,
) -> Proposal {
    let folder = &chosen.part.folder;
    if finder.find(&chosen.program, folder).is_none() {
        return Proposal::Failed(Outcome::missing(&chosen.install));
    }
    let words = chosen.other_command(changes.show);
    context.tell(format_args!("── {}: {}", chosen.tool.name, words.join(" ")));
    let mut said = Vec::new();
    let ran = match run(context, &words, folder, finder, limit, &mut said) {
        Ok(ran) => ran,
        Err(outcome) => return Proposal::Failed(outcome),
    };
    let ended = matches!(ran.end, End::Exited(_));
    if said.is_empty() || !ended {
        let outcome = outcome_of(&ran, chosen, limit);
        return match outcome.verdict {
            Verdict::Passed => Proposal::Nothing(outcome),
            Verdict::Failed | Verdict::Missing | Verdict::TimedOut | Verdict::Interrupted => {
                Proposal::Failed(outcome)
            }
        };
    }
    if changes.lists_files {
        said = differences(context, chosen, &said, finder, limit);
    }
    Proposal::Diff(said)
}

/// Lets a formatter change the files.
pub fn apply(
    context: &Context,
    chosen: &Chosen<'_>,
    changes: &Changes,
    finder: &Finder,
    limit: Duration,
) -> Outcome {
    let words = chosen.other_command(changes.apply);
    context.tell(format_args!("── {}: {}", chosen.tool.name, words.join(" ")));
    let Some(command) = check::command(context, &words, &chosen.part.folder, finder) else {
        return Outcome::missing(&chosen.install);
    };
    match check::stream(context, command, limit, |_, _| true) {
        Ok(ran) => {
            let outcome = outcome_of(&ran, chosen, limit);
            match outcome.verdict {
                Verdict::Passed => Outcome {
                    summary: "changed".to_owned(),
                    ..outcome
                },
                Verdict::Failed | Verdict::Missing | Verdict::TimedOut | Verdict::Interrupted => {
                    outcome
                }
            }
        }
        Err(error) => failed(format!("could not be started: {error}")),
    }
}

/// Runs a formatter and keeps what it writes to standard output; what it complains of is shown.
fn run(
    context: &Context,
    words: &[String],
    folder: &Path,
    finder: &Finder,
    limit: Duration,
    said: &mut Vec<String>,
) -> Result<Ran, Outcome> {
    let command = check::command(context, words, folder, finder);
    let command = command.ok_or_else(|| failed("is not there any more".to_owned()))?;
    let ran = check::stream(context, command, limit, |stream, line| {
        if stream == Stream::Output && said.len() < DIFF_LINES_MAX {
            said.push(line.to_owned());
        }
        stream == Stream::Errors
    });
    ran.map_err(|error| failed(format!("could not be started: {error}")))
}

/// Makes the differences of files, of which the tool gives the new text.
fn differences(
    context: &Context,
    chosen: &Chosen<'_>,
    files: &[String],
    finder: &Finder,
    limit: Duration,
) -> Vec<String> {
    let mut lines = Vec::new();
    for file in files.iter().take(FILES_MAX) {
        if context.is_interrupted() {
            break;
        }
        let folder = &chosen.part.folder;
        // The name of a file may look like a flag.
        let words = [chosen.program.clone(), "--".to_owned(), file.clone()];
        let mut said = Vec::new();
        let ran = run(context, &words, folder, finder, limit, &mut said);
        let old = fs::read_to_string(folder.join(file));
        let (
            Ok(Ran {
                end: End::Exited(0),
                ..
            }),
            Ok(old),
        ) = (ran, old)
        else {
            lines.push(format!("{file}: would change"));
            continue;
        };
        let new = said.join("\n") + "\n";
        let diff = TextDiff::from_lines(&old, &new);
        let text = diff.unified_diff().header(file, file).to_string();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// Writes a difference as lines that do not act on the terminal.
pub fn shown(diff: &[String]) -> String {
    let lines = diff.iter().map(|line| tool_line(line) + "\n");
    lines.collect()
}

fn outcome_of(ran: &Ran, chosen: &Chosen<'_>, limit: Duration) -> Outcome {
    let (verdict, exit_code) = match ran.end {
        End::Exited(0) => (Verdict::Passed, Some(0)),
        End::Exited(code) => (Verdict::Failed, Some(code)),
        End::Killed(_) => (Verdict::Failed, None),
        End::TimedOut => (Verdict::TimedOut, None),
        End::Interrupted => (Verdict::Interrupted, None),
    };
    let said = ran.tail.iter().rev().find(|line| !line.trim().is_empty());
    let summary = match verdict {
        Verdict::Passed => "nothing to change".to_owned(),
        Verdict::TimedOut => format!("took longer than {} s", limit.as_secs_f64()),
        Verdict::Interrupted => "interrupted".to_owned(),
        Verdict::Failed | Verdict::Missing => said
            .cloned()
            .unwrap_or_else(|| format!("{} says nothing", chosen.tool.name)),
    };
    Outcome {
        verdict,
        took: ran.took,
        exit_code,
        summary,
    }
}

pub(crate) fn failed(summary: String) -> Outcome {
    Outcome {
        verdict: Verdict::Failed,
        took: Duration::ZERO,
        exit_code: None,
        summary,
    }
}
