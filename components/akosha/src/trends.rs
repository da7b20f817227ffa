//! How something went over time.
//!
//! A window that ends now, or where the filter ends, is cut into buckets of one length, counted back from its end, so that each is
//! whole; the window before it is what it is compared with. The slope is that of Theil and Sen (Sen, 1968): the median of the
//! slopes between all pairs of buckets, which some wild days do not move.

mod slope;
mod sparkline;

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, tz::TimeZone};
use session_model::Timestamp;

pub use slope::theil_sen;
pub use sparkline::sparkline;

use crate::{
    aggregate::{mean, share},
    field::{Field, Key},
    history::{Name, Visit},
    words,
};

/// The most buckets of a window: the slopes between all pairs of them are sorted.
pub const BUCKETS_MAX: usize = 2_000;

/// What is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// How many sessions began.
    Sessions,
    /// How many different accounts.
    Users,
    /// The mean length of those that have ended.
    Duration,
    /// The share that failed, 0 to 100.
    ErrorRate,
    /// The share that is lost, 0 to 100.
    Lost,
}

/// A window, and its buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where it ends.
    pub end: Timestamp,
    /// How long a bucket is.
    pub granularity: Duration,
    /// How many there are.
    pub buckets: usize,
}

/// How a metric went.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Of whom; none for all together.
    pub of: Option<Key>,
    /// What.
    pub metric: Metric,
    /// A number for each bucket, the oldest first; none where there is nothing to take it from.
    pub series: Vec<Option<f64>>,
    /// Over the whole window.
    pub whole: Option<f64>,
    /// Over the window before it.
    pub before: Option<f64>,
    /// By how much it rises with each bucket; none where fewer than two have a number.
    pub slope: Option<f64>,
}

/// Why there is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WindowError(String);

impl Metric {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sessions,
        Self::Users,
        Self::Duration,
        Self::ErrorRate,
        Self::Lost,
    ];

    /// Gives its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Users => "users",
            Self::Duration => "duration",
            Self::ErrorRate => "error_rate",
            Self::Lost => "lost",
        }
    }

    /// Reads `all`, or one or several words with commas between them.
    ///
    /// # Errors
    ///
    /// Which word was probably meant.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let named = Self::ALL.map(|metric| (metric.word(), metric));
        words::several("metric", text, &Self::ALL, &named)
    }
}

impl Window {
    /// Makes a window of a length.
    ///
    /// # Errors
    ///
    /// It has no whole bucket, or more than [`BUCKETS_MAX`].
    pub fn new(
        end: Timestamp,
        length: Duration,
        granularity: Duration,
    ) -> Result<Self, WindowError> {
        let buckets = length.as_secs() / granularity.as_secs().max(1);
        let problem = match usize::try_from(buckets) {
            Ok(0) => "granularity: a bucket is longer than the window".to_owned(),
            Ok(buckets @ 1..=BUCKETS_MAX) => {
                return Ok(Self {
                    end,
                    granularity,
                    buckets,
                });
            }
            _ => format!("granularity: at most {BUCKETS_MAX} buckets, found {buckets}"),
        };
        Err(WindowError(problem))
    }

    /// Gives where it begins.
    #[must_use]
    pub fn begin(&self) -> Timestamp {
        self.back(self.buckets)
    }

    /// Gives where the window before it begins.
    #[must_use]
    pub fn begin_before(&self) -> Timestamp {
        self.back(self.buckets * 2)
    }

    /// Gives where a bucket begins.
    #[must_use]
    pub fn begin_of(&self, bucket: usize) -> Timestamp {
        self.back(self.buckets.saturating_sub(bucket))
    }

    fn back(&self, buckets: usize) -> Timestamp {
        let buckets = u32::try_from(buckets).unwrap_or(u32::MAX);
        let length = self.granularity.saturating_mul(buckets);
        let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        self.end.saturating_add(-length)
    }

