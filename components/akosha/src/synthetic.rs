//! Histories with planted anomalies, by which [`detect`](crate::detect) is judged. A seed decides everything in one.
//!
//! A world has 50 users in 6 components for 90 days (`people.rs`). Each has a zone, hours, a weekly rhythm, components, lengths,
//! hosts and failures of their own. Much is there to be taken for an anomaly and is none: shifts at night, overtime, weekends, holidays,
//! new hires, shells left open overnight, panes opened together, rare hosts, containers with a new host name each time, senders
//! that do not count; and what nobody can tell from an anomaly: new laptops, new projects. Findings about them count as false.
//!
//! Anomalies (`planted.rs`) are planted after a user's first 30 sessions: nights, tenfold lengths, bursts, outages,
//! new hosts, new components. [`judge`] says how they are matched with findings.

mod chance;
mod people;
mod planted;

use std::collections::HashMap;

use session_model::Timestamp;

use crate::{
    detect::{Finding, Metric},
    history::{Name, Visit},
};
use chance::Chance;

/// How large a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many people work in it.
    pub users: usize,
    /// For how many days.
    pub days: usize,
}

impl Default for Size {
    /// 50 users, 90 days.
    fn default() -> Self {
        Self {
            users: 50,
            days: 90,
        }
    }
}

/// A history, and what is unusual in it.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// The sessions.
    pub visits: Vec<Visit>,
    /// What was planted.
    pub planted: Vec<Planted>,
}

/// An anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    /// What is unusual.
    pub metric: Metric,
    /// Ids of its sessions.
    pub sessions: Vec<Name>,
}

impl World {
    /// Makes the world of this seed.
    #[must_use]
    pub fn new(seed: u64, size: Size) -> Self {
        let mut chance = Chance::new(seed);
        let mut people = people::hire(&mut chance, size);
        let mut drafts = people::work(&mut people, &mut chance, size);
        let anomalies = planted::plant(&mut drafts, &people, &mut chance, size);
        drafts.write(anomalies)
    }
}

/// Sessions in the making.
struct Drafts {
    sessions: Vec<Draft>,
}

/// A session in the making. Times are seconds since 1970.
#[derive(Clone)]
struct Draft {
    user: usize,
    component: usize,
    host: String,
    start: i64,
    seconds: f64,
    /// How many commands it ran and how many failed; none of a sender that does not count.
    commands: Option<(u64, u64)>,
    error: bool,
    /// The anomaly that it belongs to.
    anomaly: Option<usize>,
}

impl Drafts {
    fn write(self, metrics: Vec<Metric>) -> World {
        let mut planted: Vec<Planted> = metrics
            .into_iter()
            .map(|metric| Planted {
                metric,
                sessions: Vec::new(),
            })
            .collect();
        let mut names: HashMap<String, Name> = HashMap::new();
        let mut name = |text: String| {
            names
                .entry(text)
                .or_insert_with_key(|text| text.as_str().into())
                .clone()
        };
        let mut visits = Vec::with_capacity(self.sessions.len());
        for (number, draft) in self.sessions.into_iter().enumerate() {
            let start = Timestamp::from_micros(draft.start * 1_000_000)
                .expect("these days are within the bounds of time");
            let id: Name = format!("synthetic-{number:08}").into();
            if let Some(anomaly) = draft.anomaly {
                planted[anomaly].sessions.push(id.clone());
            }
            let component = name(people::COMPONENTS[draft.component].to_owned());
            let (user, host) = (name(format!("user-{:03}", draft.user)), name(draft.host));
            visits.push(Visit {
                duration_seconds: Some(draft.seconds.floor()),
                error: draft.error,
                command_count: draft.commands.map(|(commands, _)| commands),
                error_count: draft.commands.map(|(_, failed)| failed),
                ..Visit::new(id, component, user, host, start)
            });
        }
        World { visits, planted }
    }
}

