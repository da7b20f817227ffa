//! How commands that report one thing write it: for people, or as JSON.

use std::io::{Write, stdout};

use admin_shell::Table;
use anstream::eprintln;
use jiff::tz::TimeZone;
use serde::Serialize;
use session_model::escape;

use super::{ExitStatus, Failure, analytics::standard_view};

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

/// Writes rows that a helper of the shell gives too, and says if there are none.
pub(super) fn show(format: Format, table: &Table, zone: TimeZone) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(table);
    }
    if table.is_empty() {
        eprintln!("{}", table.empty_text());
    }
    print(&table.for_people(&standard_view(zone)))
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
