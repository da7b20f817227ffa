//! From what a store found to the rows of a report.

use std::collections::BTreeMap;

use session_model::{
    AnalyticsReport, Integer, Number,
    report::{
        AnalyticsRow, Count, CountRow, DurationRow, ErrorRateRow, LostRow, PeakHourRow, QualityRow,
        UniqueUsersRow,
    },
};

use super::{
    Bucket, Calendar, Findings, Total, Unit, Wanted, lengths,
    request::{Metric, ReportRequest},
};

/// Hours of a week.
const HOURS_PER_WEEK: i64 = 168;

/// Makes the report that was asked for.
pub fn report(request: &ReportRequest, findings: Findings) -> AnalyticsReport {
    let rows = match findings {
        Findings::Totals(totals) => of_components(request.metric, totals),
        Findings::Buckets(buckets) => of_buckets(request, &buckets),
    };
    AnalyticsReport {
        metric: request.metric.to_string(),
        period: request.period,
        after: request.scope.after,
        before: request.scope.before,
        tz: request.tz.clone(),
        filters: request.filters(),
        rows,
    }
}

/// Orders components by what they were asked for: longest, worst, most lost first, and then by name.
fn of_components(metric: Metric, totals: BTreeMap<String, Total>) -> Vec<AnalyticsRow> {
    let mut rows: Vec<(f64, AnalyticsRow)> = totals
        .into_iter()
        .filter_map(|(component, total)| of_component(metric, component, total))
        .collect();
    // A stable sort keeps equals in the order of their names.
    rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Gives a component's row, and by what it is ordered. What only closed sessions have is not told of a component without.
fn of_component(
    metric: Metric,
    component_name: String,
    total: Total,
) -> Option<(f64, AnalyticsRow)> {
    let Total {
        aggregate,
        most_common_error,
    } = total;
    let sessions = count(aggregate.sessions);
    Some(match metric {
        Metric::Duration => {
            let mean = aggregate.mean_seconds()?;
            let closed = aggregate.closed();
            // One length is its own percentile, and the median of two is their mean.
            let median = match closed {
                1 | 2 => mean,
                _ => lengths::median(&aggregate.lengths),
            };
            let p95 = match closed {
                1 => mean,
                _ => lengths::p95(&aggregate.lengths),
            };
            let row = DurationRow {
                component_name,
                sessions: count(closed),
                mean_seconds: Number::saturating(mean),
                median_seconds: Number::saturating(median),
                p95_seconds: Number::saturating(p95),
            };
            (mean, AnalyticsRow::Duration(row))
        }
        Metric::ErrorRate => {
            let rate = aggregate.error_rate();
            let row = ErrorRateRow {
                component_name,
                sessions,
                failed: count(aggregate.failed),
                error_rate: Number::saturating(rate),
                most_common_error,
            };
            (rate, AnalyticsRow::ErrorRate(row))
        }
        Metric::Quality => {
            let score = aggregate.mean_quality()?;
            let row = QualityRow {
                component_name,
                sessions: count(aggregate.closed()),
                score: Number::saturating(score),
            };
            (-score, AnalyticsRow::Quality(row))
        }
        Metric::Lost | Metric::Count | Metric::UniqueUsers | Metric::PeakHours => {
            let row = LostRow {
                component_name,
                sessions,
                lost: count(aggregate.lost),
                active: count(aggregate.active),
            };
            #[expect(clippy::cast_precision_loss, reason = "it only orders rows")]
            let order = aggregate.lost as f64;
            (order, AnalyticsRow::Lost(row))
        }
    })
}

fn of_buckets(request: &ReportRequest, buckets: &BTreeMap<Bucket, u64>) -> Vec<AnalyticsRow> {
    let calendar = match request.question().wanted {
        Wanted::Starts(calendar) | Wanted::Users(calendar) => calendar,
        Wanted::Totals | Wanted::Errors => return Vec::new(),
    };
    match (request.metric, calendar.unit) {
        (Metric::PeakHours, _) => peak_hours(buckets),
        (Metric::UniqueUsers, Unit::All) => vec![AnalyticsRow::UniqueUsers(UniqueUsersRow {
            bucket: None,
            users: count(buckets.values().sum::<u64>()),
        })],
        (Metric::UniqueUsers, _) => named(&calendar, buckets, |bucket, users| {
            AnalyticsRow::UniqueUsers(UniqueUsersRow {
                bucket: Some(bucket),
                users,
            })
        }),
        _ => named(&calendar, buckets, |bucket, sessions| {
            AnalyticsRow::Count(CountRow { bucket, sessions })
        }),
    }
}

fn named(
    calendar: &Calendar,
    buckets: &BTreeMap<Bucket, u64>,
    row: impl Fn(String, Count) -> AnalyticsRow,
) -> Vec<AnalyticsRow> {
    let row = |(bucket, number): (&Bucket, &u64)| row(calendar.name(*bucket), count(*number));
    buckets.iter().map(row).collect()
}

/// Gives a row for each hour of the week, also for those in which nothing began.
fn peak_hours(buckets: &BTreeMap<Bucket, u64>) -> Vec<AnalyticsRow> {
    let row = |hour| {
        let bucket = Bucket::of_hour_of_week(hour);
        let (weekday, hour) = bucket.hour_of_week();
        AnalyticsRow::PeakHour(PeakHourRow {
            weekday: Integer::new(weekday).expect("a week has seven days"),
            hour: Integer::new(hour).expect("a day has 24 hours"),
            sessions: count(buckets.get(&bucket).copied().unwrap_or_default()),
        })
    };
    (0..HOURS_PER_WEEK).map(row).collect()
}

fn count(number: impl TryInto<i64>) -> Count {
    let number = number.try_into().unwrap_or(i64::MAX);
    Count::new(number.max(0)).expect("no number that is not negative is too large")
}