/// What a detector says: this is unusual about these sessions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim<'a> {
    /// What is unusual.
    pub metric: Metric,
    /// Ids of the sessions.
    pub sessions: &'a [Name],
}

impl<'a> From<&'a Finding> for Claim<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            metric: finding.metric,
            sessions: &finding.sessions,
        }
    }
}

/// How claims and anomalies of one kind compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Anomalies that were found.
    pub found: usize,
    /// Anomalies that were not.
    pub missed: usize,
    /// Claims about anything else, or about what was claimed before.
    pub wrong: usize,
}

impl Tally {
    /// The part of the claims that are right; 1 where there are none.
    #[must_use]
    pub fn precision(self) -> f64 {
        share(self.found, self.found + self.wrong)
    }

    /// The part of the anomalies that were found; 1 where there are none.
    #[must_use]
    pub fn recall(self) -> f64 {
        share(self.found, self.found + self.missed)
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, tally| Self {
            found: sum.found + tally.found,
            missed: sum.missed + tally.missed,
            wrong: sum.wrong + tally.wrong,
        })
    }
}

fn share(part: usize, whole: usize) -> f64 {
    let count = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    if whole == 0 {
        1.0
    } else {
        count(part) / count(whole)
    }
}

/// Compares claims of one metric with what was planted of it. A claim is right if it is about a session of an anomaly of its metric that
/// no claim before it was about; all others are wrong, also those that say again what was said. A claim about two
/// anomalies has found one of them.
#[must_use]
pub fn judge(metric: Metric, planted: &[Planted], claims: &[Claim<'_>]) -> Tally {
    let anomalies: Vec<_> = planted
        .iter()
        .filter(|planted| planted.metric == metric)
        .collect();
    let pairs = anomalies
        .iter()
        .enumerate()
        .flat_map(|(number, anomaly)| anomaly.sessions.iter().map(move |id| (id, number)));
    let anomaly_of: HashMap<&Name, usize> = pairs.collect();
    let mut found = vec![false; anomalies.len()];
    let mut wrong = 0;
    for claim in claims.iter().filter(|claim| claim.metric == metric) {
        let about = claim.sessions.iter().filter_map(|id| anomaly_of.get(id));
        match about.copied().find(|anomaly| !found[*anomaly]) {
            Some(anomaly) => found[anomaly] = true,
            None => wrong += 1,
        }
    }
    let found = found.into_iter().filter(|found| *found).count();
    Tally {
        found,
        missed: anomalies.len() - found,
        wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let size = Size { users: 5, days: 30 };
        assert_eq!(World::new(3, size), World::new(3, size));
        assert_ne!(World::new(3, size), World::new(4, size));
    }

    #[test]
    fn only_the_first_claim_about_an_anomaly_is_right() {
        let ids = ["a", "b", "c", "d"].map(Name::from);
        let planted = [(0, 2), (2, 3)].map(|(from, to)| Planted {
            metric: Metric::Duration,
            sessions: ids[from..to].to_vec(),
        });
        let claim = |metric, place: usize| Claim {
            metric,
            sessions: &ids[place..=place],
        };
        let judged = |claims: &[Claim<'_>]| judge(Metric::Duration, &planted, claims);
        let (found, missed) = (1, 1);
        let once = [claim(Metric::Duration, 0), claim(Metric::NewHost, 3)];
        assert_eq!(
            judged(&once),
            Tally {
                found,
                missed,
                wrong: 0
            }
        );
        let again = [claim(Metric::Duration, 0), claim(Metric::Duration, 1)];
        assert_eq!(
            judged(&again),
            Tally {
                found,
                missed,
                wrong: 1
            }
        );
        let beside = [claim(Metric::Duration, 3), claim(Metric::Duration, 2)];
        assert_eq!(
            judged(&beside),
            Tally {
                found,
                missed,
                wrong: 1
            }
        );
        assert_eq!(judged(&[]).precision(), 1.0);
        assert_eq!(judged(&beside).recall(), 0.5);
    }
}
