//! `session-buddy event-buffer`: what shells have spooled and no server has acknowledged.

mod contents;
mod purge;
mod replay;

use admin_shell::output::length;
use anstream::eprintln;
use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};
use session_client::{Clock, spool::Spool};
use session_model::{Timestamp, escape};

use super::{
    DatabaseArgs, ExitStatus, Failure,
    report::{Format, Show, print, print_json},
};
use contents::{Listing, OneFile, Summary};

/// Look at, deliver or delete events that no server has acknowledged
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell how much waits, since when, and for whom
    #[command(
        after_help = "Example:\n  session-buddy event-buffer status --format json | jq .events"
    )]
    Status(Show),
    /// List what waits, a line for each session
    #[command(after_help = "Example:\n  session-buddy event-buffer list --refused")]
    List {
        #[command(flatten)]
        show: Show,
        /// List what servers refused for good instead
        #[arg(long)]
        refused: bool,
    },
    /// Deliver now what dead shells left; live shells deliver what is theirs
    #[command(after_help = "Example:\n  session-buddy event-buffer replay --include-refused")]
    Replay(replay::Args),
    /// Delete what dead shells left and no server has; asks first
    #[command(after_help = "Example:\n  session-buddy event-buffer purge --refused --yes")]
    Purge(purge::Args),
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Status(show) => status(*show),
        Command::List { show, refused } => list(*show, *refused),
        Command::Replay(args) => super::on_runtime(replay::run(args)),
        Command::Purge(args) => purge::run(args),
    }
}

/// Opens the spool; `None` where no shell has made one yet.
fn spool() -> Result<Option<Spool>, Failure> {
    let settings = DatabaseArgs::default().settings()?;
    Spool::open_existing(&settings.state_folder)
        .map_err(|error| Failure::of(ExitStatus::Failed, &error).hint_for(&error))
}

fn cannot_read(error: &std::io::Error) -> Failure {
    Failure::new(ExitStatus::Failed, "the spool cannot be read").because(error)
}

fn status(show: Show) -> Result<(), Failure> {
    let summary = match spool()? {
        Some(spool) => Summary::of(&spool).map_err(|error| cannot_read(&error))?,
        None => Summary::default(),
    };
    if show.format == Format::Json {
        return print_json(&summary);
    }
    let now = Clock::system().now();
    let dropped = summary.dropped.to_string();
    let oldest = summary.oldest.map_or("-".to_owned(), |at| age(at, now));
    let facts = [
        ("Sessions", summary.files.to_string()),
        ("Events", summary.events.to_string()),
        ("Oldest", oldest),
        ("Dropped", dropped),
        ("Refused", summary.refused.to_string()),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        text.push_str(&format!("{name:<10}{value}\n"));
    }
    if !summary.destinations.is_empty() {
        let rows = summary.destinations.iter().map(|destination| {
            vec![
                destination.destination.clone(),
                destination.files.to_string(),
                destination.last_error.clone().unwrap_or_default(),
            ]
        });
        text.push('\n');
        text.push_str(&table(&["Destination", "Sessions", "Last Error"], rows));
    }
    print(&text)
}

fn list(show: Show, refused: bool) -> Result<(), Failure> {
    let listing = match spool()? {
        Some(spool) => Listing::of(&spool, refused).map_err(|error| cannot_read(&error))?,
        None => Listing::default(),
    };
    for (path, why) in &listing.unusable {
        eprintln!(
            "note: {} is left alone: {}",
            path.display(),
            escape::for_line(why)
        );
    }
    if show.format == Format::Json {
        return print_json(&listing.files);
    }
    if listing.files.is_empty() {
        eprintln!(
            "{}",
            if refused {
                "nothing was refused"
            } else {
                "nothing waits"
            }
        );
        return Ok(());
    }
    let row = |file: &OneFile| {
        vec![
            file.session_id.clone(),
            if file.owner_alive { "live" } else { "dead" }.to_owned(),
            file.events.to_string(),
            file.acknowledged.to_string(),
            file.destination.clone(),
            file.last_error.clone().unwrap_or_default(),
        ]
    };
    let titles = [
        "Session ID",
        "Shell",
        "Waiting",
        "Acknowledged",
        "Destination",
        "Last Error",
    ];
    print(&table(&titles, listing.files.iter().map(row)))
}

/// Renders rows without boxes, nothing in them acting.
fn table(titles: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(titles);
    for row in rows {
        table.add_row(row.iter().map(|cell| escape::for_line(cell)));
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if n == 0 { 0 } else { 1 }, 1));
        if matches!(titles[n], "Sessions" | "Waiting" | "Acknowledged") {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    lines.concat()
}

/// Says how long ago something was.
fn age(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", length((now.micros_since(at) / 1_000_000).max(0)))
}
