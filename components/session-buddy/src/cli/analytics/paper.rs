//! A report on paper: what it says, and how each format says it.

mod html;
mod plain;

use jiff::tz::TimeZone;
use session_model::{
    AnalyticsReport,
    report::{AnalyticsRow, CountRow, DurationRow, PeakHourRow},
};

pub(super) use html::html;
pub(super) use plain::{markdown, text};

use crate::{
    analytics::{
        request::ViewName,
        views::{ComponentUsage, ErrorRate, Named, SessionStats},
    },
    cli::{
        Failure,
        analytics::views::{in_hours, shortened},
        source::Source,
    },
    clock::Clock,
};

/// A component is named for its errors above this share, in percent.
const ERROR_RATE_HIGH: f64 = 5.0;

/// What a report says.
pub(super) struct Summary {
    pub(super) days: u32,
    pub(super) tz: String,
    pub(super) written: String,
    pub(super) stats: Vec<SessionStats>,
    pub(super) usage: Vec<ComponentUsage>,
    pub(super) errors: Vec<(String, ErrorRate)>,
    pub(super) by_day: Vec<CountRow>,
    pub(super) by_hour: Vec<PeakHourRow>,
    pub(super) lengths: Vec<DurationRow>,
    pub(super) users: u64,
    pub(super) lost: i64,
}

impl Summary {
    pub(super) async fn ask(
        source: &mut Source,
        days: u32,
        zone: &TimeZone,
    ) -> Result<Self, Failure> {
        let now = Clock::system().now();
        let tz = zone.iana_name().unwrap_or("UTC").to_owned();
        let days_back = i64::from(days) * 24;
        let after = now.saturating_add(jiff::SignedDuration::from_hours(-days_back));
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let of_days = [pair("days", days.to_string())];
        let of_metric = |metric: &str| {
            let after = after.to_string();
            vec![
                pair("metric", metric.to_owned()),
                pair("after", after),
                pair("tz", tz.clone()),
            ]
        };
        let errors: Named<ErrorRate> = source.analytics(Some(ViewName::Errors), &of_days).await?;
        let mut summary = Self {
            days,
            tz: tz.clone(),
            written: now
                .as_jiff()
                .to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M")
                .to_string(),
            stats: source.analytics(Some(ViewName::Sessions), &of_days).await?,
            usage: source
                .analytics(Some(ViewName::Components), &of_days)
                .await?,
            errors: errors.0,
            by_day: Vec::new(),
            by_hour: Vec::new(),
            lengths: Vec::new(),
            users: 0,
            lost: 0,
        };
        for metric in ["count", "peak_hours", "duration", "unique_users", "lost"] {
            let report: AnalyticsReport = source.analytics(None, &of_metric(metric)).await?;
            for row in report.rows {
                summary.take(row);
            }
        }
        Ok(summary)
    }

    fn take(&mut self, row: AnalyticsRow) {
        match row {
            AnalyticsRow::Count(row) => self.by_day.push(row),
            AnalyticsRow::PeakHour(row) => self.by_hour.push(row),
            AnalyticsRow::Duration(row) => self.lengths.push(row),
            AnalyticsRow::UniqueUsers(row) => self.users = row.users.get().unsigned_abs(),
            AnalyticsRow::Lost(row) => self.lost += row.lost.get(),
            AnalyticsRow::ErrorRate(_) | AnalyticsRow::Quality(_) => {}
        }
    }

    fn sessions(&self) -> i64 {
        self.stats.iter().map(|stats| stats.total_sessions).sum()
    }

    fn active(&self) -> i64 {
        self.stats.iter().map(|stats| stats.active_sessions).sum()
    }

    /// The mean of the components' rates, each of the same weight.
    #[expect(clippy::cast_precision_loss, reason = "there are few components")]
    fn mean_error_rate(&self) -> f64 {
        let sum: f64 = self.errors.iter().map(|(_, rate)| rate.error_rate).sum();
        sum / (self.errors.len().max(1) as f64)
    }

    /// The lines of its head: what, and how much.
    fn figures(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Sessions", self.sessions().to_string()),
            ("Active", self.active().to_string()),
            ("Lost", self.lost.to_string()),
            ("Users", self.users.to_string()),
            ("Components", self.stats.len().to_string()),
            (
                "Mean error rate of components",
                format!("{:.2}%", self.mean_error_rate()),
            ),
        ]
    }

    /// The figures, for a table.
    fn figure_rows(&self) -> impl Iterator<Item = Vec<String>> {
        let figures = self.figures().into_iter();
        figures.map(|(name, figure)| vec![name.to_owned(), figure])
    }

    /// Of each component its name, sessions, length of all of them and quality, for a table.
    fn component_rows(&self) -> impl Iterator<Item = Vec<String>> {
        self.usage.iter().map(|usage| {
            vec![
                usage.component_name.clone(),
                usage.session_count.to_string(),
                in_hours(usage.total_duration),
                usage
                    .avg_quality_score
                    .map_or_else(String::new, |score| format!("{score:.1}")),
            ]
        })
    }

    /// Of each component its name, error rate, failed sessions and most common error, for a table.
    fn error_rows(&self) -> impl Iterator<Item = Vec<String>> {
        self.errors.iter().map(|(name, rate)| {
            let common = rate.most_common_error.as_deref().map(shortened);
            vec![
                name.clone(),
                format!("{:.2}%", rate.error_rate),
                rate.failed_sessions.to_string(),
                common.unwrap_or_default(),
            ]
        })
    }

    /// The components with many errors, worst first.
    fn failing(&self) -> impl Iterator<Item = &(String, ErrorRate)> {
        let failing = |(_, rate): &&(String, ErrorRate)| rate.error_rate > ERROR_RATE_HIGH;
        self.errors.iter().filter(failing)
    }

    /// The sessions of each component.
    fn bars(&self) -> Vec<(String, u64)> {
        let bar = |usage: &ComponentUsage| {
            (
                usage.component_name.clone(),
                usage.session_count.unsigned_abs(),
            )
        };
        self.usage.iter().map(bar).collect()
    }

    fn hours(&self) -> Vec<u64> {
        self.by_hour
            .iter()
            .map(|row| row.sessions.get().unsigned_abs())
            .collect()
    }
}
