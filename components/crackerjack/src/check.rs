//! Running a tool, and its verdict.

use std::{
    borrow::Cow,
    collections::VecDeque,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use admin_shell::{Context, End, Stream, output::one_line};

use crate::{
    finder::Finder,
    summary,
    tools::{Chosen, Says},
};

/// How many of the last lines are kept for the summary.
const TAIL_MAX: usize = 400;
/// With what the system's shell, and so a script of a project, ends that cannot find a program.
const NOT_FOUND: i32 = 127;
/// What rustup says where a program is only a promise.
const NOT_INSTALLED: &str = "is not installed for the toolchain";

/// What came of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ran, and found nothing.
    Passed,
    /// It found something, or could not do its work.
    Failed,
    /// It is not installed.
    Missing,
    /// It took too long.
    TimedOut,
    /// The user asked to stop.
    Interrupted,
}

impl Verdict {
    /// Gives its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A verdict, and how it came to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// How long the tool ran.
    pub took: Duration,
    /// With what it ended by itself.
    pub exit_code: Option<i32>,
    /// What it said, in a line.
    pub summary: String,
}

/// What a program wrote and how it ended.
pub(crate) struct Ran {
    pub(crate) end: End,
    pub(crate) took: Duration,
    /// The last lines, of both streams.
    pub(crate) tail: VecDeque<String>,
    /// Whether it wrote something to standard output.
    pub(crate) wrote: bool,
}

impl Outcome {
    /// Makes the outcome of a tool that is not there.
    pub(crate) fn missing(install: &str) -> Self {
        Self {
            verdict: Verdict::Missing,
            took: Duration::ZERO,
            exit_code: None,
            summary: format!("not found; install it with: {install}"),
        }
    }

    /// Makes the outcome of a tool that was not begun because the user asked to stop.
    pub(crate) fn not_begun() -> Self {
        Self {
            verdict: Verdict::Interrupted,
            took: Duration::ZERO,
            exit_code: None,
            summary: "not begun".to_owned(),
        }
    }
}

/// Runs a tool, its output streamed to standard error, and judges it. A tool that is not there is missing, whatever else.
pub fn run(context: &Context, chosen: &Chosen<'_>, finder: &Finder, limit: Duration) -> Outcome {
    let folder = &chosen.part.folder;
    if finder.find(&chosen.program, folder).is_none() {
        return Outcome::missing(&chosen.install);
    }
    let Some(command) = command(context, &chosen.command, folder, finder) else {
        return Outcome::missing(&chosen.install);
    };
    let (name, role) = (chosen.tool.name, chosen.tool.role.word());
    let line = format!(
        "── {name} ({role}, {}): {}",
        chosen.part.kind.word(),
        chosen.command.join(" ")
    );
    context.tell(one_line(&line));
    let ran = match stream(context, command, limit, |_, _| true) {
        Ok(ran) => ran,
        Err(error) => {
            return Outcome {
                verdict: Verdict::Failed,
                took: Duration::ZERO,
                exit_code: None,
                summary: format!("could not be started: {error}"),
            };
        }
    };
    judge(chosen, &ran, limit)
}

/// Says what came of a tool that ran.
fn judge(chosen: &Chosen<'_>, ran: &Ran, limit: Duration) -> Outcome {
    let spoke = chosen.tool.says == Says::Output && ran.wrote;
    let promised = || ran.tail.iter().any(|line| line.contains(NOT_INSTALLED));
    let outcome = |verdict, exit_code, summary| Outcome {
        verdict,
        took: ran.took,
        exit_code,
        summary,
    };
    match ran.end {
        End::Exited(0) if !spoke => outcome(
            Verdict::Passed,
            Some(0),
            summary::of(chosen.tool.name, &ran.tail),
        ),
        End::Exited(code) if code == NOT_FOUND || (code != 0 && promised()) => {
            let said = summary::of(chosen.tool.name, &ran.tail);
            let summary = format!("{said}; install it with: {}", chosen.install);
            outcome(Verdict::Missing, Some(code), summary)
        }
        End::Exited(code) => outcome(
            Verdict::Failed,
            Some(code),
            summary::of(chosen.tool.name, &ran.tail),
        ),
        End::Killed(signal) => outcome(Verdict::Failed, None, format!("ended by signal {signal}")),
        End::TimedOut => {
            let seconds = limit.as_secs_f64();
            outcome(
                Verdict::TimedOut,
                None,
                format!("took longer than {seconds} s"),
            )
        }
        End::Interrupted => outcome(Verdict::Interrupted, None, "interrupted".to_owned()),
    }
}

/// Runs a program, and writes its lines to standard error, but for those that `shows` keeps for itself.
pub(crate) fn stream(
    context: &Context,
    command: Command,
    limit: Duration,
    mut shows: impl FnMut(Stream, &str) -> bool,
) -> std::io::Result<Ran> {
    let began = Instant::now();
    let mut tail = VecDeque::new();
    let mut wrote = false;
    let end = context.run(command, limit, |stream, line| {
        let line = &*without_colours(line);
        wrote |= stream == Stream::Output && !line.trim().is_empty();
        if shows(stream, line) {
            context.tell(format_args!("   {}", tool_line(line)));
        }
        if tail.len() == TAIL_MAX {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
    })?;
    Ok(Ran {
        end,
        took: began.elapsed(),
        tail,
        wrote,
    })
}

/// Takes colours out of a line (ECMA-48, SGR, and the character set that terminfo's `sgr0` resets): some tools write them
/// wherever they write to.
fn without_colours(line: &str) -> Cow<'_, str> {
    const ESCAPE: char = '\u{1b}';
    if !line.contains(ESCAPE) {
        return Cow::Borrowed(line);
    }
    let mut parts = line.split(ESCAPE);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after = part.strip_prefix('[').and_then(|codes| {
            codes
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                .strip_prefix('m')
        });
        match after.or_else(|| part.strip_prefix("(B")) {
            Some(text) => plain.push_str(text),
            None => {
                plain.push(ESCAPE);
                plain.push_str(part);
            }
        }
    }
    Cow::Owned(plain)
}

/// Makes a line of a tool one that does not act on the terminal; its tabs stay.
pub(crate) fn tool_line(line: &str) -> String {
    let parts = line.split('\t').map(one_line);
    parts.collect::<Vec<_>>().join("\t")
}

/// Prepares a program that is found as its project finds it; `None` where it is not there.
pub(crate) fn command(
    context: &Context,
    words: &[String],
    folder: &Path,
    finder: &Finder,
) -> Option<Command> {
    let (program, arguments) = words.split_first()?;
    let mut command = context.command(finder.find(program, folder)?);
    command
        .args(arguments)
        .current_dir(folder)
        .env("PATH", finder.path())
        // Whole lines of plain text, as they come.
        .env("TERM", "dumb")
        .env("NO_COLOR", "1")
        .env("CARGO_TERM_COLOR", "never")
        .env("PYTHONUNBUFFERED", "1")
        .env_remove("FORCE_COLOR")
        .env_remove("CLICOLOR_FORCE");
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out_and_nothing_else() {
        for (line, plain) in [
            ("plain", "plain"),
            (
                "\u{1b}[1;31mred\u{1b}[0m and \u{1b}(B\u{1b}[mplain",
                "red and plain",
            ),
            (
                "\u{1b}]0;title\u{7}\u{1b}[2J",
                "\u{1b}]0;title\u{7}\u{1b}[2J",
            ),
            ("\u{1b}", "\u{1b}"),
        ] {
            assert_eq!(without_colours(line), plain);
        }
    }
}
