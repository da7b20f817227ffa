//! How commands that report one thing write it: for people, or as JSON.

use std::io::{Write, stdout};

use serde::Serialize;
use session_model::escape;

use super::{ExitStatus, Failure};

/// How it is shown.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Show {
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    let lines: Vec<_> = json.lines().map(escape::in_json).collect();
    print(&format!("{}\n", lines.join("\n")))
}

pub(super) fn print(text: &str) -> Result<(), Failure> {
    stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::writing)
}
