//! `session-buddy list-sessions`

use std::{
    io::{IsTerminal, stdout},
    path::PathBuf,
};

use admin_shell::View;
use anstream::eprintln;
use session_model::SessionFilter;

use super::{
    ExitStatus, Failure, dates,
    output::{CsvWriter, Format, JsonWriter, Output, SessionWriter},
    selection::Selection,
    source::{Source, SourceArgs},
    table::TableWriter,
};
use crate::clock::Clock;

/// How many sessions a table on a terminal has, unless asked otherwise.
const ROWS_ON_TERMINAL: usize = 50;

/// List sessions, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  session-buddy list-sessions --type admin_shell --after 7d --output audit.csv
  session-buddy list-sessions --incomplete --format json | jq -r '.[].session_id'")]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// The newest so many, 1 or more [default: 50 in a table on a terminal, else all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// How to write them [default: by the ending of --output, else table]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// File to write to
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Zone in which dates are meant and shown, such as UTC [default: local]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let now = Clock::system().now();
    let zone = dates::zone(args.tz.as_deref())
        .map_err(|problem| Failure::new(ExitStatus::Usage, problem))?;
    let filter = args.selection.filter(now, &zone)?;
    let of_file = args.output.as_deref().and_then(Format::of_file);
    let format = args.format.or(of_file).unwrap_or(Format::Table);
    let on_terminal = format == Format::Table && args.output.is_none() && stdout().is_terminal();
    let limit = match args.limit {
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        None if on_terminal => ROWS_ON_TERMINAL,
        None => usize::MAX,
    };
    let work = Work {
        filter,
        limit,
        everything: args.selection.is_everything(),
        limited: args.limit.is_some(),
    };
    let source = args.source.to_read().await?;
    match format {
        Format::Json => work.run(source, JsonWriter::default(), args.output).await,
        Format::Csv => work.run(source, CsvWriter, args.output).await,
        Format::Table => {
            let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
            let table = TableWriter::new(View {
                width: width.filter(|_| on_terminal),
                now,
                zone,
            });
            work.run(source, table, args.output).await
        }
    }
}

/// What is to be listed.
struct Work {
    filter: SessionFilter,
    limit: usize,
    /// Nothing is left out.
    everything: bool,
    /// The limit was asked for.
    limited: bool,
}

impl Work {
    async fn run<W: SessionWriter>(
        self,
        mut source: Source,
        mut writer: W,
        path: Option<PathBuf>,
    ) -> Result<(), Failure> {
        let name = path.as_ref().map(|path| path.display().to_string());
        let mut output = Output::to(path).map_err(|error| cannot_write(name.as_deref(), error))?;
        let (mut written, mut cursor) = (0, None);
        writer.begin(&mut output).map_err(Failure::writing)?;
        loop {
            let page = source
                .list::<W::Session>(&self.filter, self.limit - written, cursor.as_deref())
                .await?;
            written += page.sessions.len();
            cursor = page.next;
            writer
                .page(&mut output, page.sessions)
                .map_err(Failure::writing)?;
            if cursor.is_none() || written >= self.limit {
                break;
            }
        }
        writer.end(&mut output).map_err(Failure::writing)?;
        output
            .finish()
            .map_err(|error| cannot_write(name.as_deref(), error))?;

        if written == 0 {
            eprintln!(
                "{}",
                if self.everything {
                    "no sessions yet"
                } else {
                    "no session matches"
                }
            );
        } else if cursor.is_some() && !self.limited {
            eprintln!("the newest {written} are shown; --limit shows more");
        }
        Ok(())
    }
}

pub(super) fn cannot_write(name: Option<&str>, error: std::io::Error) -> Failure {
    match name {
        Some(name) => Failure::of(ExitStatus::Failed, &error)
            .hint(format!("--output {name} could not be written")),
        None => Failure::writing(error),
    }
}
