//! `session-buddy analytics sessions`, `duration`, `components`, `errors`, `active`

use std::io::stdout;

use admin_shell::{Cell, Column, Kind, Reply, Table, View};
use anstream::eprintln;
use jiff::tz::TimeZone;
use serde::{Serialize, de::DeserializeOwned};
use session_model::escape::for_line;

use super::{ActiveArgs, ComponentsArgs, How, ViewArgs, chart_for, standard_view, write};
use crate::{
    analytics::{
        request::ViewName,
        views::{ActiveSession, ComponentUsage, ErrorRate, Named, SessionStats},
    },
    cli::{Failure, output::Format, source::SourceArgs},
};

impl ViewArgs {
    async fn ask<T: DeserializeOwned>(&self, view: ViewName) -> Result<T, Failure> {
        let mut pairs = vec![self.days.pair()];
        let component = self.component.clone();
        pairs.extend(component.map(|component| ("component".to_owned(), component)));
        ask(&self.source, view, &pairs).await
    }

    fn period(&self) -> String {
        format!("Time Period: Last {} days", self.days.days)
    }
}

async fn ask<T: DeserializeOwned>(
    source: &SourceArgs,
    view: ViewName,
    pairs: &[(String, String)],
) -> Result<T, Failure> {
    source.to_read().await?.analytics(Some(view), pairs).await
}

/// Shows an answer: for people under a heading, unless there is nothing to show.
fn show(
    how: &How,
    answer: &impl Serialize,
    rows: Table,
    head: &str,
    empty: &str,
) -> Result<(), Failure> {
    let view = view();
    if rows.is_empty() {
        eprintln!("{empty}");
    }
    let head = if rows.is_empty() { "" } else { head };
    write(
        &mut stdout().lock(),
        how.format(),
        answer,
        Reply::Table(rows),
        &view,
        head,
    )
}

fn view() -> View {
    standard_view(TimeZone::system())
}

fn component() -> Column {
    Column::new("component_name", "Component")
}

fn number(key: &str, title: &str) -> Column {
    Column::new(key, title).kind(Kind::Number)
}

pub(super) async fn sessions(args: ViewArgs) -> Result<(), Failure> {
    let stats: Vec<SessionStats> = args.ask(ViewName::Sessions).await?;
    let mut rows = Table::new(
        [
            component(),
            number("total_sessions", "Sessions"),
            number("avg_duration", "Avg Duration"),
            number("active_sessions", "Active"),
            number("error_rate", "Error Rate"),
        ],
        "",
    );
    let mut bars = Vec::new();
    for row in &stats {
        bars.push((
            row.component_name.clone(),
            row.total_sessions.unsigned_abs(),
        ));
        rows.push([
            row.component_name.clone().into(),
            row.total_sessions.into(),
            Cell::shown_as(row.avg_duration, format!("{:.0}s", row.avg_duration)),
            row.active_sessions.into(),
            Cell::shown_as(row.error_rate, format!("{:.1}%", row.error_rate)),
        ]);
    }
    let head = format!("{}\n\n{}", args.period(), chart_for(&view()).bars(&bars));
    show(&args.how, &stats, rows, &head, "No session data found.")
}

pub(super) async fn duration(args: ViewArgs) -> Result<(), Failure> {
    let means: Named<f64> = args.ask(ViewName::Duration).await?;
    let columns = [component(), number("avg_duration", "Avg Duration")];
    let mut rows = Table::new(columns, "");
    for (name, seconds) in &means.0 {
        let shown = format!("{} ({seconds:.0}s)", length(*seconds));
        rows.push([name.clone().into(), Cell::shown_as(*seconds, shown)]);
    }
    let head = format!("{}\n", args.period());
    show(&args.how, &means, rows, &head, "No duration data found.")
}

/// Writes a length as `1h 30m 0s`, `5m 30s` or `45s`.
fn length(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
    let seconds = seconds.round() as i64;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m {rest}s"),
        _ => format!("{hours}h {minutes}m {rest}s"),
    }
}

