//! `session-buddy export`

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anstream::eprintln;

use super::{
    ExitStatus, Failure, dates, list::cannot_write, output::Output, progress::Progress,
    selection::Selection, source::SourceArgs,
};
use crate::{clock::Clock, export::Format};

/// Write sessions as CSV, JSON or NDJSON, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  session-buddy export --output sessions.ndjson
  session-buddy export --format csv --component mahavishnu --after 2026-01-01 --before 2026-02-01

The same sessions give the same bytes: an active one has no duration and no liveness, and what it counts is what was last
written down. A session that changes meanwhile is written as it is when its turn comes. `session-buddy import` takes NDJSON.")]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// How to write them [default: by the ending of --output]
    #[arg(long, value_enum, required_unless_present = "output")]
    format: Option<Format>,
    /// File to write to; it is put in its place when it is whole
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Zone in which dates are meant, such as UTC [default: local]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let usage = |problem: String| Failure::new(ExitStatus::Usage, problem);
    let zone = dates::zone(args.tz.as_deref()).map_err(usage)?;
    let filter = args.selection.filter(Clock::system().now(), &zone)?;
    let of_file = args.output.as_deref().and_then(of_file);
    let Some(format) = args.format.or(of_file) else {
        let problem = "--output does not end in .csv, .json or .ndjson; say --format too";
        return Err(usage(problem.to_owned()));
    };
    let name = args.output.as_ref().map(|path| path.display().to_string());
    let cannot_write = |error| cannot_write(name.as_deref(), error);
    let mut source = args.source.to_read().await?;
    let mut output = Output::to(args.output).map_err(cannot_write)?;
    let total = match Progress::is_seen() {
        true => source.count(&filter).await?,
        false => None,
    };
    let progress = Progress::of_things(total, "sessions");
    let mut lines = 0;
    let mut take = |part: &[u8]| {
        let ended = part.iter().filter(|byte| **byte == b'\n').count() as u64;
        lines += ended;
        progress.add(ended);
        output.write_all(part).map_err(cannot_write)
    };
    source.export(format, &filter, &mut take).await?;
    output.finish().map_err(cannot_write)?;
    drop(progress);
    // The header of CSV and the first bracket of JSON are a line each.
    let of_nothing = match format {
        Format::Csv | Format::Json => 1,
        Format::Ndjson => 0,
    };
    if lines == of_nothing {
        eprintln!("note: no session matches, so there is none in it");
    }
    Ok(())
}

/// Takes the format from a file's ending; `None` where it says nothing.
fn of_file(path: &Path) -> Option<Format> {
    path.extension()?
        .to_str()?
        .to_ascii_lowercase()
        .parse()
        .ok()
}
