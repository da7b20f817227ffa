//! `session-buddy analytics --metric`

use std::path::PathBuf;

use admin_shell::{Cell, Column, Kind, Reply, Table};
use anstream::eprintln;
use jiff::tz::TimeZone;
use serde_json::Value;
use session_model::{AnalyticsReport, FieldErrors, report::AnalyticsRow, words::Period};

use super::{chart_for, standard_view, write};
use crate::{
    analytics::{
        Calendar, Unit,
        request::{Metric, ReportRequest},
    },
    cli::{
        ExitStatus, Failure, dates,
        output::{Format, Output},
        source::SourceArgs,
    },
    clock::Clock,
};

#[derive(Debug, clap::Args)]
pub(super) struct MetricArgs {
    /// What to tell
    #[arg(long, value_enum)]
    metric: Option<Metric>,
    /// By which span: hourly, daily, weekly or monthly; of count and unique_users
    #[arg(long)]
    period: Option<Period>,
    /// Kind of session, such as admin_shell
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    session_type: Vec<String>,
    /// Component whose shell it is
    #[arg(long, value_delimiter = ',')]
    component: Vec<String>,
    /// Account name
    #[arg(long, value_delimiter = ',')]
    user: Vec<String>,
    /// Began then or later: a date, an RFC 3339 time, or an age such as 7d
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Began before then
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Zone in which hours and days are meant, such as UTC [default: local]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// How to write it [default: by the ending of --output, else table]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// File to write to
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: MetricArgs) -> Result<(), Failure> {
    let usage = |problem: String| Failure::new(ExitStatus::Usage, problem);
    let zone = named(dates::zone(args.tz.as_deref()).map_err(usage)?);
    let pairs = args.pairs(&zone)?;
    let request = ReportRequest::from_pairs(&pairs).map_err(|errors| usage(as_flags(&errors)))?;
    let of_file = args.output.as_deref().and_then(Format::of_file);
    let format = args.format.or(of_file).unwrap_or(Format::Table);
    let report: AnalyticsReport = args.source.to_read().await?.analytics(None, &pairs).await?;

    let mut view = standard_view(zone);
    view.width = view.width.filter(|_| args.output.is_none());
    let chart = chart(&request, &report, &view);
    let rows = rows(request.metric, &report);
    let empty = rows.is_empty();
    let place = args.output.as_ref().map(|path| path.display().to_string());
    let cannot_write = |error| match &place {
        Some(place) => Failure::of(ExitStatus::Failed, &error)
            .hint(format!("--output {place} could not be written")),
        None => Failure::writing(error),
    };
    let mut output = Output::to(args.output).map_err(&cannot_write)?;
    // A map of hours says all that its 168 rows say.
    let rows = match (request.metric, format) {
        (Metric::PeakHours, Format::Table) => Reply::Nothing,
        _ => Reply::Table(rows),
    };
    write(&mut output, format, &report, rows, &view, &chart)?;
    output.finish().map_err(&cannot_write)?;
    if empty {
        eprintln!("no session matches");
    }
    Ok(())
}

/// A zone without a name, which a server could not find, is taken as UTC, and that is said.
fn named(zone: TimeZone) -> TimeZone {
    let found = zone.iana_name().and_then(|name| TimeZone::get(name).ok());
    found.unwrap_or_else(|| {
        eprintln!("note: the local zone has no name; hours and days are those of UTC");
        TimeZone::UTC
    })
}

/// Says what is wrong in the words of the command line.
fn as_flags(errors: &FieldErrors) -> String {
    let problems = errors.as_slice().iter();
    let problems: Vec<_> = problems
        .map(|error| format!("--{}: {}", error.field, error.message))
        .collect();
    problems.join("; ")
}

impl MetricArgs {
    fn pairs(&self, zone: &TimeZone) -> Result<Vec<(String, String)>, Failure> {
        let usage = |problem: String| Failure::new(ExitStatus::Usage, problem);
        let Some(metric) = self.metric else {
            let problem = "give --metric, or one of sessions, duration, components, errors, active, report, sql";
            return Err(usage(problem.to_owned())
                .hint("`session-buddy analytics --help` tells what each says"));
        };
        let now = Clock::system().now();
        let mut pairs = vec![("metric", metric.to_string())];
        pairs.extend(self.period.map(|period| ("period", period.to_string())));
        for (name, values) in [
            ("type", &self.session_type),
            ("component", &self.component),
            ("user", &self.user),
        ] {
            pairs.extend(values.iter().map(|value| (name, value.clone())));
        }
        for (name, text) in [("after", &self.after), ("before", &self.before)] {
            if let Some(text) = text {
                let instant = dates::instant(text, now, zone)
                    .map_err(|problem| usage(format!("--{name}: {problem}")))?;
                pairs.push((name, instant.to_string()));
            }
        }
        pairs.extend(zone.iana_name().map(|name| ("tz", name.to_owned())));
        let owned = |(name, value): (&str, _)| (name.to_owned(), value);
        Ok(pairs.into_iter().map(owned).collect())
    }
}

