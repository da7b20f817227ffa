//! One command of a stage: named, timed, and repeatable by hand.

use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::workspace;

/// A command with a name.
pub(super) struct Step {
    name: String,
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
}

impl Step {
    pub(super) fn new(name: &str, program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref().to_owned();
        Self {
            name: name.to_owned(),
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    pub(super) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(super) fn arguments(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        arguments.into_iter().fold(self, Self::argument)
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The line that repeats this step in a shell, from the root of the checkout.
    fn command_line(&self) -> String {
        let environment = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|word| quoted(word));
        environment.chain(words).collect::<Vec<_>>().join(" ")
    }

    fn succeeds(&self) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.current_dir(workspace::root()).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(format!(
                "{} does not start: {error}",
                self.program.display()
            )),
        }
    }
}

/// The steps that ran.
#[derive(Default)]
pub(super) struct Report {
    lines: Vec<(String, Duration, bool)>,
}

impl Report {
    /// Runs a step of `stage`; its output goes where ours goes.
    pub(super) fn run(&mut self, stage: &str, step: &Step) -> Result<()> {
        let name = format!("{} (stage {stage})", step.name);
        println!("\n==> {name}: {}", step.command_line());
        let begin = Instant::now();
        let outcome = step.succeeds();
        let elapsed = begin.elapsed();
        self.lines.push((name.clone(), elapsed, outcome.is_ok()));
        if let Err(problem) = outcome {
            println!(
                "\nFAILED: {name}, after {:.1} s, {problem}",
                elapsed.as_secs_f64()
            );
            println!("repeat it with: {}", step.command_line());
            bail!("{name} failed");
        }
        println!("ok: {name}, {:.1} s", elapsed.as_secs_f64());
        Ok(())
    }

    /// Prints how long each step took.
    pub(super) fn print(&self) {
        println!();
        for (name, elapsed, passed) in &self.lines {
            println!(
                "{:>8.1} s  {}  {name}",
                elapsed.as_secs_f64(),
                if *passed { "ok    " } else { "FAILED" }
            );
        }
        let total: Duration = self.lines.iter().map(|(_, elapsed, _)| *elapsed).sum();
        println!("{:>8.1} s  together", total.as_secs_f64());
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./=:,@%+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_can_be_pasted_into_a_shell() {
        let step = Step::new("x", "echo")
            .arguments(["a b", "it's", "--c=1"])
            .env("D", "$e");
        assert_eq!(step.command_line(), r"D='$e' echo 'a b' 'it'\''s' --c=1");
    }

    #[test]
    fn a_failing_step_is_recorded_and_named() {
        let mut report = Report::default();
        let error = report
            .run("hermetic", &Step::new("no", "false"))
            .unwrap_err();
        assert_eq!(error.to_string(), "no (stage hermetic) failed");
        assert!(!report.lines[0].2);
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = Step::new("x", "/nowhere/program").succeeds().unwrap_err();
        assert!(
            error.starts_with("/nowhere/program does not start"),
            "{error}"
        );
    }
}
