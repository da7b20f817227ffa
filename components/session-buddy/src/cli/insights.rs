//! `session-buddy insights`, and the helper of that name: what is unusual, and why.

use std::{io::IsTerminal, io::stderr, thread};

use admin_shell::Table;
use akosha::{
    detect::{Settings, detect},
    history::{Names, Row, Visit},
    shell::findings,
};
use anstream::{eprint, eprintln};
use jiff::{SignedDuration, tz::TimeZone};
use session_client::PAGE_MAX;
use session_model::SessionFilter;
use tokio::sync::oneshot;

use super::{
    ExitStatus, Failure,
    report::{Show, show},
    source::{Source, SourceArgs},
};
use crate::{
    analytics::request::{DAYS_MAX, bounded},
    clock::Clock,
};

/// The most findings that are shown.
pub(super) const LIMIT_MAX: u32 = 10_000;
/// How many sessions are read between two notes where there is no terminal, each some seconds of reading.
const NOTE_EACH: usize = 250_000;

/// Find what is unusual in the sessions of the last days and say why, the most surprising first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Looked at are lengths, failures, many starts at once, the hour of the day, and users on a new host or in a new
component, each against what was usual for the user and the component before. `akosha detect` finds the same and can be
asked for more.

Examples:
  session-buddy insights
  session-buddy insights --limit 3 --days 30
  session-buddy insights --format json | jq -r '.[] | .reason'"
)]
pub(super) struct Args {
    /// The most findings, 1 or more
    #[arg(long, short, value_name = "N", default_value = "10", allow_hyphen_values = true,
        value_parser = |text: &str| bounded("limit", text, LIMIT_MAX))]
    limit: u32,
    /// How many days back, 1 to 365: what is usual is learned from them too
    #[arg(long, short, value_name = "N", default_value = "90", allow_hyphen_values = true,
        value_parser = |text: &str| bounded("days", text, DAYS_MAX))]
    days: u32,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let table = find(&args.source, args.limit, args.days).await?;
    show(args.show.format, &table, TimeZone::system())
}

/// Gives the most surprising findings of the last days.
pub(super) async fn find(source: &SourceArgs, limit: u32, days: u32) -> Result<Table, Failure> {
    let visits = read(&mut source.to_read().await?, days).await?;
    let (sender, found) = oneshot::channel();
    // On a thread of its own, so that nobody has to wait for it who is interrupted.
    thread::spawn(move || sender.send(detect(&visits, &Settings::default())));
    let mut found = found
        .await
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(findings(&found))
}

/// Reads the sessions of the last days, all pages.
async fn read(source: &mut Source, days: u32) -> Result<Vec<Visit>, Failure> {
    let back = SignedDuration::from_hours(24 * i64::from(days));
    let filter = SessionFilter {
        after: Some(Clock::system().now().saturating_add(-back)),
        ..SessionFilter::default()
    };
    let (mut names, mut visits) = (Names::default(), Vec::new());
    let server = names.get("");
    let mut progress = Progress::new();
    let mut cursor = None;
    loop {
        let page = source
            .list::<Row>(&filter, PAGE_MAX, cursor.as_deref())
            .await?;
        visits.extend(
            page.sessions
                .iter()
                .map(|row| row.to_visit(&server, &mut names)),
        );
        progress.hear(visits.len());
        cursor = page.next;
        if cursor.is_none() {
            return Ok(visits);
        }
    }
}

/// Says how many sessions were read: on a terminal with each page, which is many times a second; else now and then.
struct Progress {
    on_terminal: bool,
    next: usize,
}

impl Progress {
    fn new() -> Self {
        Self {
            on_terminal: stderr().is_terminal(),
            next: NOTE_EACH,
        }
    }

    fn hear(&mut self, sessions: usize) {
        if self.on_terminal && sessions >= PAGE_MAX {
            eprint!("\r{sessions} sessions read");
        } else if sessions >= self.next {
            eprintln!("{sessions} sessions read so far");
            self.next = sessions + NOTE_EACH;
        }
    }
}

/// The line is wiped, also where reading failed or was interrupted.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.on_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
