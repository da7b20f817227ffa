//! `session-buddy quality`, and the helper of that name: how good the sessions of each component are, and whether that changes.

use std::collections::BTreeMap;

use admin_shell::{Cell, Column, Kind, Table};
use jiff::{SignedDuration, tz::TimeZone};
use serde_json::Value;
use session_model::{AnalyticsReport, Timestamp, report::AnalyticsRow};

use super::{
    Failure,
    report::{Show, show},
    source::{Source, SourceArgs},
};
use crate::{
    analytics::request::{DAYS_MAX, Metric, bounded},
    clock::Clock,
};

/// Tell how good the sessions of each component are and whether that changes, worst first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The score is the mean of the closed sessions': 100 less 40 x the share of commands that failed, less 30 if the end was not
reported, less up to 30 for how uncertain it is. The trend is the score less that of as many days before.

Examples:
  session-buddy quality
  session-buddy quality --days 7 --format json | jq '.[] | select(.trend < 0)'"
)]
pub(super) struct Args {
    /// How many days back, 1 to 365
    #[arg(long, short, value_name = "N", default_value = "90", allow_hyphen_values = true,
        value_parser = |text: &str| bounded("days", text, DAYS_MAX))]
    days: u32,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let table = of_components(&args.source, args.days).await?;
    show(args.show.format, &table, TimeZone::system())
}

/// Gives a row for each component that had sessions in the last days.
pub(super) async fn of_components(source: &SourceArgs, days: u32) -> Result<Table, Failure> {
    let mut source = source.to_read().await?;
    let now = Clock::system().now();
    let back = SignedDuration::from_hours(24 * i64::from(days));
    let span = (now.saturating_add(-back), now);
    let before = (span.0.saturating_add(-back), span.0);
    let mut components = BTreeMap::<String, Quality>::new();
    for (metric, span, take) in [
        (Metric::ErrorRate, span, Quality::take as Take),
        (Metric::Lost, span, Quality::take),
        (Metric::Duration, span, Quality::take),
        (Metric::Quality, span, Quality::take),
        (Metric::Quality, before, Quality::take_before),
    ] {
        for row in ask(&mut source, metric, span).await?.rows {
            take(&mut components, row);
        }
    }
    // Of a component that had none lately nothing is to be told.
    components.retain(|_, quality| quality.sessions > 0);
    let mut rows: Vec<_> = components.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| a.rank().total_cmp(&b.rank()));
    Ok(table(rows))
}

async fn ask(
    source: &mut Source,
    metric: Metric,
    (after, before): (Timestamp, Timestamp),
) -> Result<AnalyticsReport, Failure> {
    let pairs = [
        ("metric", metric.to_string()),
        ("after", after.to_string()),
        ("before", before.to_string()),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
    source.analytics(None, &pairs).await
}

/// Puts a row of a report to what is known of its component.
type Take = fn(&mut BTreeMap<String, Quality>, AnalyticsRow);

/// How good the sessions of a component are.
#[derive(Clone, Debug, Default, PartialEq)]
struct Quality {
    sessions: i64,
    /// Shares of the sessions, 0 to 100.
    error_rate: f64,
    lost_rate: f64,
    mean_seconds: Option<f64>,
    /// 0 to 100; none without a closed session.
    score: Option<f64>,
    score_before: Option<f64>,
}

impl Quality {
    fn take(components: &mut BTreeMap<String, Self>, row: AnalyticsRow) {
        let mut of = |name: &str| components.entry(name.to_owned()).or_default().clone();
        let (name, quality) = match row {
            AnalyticsRow::ErrorRate(row) => {
                let mut quality = of(&row.component_name);
                quality.sessions = row.sessions.get();
                quality.error_rate = row.error_rate.get();
                (row.component_name, quality)
            }
            AnalyticsRow::Lost(row) => {
                let mut quality = of(&row.component_name);
                quality.lost_rate = percent(row.lost.get(), row.sessions.get());
                (row.component_name, quality)
            }
            AnalyticsRow::Duration(row) => {
                let mut quality = of(&row.component_name);
                quality.mean_seconds = Some(row.mean_seconds.get());
                (row.component_name, quality)
            }
            AnalyticsRow::Quality(row) => {
                let mut quality = of(&row.component_name);
                quality.score = Some(row.score.get());
                (row.component_name, quality)
            }
            AnalyticsRow::PeakHour(_) | AnalyticsRow::UniqueUsers(_) | AnalyticsRow::Count(_) => {
                return;
            }
        };
        components.insert(name, quality);
    }

    fn take_before(components: &mut BTreeMap<String, Self>, row: AnalyticsRow) {
        if let AnalyticsRow::Quality(row) = row {
            components
                .entry(row.component_name)
                .or_default()
                .score_before = Some(row.score.get());
        }
    }

    /// How much better the score is than before.
    fn trend(&self) -> Option<f64> {
        Some(self.score? - self.score_before?)
    }

    /// The worst first, and last those of which no session is closed.
    fn rank(&self) -> f64 {
        self.score.unwrap_or(f64::INFINITY)
    }
}

fn percent(part: i64, whole: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = part as f64 / whole.max(1) as f64;
    100.0 * share
}

fn table(rows: Vec<(String, Quality)>) -> Table {
    let number = |key: &str, title: &str| Column::new(key, title).kind(Kind::Number);
    let columns = [
        Column::new("component_name", "Component"),
        number("sessions", "Sessions"),
        number("error_rate", "Error Rate"),
        number("lost_rate", "Lost"),
        Column::new("mean_seconds", "Mean Length")
            .kind(Kind::Seconds)
            .dispensable(1),
        number("score", "Score"),
        number("trend", "Trend"),
    ];
    let mut table = Table::new(columns, "no sessions in that time");
    for (name, quality) in rows {
        table.push([
            name.into(),
            quality.sessions.into(),
            Cell::shown_as(quality.error_rate, format!("{:.1}%", quality.error_rate)),
            Cell::shown_as(quality.lost_rate, format!("{:.1}%", quality.lost_rate)),
            quality.mean_seconds.map_or(Value::Null, Value::from).into(),
            shown(quality.score, |score| format!("{score:.1}")),
            shown(quality.trend(), |trend| format!("{trend:+.1}")),
        ]);
    }
    table
}

fn shown(value: Option<f64>, write: impl Fn(f64) -> String) -> Cell {
    value.map_or_else(
        || Value::Null.into(),
        |value| Cell::shown_as(value, write(value)),
    )
}
