//! `session-buddy analytics report`

use std::{
    io::{Write, stdout},
    path::{Path, PathBuf},
};

use anstream::eprintln;
use clap::ValueEnum;
use jiff::tz::TimeZone;

use super::{
    Days, chart_for,
    paper::{self, Summary},
    standard_view,
};
use crate::cli::{ExitStatus, Failure, dates, output::Output, source::SourceArgs};

/// A report as text, Markdown or one HTML page with charts
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    days: Days,
    /// File to write to
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write it [default: by the ending of --output (.md, .html), else text]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Zone in which hours and days are meant, such as local
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Plain text
    Text,
    /// Markdown
    Markdown,
    /// One page that needs nothing else
    Html,
}

impl Format {
    fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" => Some(Self::Html),
            _ => None,
        }
    }
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let zone =
        dates::zone(Some(&args.tz)).map_err(|problem| Failure::new(ExitStatus::Usage, problem))?;
    let of_file = args.output.as_deref().and_then(Format::of_file);
    let format = args.format.or(of_file).unwrap_or(Format::Text);
    let mut source = args.source.to_read().await?;
    let summary = Summary::ask(&mut source, args.days.days, &zone).await?;
    let mut view = standard_view(TimeZone::UTC);
    view.width = view.width.filter(|_| args.output.is_none());
    let text = match format {
        Format::Text => paper::text(&summary, chart_for(&view)),
        Format::Markdown => paper::markdown(&summary),
        Format::Html => paper::html(&summary),
    };
    let Some(path) = args.output else {
        return stdout()
            .write_all(text.as_bytes())
            .map_err(Failure::writing);
    };
    let name = path.display().to_string();
    let cannot_save = |error| {
        Failure::new(ExitStatus::Failed, format!("Error saving report to {name}")).because(&error)
    };
    let mut output = Output::to(Some(path)).map_err(&cannot_save)?;
    output.write_all(text.as_bytes()).map_err(&cannot_save)?;
    output.finish().map_err(&cannot_save)?;
    eprintln!("report saved to {name}");
    Ok(())
}
