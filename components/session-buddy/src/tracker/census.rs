//! What changes by itself, or is a sum over many sessions: counted once a minute for whoever watches the server.

use std::collections::BTreeMap;

use jiff::{SignedDuration, tz::TimeZone};
use session_model::{Timestamp, words};

use super::Tracker;
use crate::{
    analytics::{Calendar, Findings, Question, Scope, Unit, Wanted},
    store::{OpenSession, StoreError},
};

/// When an open session is long: after an hour, after a day. In seconds, and as text.
pub const LONG: [(i64, &str); 2] = [(3_600, "3600"), (86_400, "86400")];

/// How many sessions are read at a time.
const PAGE: usize = 1_000;

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Census {
    /// When.
    pub at: Timestamp,
    /// What is open, by component.
    pub open: BTreeMap<String, Open>,
    /// Quality by component, of the sessions that began in the last 24 hours and are closed.
    pub quality: BTreeMap<String, Quality>,
    /// How many account names the sessions of this UTC day have.
    pub users_today: i64,
}

/// Open sessions of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Those that are stale.
    pub stale: i64,
    /// Those that have been open for longer than each of [`LONG`].
    pub long: [i64; LONG.len()],
}

/// Quality of a component's sessions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// How many there are.
    pub closed: f64,
    /// Their mean.
    pub mean: f64,
}

impl Tracker {
    /// Counts. It reads what is open, and sums.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn census(&self) -> Result<Census, StoreError> {
        let now = self.clock.now();
        Ok(Census {
            at: now,
            open: self.open(now).await?,
            quality: self.quality(now).await?,
            users_today: self.users_of_day(now).await?,
        })
    }

    async fn open(&self, now: Timestamp) -> Result<BTreeMap<String, Open>, StoreError> {
        let (mut open, mut after) = (BTreeMap::<String, Open>::new(), None);
        loop {
            let page = self.store.open_sessions(after, PAGE).await?;
            for session in &page.sessions {
                let of_component = open.entry(session.id.component().to_owned()).or_default();
                let is_stale = self.liveness_of(session, now) == words::Liveness::Stale;
                of_component.stale += i64::from(is_stale);
                let micros = now.micros_since(session.since);
                for (count, (seconds, _)) in of_component.long.iter_mut().zip(LONG) {
                    *count += i64::from(micros > seconds * 1_000_000);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(open);
            }
        }
    }

    fn liveness_of(&self, session: &OpenSession, now: Timestamp) -> words::Liveness {
        let view = self.liveness.view(&session.id);
        let heard = view.signs.map(|signs| signs.last_seen);
        let last_seen = heard.map_or(session.last_seen, |heard| heard.max(session.last_seen));
        self.proof(view.alive).liveness(last_seen, now)
    }

    async fn quality(&self, now: Timestamp) -> Result<BTreeMap<String, Quality>, StoreError> {
        let question = Question {
            scope: Scope {
                after: Some(now.saturating_add(SignedDuration::from_hours(-24))),
                ..Scope::default()
            },
            wanted: Wanted::Totals,
        };
        let Findings::Totals(totals) = self.store.analyze(question).await? else {
            return Ok(BTreeMap::new());
        };
        let quality = totals.into_iter().filter_map(|(component, total)| {
            let mean = total.aggregate.mean_quality()?;
            #[expect(clippy::cast_precision_loss, reason = "a weight in a mean")]
            let closed = total.aggregate.closed() as f64;
            Some((component, Quality { closed, mean }))
        });
        Ok(quality.collect())
    }

    async fn users_of_day(&self, now: Timestamp) -> Result<i64, StoreError> {
        const DAY: SignedDuration = SignedDuration::from_hours(24);
        let into_day = now.as_micros().rem_euclid(86_400_000_000);
        let begin = now.saturating_add(SignedDuration::from_micros(-into_day));
        let question = Question {
            scope: Scope {
                after: Some(begin),
                before: Some(begin.saturating_add(DAY)),
                ..Scope::default()
            },
            wanted: Wanted::Users(Calendar {
                zone: TimeZone::UTC,
                unit: Unit::All,
            }),
        };
        Ok(match self.store.analyze(question).await? {
            Findings::Buckets(buckets) => {
                i64::try_from(buckets.values().sum::<u64>()).unwrap_or(i64::MAX)
            }
            Findings::Totals(_) => 0,
        })
    }
}