    /// Gives the bucket in which something began: none before the window, and after it.
    fn bucket(&self, at: Timestamp) -> Option<usize> {
        if at >= self.end {
            return None;
        }
        let micros = u128::try_from(at.micros_since(self.begin())).ok()?;
        usize::try_from(micros / self.granularity.as_micros().max(1)).ok()
    }

    fn is_before(&self, at: Timestamp) -> bool {
        (self.begin_before()..self.begin()).contains(&at)
    }
}

/// Gives how each metric went, of all sessions or of each group; groups with most sessions first, at most `limit`.
#[must_use]
pub fn trends(
    visits: &[Visit],
    window: &Window,
    metrics: &[Metric],
    by: Option<(Field, &TimeZone)>,
    limit: usize,
) -> Vec<Trend> {
    let mut groups: HashMap<Option<Key>, Buckets<'_>> = HashMap::new();
    if by.is_none() {
        groups.insert(None, Buckets::new(window));
    }
    for visit in visits {
        let of = by.map(|(field, zone)| field.of(visit, zone));
        let group = groups.entry(of).or_insert_with(|| Buckets::new(window));
        match window.bucket(visit.start) {
            Some(bucket) => group.inside[bucket].push(visit),
            None if window.is_before(visit.start) => group.before.push(visit),
            None => {}
        }
    }
    let size = |buckets: &Buckets<'_>| buckets.inside.iter().map(Vec::len).sum::<usize>();
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(one, ones), (other, others)| {
        size(others).cmp(&size(ones)).then_with(|| one.cmp(other))
    });
    groups.truncate(limit);
    let of_group = |(of, buckets): (Option<Key>, Buckets<'_>)| {
        let of_metric = |metric: &Metric| buckets.trend(of.clone(), *metric);
        metrics.iter().map(of_metric).collect::<Vec<_>>()
    };
    groups.into_iter().flat_map(of_group).collect()
}

/// The sessions of a group.
struct Buckets<'a> {
    inside: Vec<Vec<&'a Visit>>,
    before: Vec<&'a Visit>,
}

impl Buckets<'_> {
    fn new(window: &Window) -> Self {
        Self {
            inside: vec![Vec::new(); window.buckets],
            before: Vec::new(),
        }
    }

    fn trend(&self, of: Option<Key>, metric: Metric) -> Trend {
        let series: Vec<_> = self
            .inside
            .iter()
            .map(|bucket| metric.of(bucket.iter().copied()))
            .collect();
        Trend {
            of,
            metric,
            slope: theil_sen(&series),
            whole: metric.of(self.inside.iter().flatten().copied()),
            before: metric.of(self.before.iter().copied()),
            series,
        }
    }
}

impl Trend {
    /// Gives the change to the window before.
    #[must_use]
    pub fn change(&self) -> Option<f64> {
        let (whole, before) = self.whole.zip(self.before)?;
        Some(whole - before)
    }

    /// Gives the change to the window before, as a share of that, 0 to 100 and more; none where that has nothing.
    #[must_use]
    pub fn change_percent(&self) -> Option<f64> {
        let (change, before) = self.change().zip(self.before)?;
        (before != 0.0).then(|| change * 100.0 / before)
    }
}

impl Metric {
    /// Takes the number from some sessions.
    fn of<'a>(self, visits: impl Iterator<Item = &'a Visit>) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 sessions")]
            Self::Sessions => Some(visits.count() as f64),
            Self::Users => {
                let users: std::collections::HashSet<&Name> =
                    visits.map(|visit| &visit.user).collect();
                #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 people")]
                let count = users.len() as f64;
                Some(count)
            }
            Self::Duration => {
                let lengths: Vec<_> = visits.filter_map(Visit::full_seconds).collect();
                mean(&lengths)
            }
            Self::ErrorRate => percent(visits, |visit| visit.error),
            Self::Lost => percent(visits, Visit::is_lost),
        }
    }
}

fn percent<'a>(
    visits: impl Iterator<Item = &'a Visit>,
    is_part: impl Fn(&Visit) -> bool,
) -> Option<f64> {
    let (mut part, mut whole) = (0, 0);
    for visit in visits {
        whole += 1;
        part += usize::from(is_part(visit));
    }
    share(part, whole)
}