pub(super) async fn components(args: ComponentsArgs) -> Result<(), Failure> {
    let pairs = [
        args.days.pair(),
        ("limit".to_owned(), args.limit.to_string()),
    ];
    let usage: Vec<ComponentUsage> = ask(&args.source, ViewName::Components, &pairs).await?;
    let mut rows = Table::new(
        [
            component(),
            number("session_count", "Sessions"),
            number("total_duration", "Total Duration"),
            number("avg_quality_score", "Avg Quality"),
            Column::new("last_active", "Last Active").kind(Kind::Time),
        ],
        "",
    );
    let mut bars = Vec::new();
    for row in &usage {
        bars.push((row.component_name.clone(), row.session_count.unsigned_abs()));
        let quality = row.avg_quality_score;
        let shown = quality.map_or_else(|| "-".to_owned(), |score| format!("{score:.1}"));
        rows.push([
            row.component_name.clone().into(),
            row.session_count.into(),
            Cell::shown_as(row.total_duration, in_hours(row.total_duration)),
            Cell::shown_as(serde_json::Value::from(quality), shown),
            row.last_active
                .map_or(serde_json::Value::Null, |at| at.to_string().into())
                .into(),
        ]);
    }
    let period = format!("Time Period: Last {} days", args.days.days);
    let head = format!("{period}\n\n{}", chart_for(&view()).bars(&bars));
    show(
        &args.how,
        &usage,
        rows,
        &head,
        "No component usage data found.",
    )
}

/// Writes a length as `12.5h`.
pub(super) fn in_hours(seconds: i64) -> String {
    let tenths = seconds.saturating_add(180) / 360;
    format!("{}.{}h", tenths / 10, tenths % 10)
}

pub(super) async fn errors(args: ViewArgs) -> Result<(), Failure> {
    let rates: Named<ErrorRate> = args.ask(ViewName::Errors).await?;
    let mut rows = Table::new(
        [
            component(),
            number("error_rate", "Error Rate"),
            number("total_sessions", "Total Sessions"),
            number("failed_sessions", "Failed"),
            Column::new("most_common_error", "Most Common"),
        ],
        "",
    );
    for (name, rate) in &rates.0 {
        let common = rate.most_common_error.as_deref();
        rows.push([
            name.clone().into(),
            Cell::shown_as(rate.error_rate, format!("{:.2}%", rate.error_rate)),
            rate.total_sessions.into(),
            rate.failed_sessions.into(),
            match (common, args.how.format()) {
                (Some(text), Format::Table) => Cell::shown_as(text, shortened(text)),
                (text, _) => serde_json::Value::from(text).into(),
            },
        ]);
    }
    let head = format!("{}\n", args.period());
    show(&args.how, &rates, rows, &head, "No error data found.")
}

/// Cuts an error text to its first 60 characters.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let line = for_line(text);
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.into_owned(),
    }
}

pub(super) async fn active(args: ActiveArgs) -> Result<(), Failure> {
    let active: Vec<ActiveSession> = ask(&args.source, ViewName::Active, &[]).await?;
    let mut rows = Table::new(
        [
            Column::new("session_id", "Session"),
            component(),
            Column::new("project", "Project").dispensable(1),
            Column::new("duration_seconds", "Duration").kind(Kind::Seconds),
            Column::new("start_time", "Started")
                .kind(Kind::Time)
                .dispensable(2),
        ],
        "",
    );
    for row in &active {
        rows.push([
            row.session_id.clone().into(),
            row.component_name.clone().into(),
            serde_json::Value::from(row.project.clone()).into(),
            row.duration_seconds.into(),
            row.start_time.to_string().into(),
        ]);
    }
    let head = format!("ACTIVE SESSIONS ({})\n", active.len());
    show(&args.how, &active, rows, &head, "No active sessions found.")
}
