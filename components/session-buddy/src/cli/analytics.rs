//! `session-buddy analytics`

mod chart;
mod metric;
mod paper;
mod report;
mod sql;
mod views;

use std::io::{IsTerminal, Write, stdout};

use admin_shell::{Reply, View};
use clap::Subcommand;
use serde::Serialize;
use session_model::escape;

use self::chart::Chart;
use super::{Failure, source::SourceArgs};
use crate::{
    analytics::request::{COMPONENTS_MAX, DAYS_MAX, bounded},
    cli::output::Format,
    clock::Clock,
};

/// Tell how many sessions there were, how long, by whom, and what failed
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  session-buddy analytics --type admin_shell --metric duration
  session-buddy analytics --metric count --period weekly --after 90d --format csv
  session-buddy analytics sessions --days 30
  session-buddy analytics report --days 30 --output report.html

A session counts where it started. Percentiles are at most 0.8 % off, all else is exact."
)]
pub(super) struct Args {
    #[command(subcommand)]
    view: Option<Subcommands>,
    #[command(flatten)]
    metric: metric::MetricArgs,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Sessions by component: how many, how long, how many failed
    Sessions(ViewArgs),
    /// Mean length of closed sessions by component, longest first
    Duration(ViewArgs),
    /// The components that are used most
    Components(ComponentsArgs),
    /// What failed by component, worst first
    Errors(ViewArgs),
    /// What is active now, newest first
    Active(ActiveArgs),
    /// A report as text, Markdown or one HTML page with charts
    Report(report::Args),
    /// Print the SQL that answers a question in sqlite3
    Sql(sql::Args),
}

#[derive(Debug, clap::Args)]
struct ViewArgs {
    #[command(flatten)]
    days: Days,
    /// Of one component
    #[arg(long, short, value_name = "NAME")]
    component: Option<String>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, clap::Args)]
struct ComponentsArgs {
    #[command(flatten)]
    days: Days,
    /// The most components, 1 to 100
    #[arg(long, short, value_name = "N", default_value = "10", allow_hyphen_values = true,
        value_parser = |text: &str| bounded("limit", text, COMPONENTS_MAX))]
    limit: u32,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, clap::Args)]
struct ActiveArgs {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, clap::Args)]
struct Days {
    /// How many days back, 1 to 365
    #[arg(long, short, value_name = "N", default_value = "7", allow_hyphen_values = true,
        value_parser = |text: &str| bounded("days", text, DAYS_MAX))]
    days: u32,
}

impl Days {
    fn pair(&self) -> (String, String) {
        ("days".to_owned(), self.days.to_string())
    }
}

/// How an answer is written.
#[derive(Debug, clap::Args)]
struct How {
    /// The same as --format json
    #[arg(long, short, conflicts_with = "format")]
    json: bool,
    /// How to write it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl How {
    fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    match args.view {
        None => metric::run(args.metric).await,
        Some(Subcommands::Sessions(args)) => views::sessions(args).await,
        Some(Subcommands::Duration(args)) => views::duration(args).await,
        Some(Subcommands::Components(args)) => views::components(args).await,
        Some(Subcommands::Errors(args)) => views::errors(args).await,
        Some(Subcommands::Active(args)) => views::active(args).await,
        Some(Subcommands::Report(args)) => report::run(args).await,
        Some(Subcommands::Sql(args)) => sql::run(&args),
    }
}

/// Writes an answer: as it is for programs, with charts above its rows for people.
fn write(
    out: &mut impl Write,
    format: Format,
    answer: &impl Serialize,
    rows: Reply,
    view: &View,
    chart: &str,
) -> Result<(), Failure> {
    let text = match format {
        Format::Json => json(answer).map_err(Failure::writing)?,
        Format::Csv => rows.write(admin_shell::Format::Csv, view),
        Format::Table => {
            let rows = rows.write(admin_shell::Format::Table, view);
            let gap = if chart.is_empty() || rows.is_empty() {
                ""
            } else {
                "\n"
            };
            format!("{chart}{gap}{rows}")
        }
    };
    out.write_all(text.as_bytes()).map_err(Failure::writing)
}

fn json(answer: &impl Serialize) -> std::io::Result<String> {
    let text = serde_json::to_string_pretty(answer)?;
    let lines: Vec<_> = text.lines().map(escape::in_json).collect();
    Ok(format!("{}\n", lines.join("\n")))
}

/// Gives for whom standard output is written.
pub(super) fn standard_view(zone: jiff::tz::TimeZone) -> View {
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    View {
        width: width.filter(|_| stdout().is_terminal()),
        now: Clock::system().now(),
        zone,
    }
}

fn chart_for(view: &View) -> Chart {
    Chart::new(view.width, |name| std::env::var(name).ok())
}