#[cfg(test)]
mod tests {
    use session_model::SessionStatus;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn window() -> Window {
        let end = "2026-11-27T12:00:00Z".parse().unwrap();
        Window::new(end, Duration::from_hours(3), HOUR).unwrap()
    }

    /// Two hours before the window one session, then 1, 0 and 3 an hour; the one that lasts longest is still active.
    fn visits() -> Vec<Visit> {
        let visit = |at: &str, user: &str, seconds: f64| Visit {
            duration_seconds: Some(seconds),
            ..Visit::new(
                at,
                "billing",
                user,
                "ops",
                format!("2026-11-27T{at}:00Z").parse().unwrap(),
            )
        };
        let mut visits = vec![
            visit("11:59", "ana", 9_000.0),
            visit("11:30", "les", 300.0),
            visit("11:00", "les", 100.0),
            visit("09:00", "les", 60.0),
            visit("07:00", "kim", 40.0),
            visit("12:00", "kim", 40.0),
            visit("05:59", "kim", 40.0),
        ];
        visits[0].status = SessionStatus::Active;
        visits[1].error = true;
        visits[2].status = SessionStatus::Lost;
        visits
    }

    fn of(metric: Metric) -> Trend {
        trends(&visits(), &window(), &[metric], None, 10).remove(0)
    }

    #[test]
    fn each_metric_has_its_numbers() {
        for (metric, series, whole, before) in [
            (
                Metric::Sessions,
                [Some(1.0), Some(0.0), Some(3.0)],
                Some(4.0),
                Some(1.0),
            ),
            (
                Metric::Users,
                [Some(1.0), Some(0.0), Some(2.0)],
                Some(2.0),
                Some(1.0),
            ),
            (
                Metric::Duration,
                [Some(60.0), None, Some(200.0)],
                Some(460.0 / 3.0),
                Some(40.0),
            ),
            (
                Metric::ErrorRate,
                [Some(0.0), None, Some(100.0 / 3.0)],
                Some(25.0),
                Some(0.0),
            ),
            (
                Metric::Lost,
                [Some(0.0), None, Some(100.0 / 3.0)],
                Some(25.0),
                Some(0.0),
            ),
        ] {
            let trend = of(metric);
            assert_eq!(trend.series, series, "{metric:?}");
            assert_eq!((trend.whole, trend.before), (whole, before), "{metric:?}");
        }
        assert_eq!(of(Metric::Sessions).slope, Some(1.0));
        assert_eq!(of(Metric::Sessions).change_percent(), Some(300.0));
        assert_eq!(of(Metric::ErrorRate).change_percent(), None);
        assert_eq!(of(Metric::ErrorRate).change(), Some(25.0));
    }

    #[test]
    fn groups_are_followed_one_by_one() {
        let by = Some((Field::User, &TimeZone::UTC));
        let found = trends(&visits(), &window(), &[Metric::Sessions], by, 2);
        let shown: Vec<_> = found
            .iter()
            .map(|trend| (trend.of.as_ref().unwrap().to_text(), trend.whole))
            .collect();
        assert_eq!(
            shown,
            [("les".to_owned(), Some(3.0)), ("ana".to_owned(), Some(1.0))]
        );
    }

    #[test]
    fn a_window_is_whole_buckets() {
        let end = "2026-11-27T12:00:00Z".parse().unwrap();
        let new = |seconds| Window::new(end, Duration::from_secs(seconds), HOUR);
        assert_eq!(window().begin().to_string(), "2026-11-27T09:00:00.000000Z");
        assert_eq!(new(5 * 1_800).unwrap().buckets, 2);
        assert_eq!(
            new(60).unwrap_err().to_string(),
            "granularity: a bucket is longer than the window"
        );
        assert_eq!(
            new(2_001 * 3_600).unwrap_err().to_string(),
            "granularity: at most 2000 buckets, found 2001"
        );
    }
}
