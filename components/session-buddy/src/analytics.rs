//! How many sessions, how long, by whom, and what failed: questions about many sessions at once.
//!
//! - [`Question`] is what a store is asked, [`Findings`] what it answers: sums that no zone and no percentile is in yet.
//! - [`Aggregate`] sums up sessions; what it holds can be added and taken back, so that stores keep it up to date.
//! - [`Calendar`] says in which bucket an instant lies.
//! - [`request`] reads what was asked for, [`rows`] and [`views`] make the answer of what was found.
//!
//! A session counts where it started. Its length is that of its record, in whole seconds. Counts, sums, means and unique
//! users are exact; a percentile is at most [`lengths::ERROR_MAX`] off.

mod aggregate;
mod calendar;
mod facts;
pub mod lengths;
pub(crate) mod packed;
pub mod request;
pub mod rows;
mod tally;
pub mod views;

use std::collections::BTreeMap;

use session_model::Timestamp;

pub use aggregate::Aggregate;
pub(crate) use calendar::date;
pub use calendar::{Bucket, Calendar, Unit};
pub use facts::Facts;
pub use tally::Tally;
pub(crate) use tally::visit as visit_tally;

/// A quarter of an hour, in microseconds: the grain of what stores sum up. Every zone's offset since 1972 is a multiple.
pub const QUARTER_MICROS: i64 = 15 * 60 * 1_000_000;
/// Quarters of a day.
pub const QUARTERS_PER_DAY: i64 = 96;

/// What a store is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// About which sessions.
    pub scope: Scope,
    /// What of them.
    pub wanted: Wanted,
}

/// Which sessions count. Values of one list are alternatives, and an empty one leaves nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Kinds of session, exact.
    pub session_types: Vec<String>,
    /// Components, exact.
    pub components: Vec<String>,
    /// Account names, exact.
    pub users: Vec<String>,
    /// Those that began then or later.
    pub after: Option<Timestamp>,
    /// Those that began before.
    pub before: Option<Timestamp>,
}

impl Scope {
    /// Tells whether a session counts.
    pub fn has(&self, facts: &Facts) -> bool {
        let among = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        among(&self.session_types, &facts.session_type)
            && among(&self.components, &facts.component_name)
            && among(&self.users, &facts.username)
            && self.after.is_none_or(|after| facts.start_time >= after)
            && self.before.is_none_or(|before| facts.start_time < before)
    }
}

/// What is wanted of sessions.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Their sums by component.
    Totals,
    /// Their sums by component, and the error text that most of them have.
    Errors,
    /// How many began in each bucket.
    Starts(Calendar),
    /// How many account names they have in each bucket.
    Users(Calendar),
}

/// What a store found.
#[derive(Clone, Debug, PartialEq)]
pub enum Findings {
    /// By component.
    Totals(BTreeMap<String, Total>),
    /// By bucket; one in which nothing began is missing.
    Buckets(BTreeMap<Bucket, u64>),
}

/// What was found of a component.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Total {
    /// The sums; nothing by quarter is in them.
    pub aggregate: Aggregate,
    /// The error text that most sessions have, where it was asked for; of equally common ones the first by its text.
    pub most_common_error: Option<String>,
}
