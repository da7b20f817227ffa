//! `session-buddy show-session`

use std::io::{Write, stdout};

use super::{ExitStatus, Failure, dates, output, panel, source::SourceArgs};

/// How one session is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// An object
    Json,
}

/// Show one session
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  session-buddy show-session mahavishnu-20260206-220458-z3ucgb7g
  session-buddy show-session z3uc --format json | jq .duration_seconds")]
pub(super) struct Args {
    /// Its id, or a unique beginning of it or of its last part
    id: String,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Zone in which times are shown, such as local
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let zone =
        dates::zone(Some(&args.tz)).map_err(|problem| Failure::new(ExitStatus::Usage, problem))?;
    let session = args.source.to_read().await?.show(&args.id).await?;
    let text = match args.format {
        Format::Table => panel::render(&session, &zone),
        Format::Json => output::pretty_json(&session).map_err(Failure::writing)?,
    };
    writeln!(stdout(), "{text}").map_err(Failure::writing)
}
