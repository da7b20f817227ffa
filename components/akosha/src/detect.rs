//! What is unusual in a history, and why.
//!
//! Each measure has a baseline of its own, which is robust, so that what is unusual does not become usual by happening, and
//! shrinks: who has little history is held to what is usual in their component, and a new component to what is usual everywhere.
//!
//! - [`Metric::Duration`] (`lengths.rs`): log lengths of the pair of user and component against its median and quartiles.
//!   Only what is long is unusual.
//! - [`Metric::ErrorRate`] (`failures.rs`): the share of commands that failed, beta-binomial; of senders that do not count, the share of
//!   sessions that failed in their component within three hours.
//! - [`Metric::StartFrequency`] (`bursts.rs`): starts of a user within [`Settings::window`], negative binomial, its mean from
//!   the user's weekly rhythm and the habit of opening several shells at once.
//! - [`Metric::HourOfDay`] (`hours.rs`): the time of day of the user on working days and on weekends, smoothed on a circle.
//! - [`Metric::NewHost`], [`Metric::NewComponent`] (`novelties.rs`): how rarely the user, and anybody in this component, goes where they
//!   never were, and how rarely to a place that so few know.
//!
//! **Nothing looks ahead.** A start is compared with what began before it, a length and failures with what had ended when the session
//! ended. What goes on, such as a burst, is one finding, which grows. Of an open session the length so far is compared.
//!
//! **Cold start.** Nothing is said of a user's first [`COLD_START`] sessions, which only teach. A length is compared with the component's
//! while the user has few there. Sessions under ten minutes are never long, and fewer than five starts no burst.
//!
//! **A habit is not unusual.** Of a length or a burst, a third time is none any more; hours and failures are learned in a few times.

mod bursts;
mod episodes;
mod failures;
mod hours;
mod lengths;
mod novelties;
mod recent;
mod rhythm;
mod tail;
#[cfg(test)]
mod tests;
mod timeline;
mod words;

use std::{fmt, str::FromStr, time::Duration};

use session_model::Timestamp;

use crate::history::{Name, Visit};
use timeline::{Session, Timeline};

/// How many sessions of a user are only learned from.
pub const COLD_START: usize = 20;

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// A session that lasted far longer than usual.
    Duration,
    /// Commands, or sessions, that failed far more often than usual.
    ErrorRate,
    /// Many starts of a user at once.
    StartFrequency,
    /// A start at a time of day at which the user does not work.
    HourOfDay,
    /// A user on a host for the first time.
    NewHost,
    /// A user in a component for the first time.
    NewComponent,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Duration,
        Self::ErrorRate,
        Self::StartFrequency,
        Self::HourOfDay,
        Self::NewHost,
        Self::NewComponent,
    ];

    /// Gives its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::ErrorRate => "error_rate",
            Self::StartFrequency => "start_frequency",
            Self::HourOfDay => "hour_of_day",
            Self::NewHost => "new_host",
            Self::NewComponent => "new_component",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text is the name of no metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMetric;

impl fmt::Display for UnknownMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected one of {}",
            Metric::ALL.map(Metric::as_str).join(", ")
        )
    }
}

impl std::error::Error for UnknownMetric {}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        let named = |metric: &Self| metric.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(UnknownMetric)
    }
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What to look at.
    pub metrics: Vec<Metric>,
    /// The least score of a finding, 0 to 1.
    pub threshold: f64,
    /// Within which time starts are counted: 1 second to [`Self::WINDOW_MAX`]; what is beyond is moved to the nearest.
    pub window: Duration,
}

impl Settings {
    /// The longest window: a week, since a rhythm is one of weeks.
    pub const WINDOW_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// The probability below which something is a finding.
    fn bar(&self) -> f64 {
        tail::probability(self.threshold)
    }
}

impl Default for Settings {
    /// All metrics, a threshold of 0.8, a window of 300 seconds.
    fn default() -> Self {
        Self {
            metrics: Metric::ALL.to_vec(),
            threshold: 0.8,
            window: Duration::from_secs(300),
        }
    }
}

/// Something unusual.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What is unusual.
    pub metric: Metric,
    /// How surprising it is, 0 to 1, comparable over metrics: 1 - p^(1/4), where p is a cautious estimate of how often a session
    /// is this far out by chance. 0.5 is one in 16 sessions, 0.8 one in 625, 0.9 one in 10,000.
    pub score: f64,
    /// The start of its first session.
    pub at: Timestamp,
    /// Whose sessions; none where they are several people's.
    pub user: Option<Name>,
    /// In which component; none where it is about several.
    pub component: Option<Name>,
    /// On which host; none where it is about several.
    pub host: Option<Name>,
    /// What was measured: seconds, a share of failures 0 to 1, starts, the hour of the day in UTC, or 1.
    pub observed: f64,
    /// What is usual, in the same unit; of what is new, how often anything is.
    pub usual: f64,
    /// Why, in words and numbers. Names in it are as sent: escape it where it is shown.
    pub reason: String,
    /// Ids of the sessions behind it, in the order of their starts.
    pub sessions: Vec<Name>,
}

/// Finds what is unusual, most surprising first. The order of the history does not matter.
///
/// A million sessions take a few seconds and about 300 MB; the time grows as n log n.
#[must_use]
pub fn detect(history: &[Visit], settings: &Settings) -> Vec<Finding> {
    let timeline = Timeline::of(history);
    let bar = settings.bar();
    let window = settings
        .window
        .clamp(Duration::from_secs(1), Settings::WINDOW_MAX);
    let mut findings = Vec::new();
    for metric in Metric::ALL {
        if !settings.metrics.contains(&metric) {
            continue;
        }
        findings.extend(match metric {
            Metric::Duration => lengths::find(&timeline, bar),
            Metric::ErrorRate => failures::find(&timeline, bar),
            Metric::StartFrequency => bursts::find(&timeline, window, bar),
            Metric::HourOfDay => hours::find(&timeline, bar),
            Metric::NewHost => novelties::hosts(&timeline, bar),
            Metric::NewComponent => novelties::components(&timeline, bar),
        });
    }
    let first = |finding: &Finding| (finding.at, finding.metric);
    findings.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| first(a).cmp(&first(b)))
    });
    findings
}

impl Finding {
    /// Makes a finding of these sessions, in the order of their starts. Names that all of them share are its own.
    fn of(metric: Metric, probability: f64, places: &[usize], timeline: &Timeline<'_>) -> Self {
        let sessions: Vec<&Session<'_>> = places
            .iter()
            .map(|place| &timeline.sessions[*place])
            .collect();
        let shared = |name: fn(&Visit) -> &Name| {
            let first = name(sessions.first()?.visit);
            sessions
                .iter()
                .all(|session| name(session.visit) == first)
                .then(|| first.clone())
        };
        Self {
            metric,
            score: tail::score(probability),
            at: sessions.first().map_or(
                Timestamp::saturating_from(jiff::Timestamp::UNIX_EPOCH),
                |session| session.visit.start,
            ),
            user: shared(|visit| &visit.user),
            component: shared(|visit| &visit.component),
            host: shared(|visit| &visit.host),
            observed: 0.0,
            usual: 0.0,
            reason: String::new(),
            sessions: sessions
                .iter()
                .map(|session| session.visit.session_id.clone())
                .collect(),
        }
    }
}
