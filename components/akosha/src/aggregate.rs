//! Sessions in groups.
//!
//! A query names what is counted, by what, and of which sessions:
//!
//! ```text
//! sessions by component,user
//! mean duration, error rate by day where host=ops-1 and status!=active
//! users by weekday,hour_of_day
//! project
//! *
//! ```
//!
//! - Measures stand first, with commas between them; without any there are the usual ones, [`Measure::USUAL`].
//! - `by` and one or several fields, [`Field`]; without them all sessions are one group. Fields alone need no `by`.
//! - `where` and conditions that must all hold: `FIELD=VALUE`, `!=`, and `~` for a part of it in any case. A value with
//!   blanks stands in quotes; `-` is what a session does not say.
//!
//! Shares are 0 to 100. Lengths are those of sessions that have ended.

mod measure;
mod query;
mod tally;

use std::collections::HashMap;

use jiff::tz::TimeZone;

pub use measure::{Amount, Measure};
pub use query::{Condition, Query, QueryError, Relation};

use crate::{
    field::{Field, Key},
    history::Visit,
};
use tally::Tally;
pub(crate) use tally::{mean, median, share};

/// A group of sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What its sessions have in common, in the order of the query's fields.
    pub keys: Vec<Key>,
    /// What the query counts.
    pub amounts: Vec<Amount>,
}

/// What a query gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// Groups by time in its order, else those first of which the first measure is largest.
    pub groups: Vec<Group>,
    /// How many groups were left out.
    pub left_out: usize,
}

/// Groups sessions, and gives the first `limit` groups.
#[must_use]
pub fn aggregate(visits: &[Visit], query: &Query, zone: &TimeZone, limit: usize) -> Groups {
    let mut tallies: HashMap<Vec<Key>, Tally> = HashMap::new();
    if query.fields.is_empty() {
        // Nothing is a group too.
        tallies.insert(Vec::new(), Tally::default());
    }
    for visit in visits.iter().filter(|visit| query.wants(visit, zone)) {
        let keys = query.fields.iter().map(|field| field.of(visit, zone));
        tallies.entry(keys.collect()).or_default().add(visit);
    }
    let mut groups: Vec<_> = tallies
        .into_iter()
        .map(|(keys, mut tally)| Group {
            amounts: query
                .measures
                .iter()
                .map(|measure| tally.amount(*measure))
                .collect(),
            keys,
        })
        .collect();
    let by_time = query.is_by_time();
    groups.sort_by(|one, other| {
        let larger = Amount::compare(&other.amounts[0], &one.amounts[0]);
        let by_keys = one.keys.cmp(&other.keys);
        if by_time {
            by_keys
        } else {
            larger.then(by_keys)
        }
    });
    let left_out = groups.len().saturating_sub(limit);
    // Of a series the end is what matters.
    if by_time {
        groups.drain(..left_out);
    }
    groups.truncate(limit);
    Groups { groups, left_out }
}

impl Query {
    fn wants(&self, visit: &Visit, zone: &TimeZone) -> bool {
        let holds = |condition: &Condition| condition.holds(&condition.field.of(visit, zone));
        self.conditions.iter().all(holds)
    }

    /// Tells whether its groups stand in the order of time.
    #[must_use]
    pub fn is_by_time(&self) -> bool {
        self.fields.first().copied().is_some_and(Field::is_time)
    }
}