/// Gives the rows as a table with the keys of their JSON.
fn rows(metric: Metric, report: &AnalyticsReport) -> Table {
    let component = || Column::new("component_name", "Component");
    let number = |key: &str, title: &str| Column::new(key, title).kind(Kind::Number);
    let seconds = |key: &str, title: &str| Column::new(key, title).kind(Kind::Seconds);
    let sessions = || number("sessions", "Sessions");
    let columns = match metric {
        Metric::Duration => vec![
            component(),
            sessions(),
            seconds("mean_seconds", "Mean"),
            seconds("median_seconds", "Median"),
            seconds("p95_seconds", "95 %"),
        ],
        Metric::Count => vec![Column::new("bucket", "From"), sessions()],
        Metric::UniqueUsers => vec![Column::new("bucket", "From"), number("users", "Users")],
        Metric::PeakHours => vec![
            number("weekday", "Weekday"),
            number("hour", "Hour"),
            sessions(),
        ],
        Metric::ErrorRate => vec![
            component(),
            sessions(),
            number("failed", "Failed"),
            number("error_rate", "Error Rate"),
            Column::new("most_common_error", "Most Common Error").dispensable(1),
        ],
        Metric::Lost => vec![
            component(),
            sessions(),
            number("lost", "Lost"),
            number("active", "Active"),
        ],
        Metric::Quality => vec![component(), sessions(), number("score", "Quality")],
    };
    let keys: Vec<String> = {
        let table = Table::new(columns.clone(), "");
        table.keys().map(str::to_owned).collect()
    };
    let mut table = Table::new(columns, "");
    for row in &report.rows {
        let row = serde_json::to_value(row).unwrap_or_default();
        table.push(keys.iter().map(|key| cell(key, &row[key.as_str()])));
    }
    table
}

/// Shows shares and points with two digits, and all of the time by a word.
fn cell(key: &str, value: &Value) -> Cell {
    match (key, value) {
        ("error_rate", Value::Number(rate)) => Cell::shown_as(
            value.clone(),
            format!("{:.2}%", rate.as_f64().unwrap_or_default()),
        ),
        ("score", Value::Number(score)) => Cell::shown_as(
            value.clone(),
            format!("{:.1}", score.as_f64().unwrap_or_default()),
        ),
        ("bucket", Value::Null) => Cell::shown_as(Value::Null, "all"),
        _ => value.clone().into(),
    }
}

/// Draws what has a shape.
fn chart(request: &ReportRequest, report: &AnalyticsReport, view: &admin_shell::View) -> String {
    let chart = chart_for(view);
    match request.metric {
        Metric::PeakHours => {
            let hours: Vec<u64> = report.rows.iter().map(row_value).collect();
            let most = hours.iter().max().copied().unwrap_or_default();
            if most == 0 {
                return String::new();
            }
            format!("{}darkest: {most} sessions\n", chart.week(&hours))
        }
        Metric::Count | Metric::UniqueUsers if report.rows.len() > 1 => {
            let buckets: Vec<(String, u64)> = report.rows.iter().filter_map(bucket).collect();
            format!("{}\n", chart.line(&with_gaps(request, &buckets)))
        }
        Metric::ErrorRate | Metric::Lost => {
            let bars: Vec<_> = report.rows.iter().filter_map(bar).collect();
            chart.bars(&bars)
        }
        Metric::Count | Metric::UniqueUsers | Metric::Duration | Metric::Quality => String::new(),
    }
}

/// Gives what failed, or is lost, of a component.
fn bar(row: &AnalyticsRow) -> Option<(String, u64)> {
    let component = match row {
        AnalyticsRow::ErrorRate(row) => &row.component_name,
        AnalyticsRow::Lost(row) => &row.component_name,
        _ => return None,
    };
    Some((component.clone(), row_value(row)))
}

fn row_value(row: &AnalyticsRow) -> u64 {
    let count = match row {
        AnalyticsRow::PeakHour(row) => row.sessions,
        AnalyticsRow::Count(row) => row.sessions,
        AnalyticsRow::UniqueUsers(row) => row.users,
        AnalyticsRow::Duration(row) => row.sessions,
        AnalyticsRow::ErrorRate(row) => row.failed,
        AnalyticsRow::Lost(row) => row.lost,
        AnalyticsRow::Quality(row) => row.sessions,
    };
    count.get().unsigned_abs()
}

fn bucket(row: &AnalyticsRow) -> Option<(String, u64)> {
    match row {
        AnalyticsRow::Count(count) => Some((count.bucket.clone(), row_value(row))),
        AnalyticsRow::UniqueUsers(users) => Some((users.bucket.clone()?, row_value(row))),
        _ => None,
    }
}

/// Puts a zero where nothing began between two buckets; where far apart, the line is of those that there are.
fn with_gaps(request: &ReportRequest, buckets: &[(String, u64)]) -> Vec<u64> {
    /// More than fit any terminal.
    const BUCKETS_MAX: usize = 1000;
    let plain = || buckets.iter().map(|(_, value)| *value).collect();
    let Some(period) = request.period else {
        return plain();
    };
    let calendar = Calendar {
        zone: request.zone.clone(),
        unit: Unit::from(period),
    };
    let (Some((first, _)), Some((last, _))) = (buckets.first(), buckets.last()) else {
        return plain();
    };
    let Some(mut bucket) = calendar.find(first) else {
        return plain();
    };
    let mut values = Vec::new();
    let known: std::collections::HashMap<_, _> = buckets.iter().cloned().collect();
    while values.len() < BUCKETS_MAX {
        let name = calendar.name(bucket);
        values.push(known.get(&name).copied().unwrap_or_default());
        if name == *last {
            return values;
        }
        let Some(next) = calendar.next(bucket) else {
            break;
        };
        bucket = next;
    }
    plain()
}
