//! What is counted and measured, for Prometheus.
//!
//! - [`Metrics`]: all of it, and the text of a scrape.
//! - [`Endpoint`]: where that is to be had.
//! - `catalogue`: makes families, each with its help. `text`: how they are written.
//! - `components`: which components and kinds of shell have a label of their own.
//! - `sessions`, `commits`: what a store hands over with each commit ([`Witness`]).
//! - `emissions`: events as they are answered. `requests`: HTTP. `spool`: what dead shells left.
//! - `census`: what is counted in the store once a minute. `known`: what others know at the moment of a scrape.
//!
//! A scrape touches neither disk nor store. Counters live in memory and begin anew with the server, as Prometheus expects of
//! them; which sessions are open is read from the store when it is opened, so that gauges are right at once. Labels are
//! bounded, and nothing in them acts where it is shown; none of them is a user, a host or a session.

mod catalogue;
mod census;
mod commits;
mod components;
mod emissions;
mod endpoint;
mod known;
mod process;
mod requests;
mod sessions;
mod spool;
mod text;

use std::time::Duration;

use session_model::Timestamp;

pub use components::{COMPONENTS_MAX, OTHER, SHELL_TYPES_MAX};
pub(crate) use emissions::{Emission, Outcome};
pub use endpoint::Endpoint;
pub use known::Known;
pub(crate) use requests::UNMATCHED;
pub(crate) use spool::Waiting;

use self::{
    catalogue::Catalogue, census::CensusMetrics, commits::CommitMetrics, components::Components,
    emissions::EmissionMetrics, requests::RequestMetrics, sessions::SessionMetrics,
    spool::SpoolMetrics,
};
use crate::{
    store::{Commit, FailureKind, Witness},
    tracker::Census,
};

/// The media type of a scrape: the text format that every version of Prometheus reads.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From 1 ms to 10 s, as the Python version has it.
const SECONDS_OF_AN_ANSWER: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// All that is counted and measured.
#[derive(Debug)]
pub struct Metrics {
    catalogue: Catalogue,
    components: Components,
    sessions: SessionMetrics,
    commits: CommitMetrics,
    emissions: EmissionMetrics,
    requests: RequestMetrics,
    spool: SpoolMetrics,
    census: CensusMetrics,
}

impl Metrics {
    /// Begins to count, for a server that started at a time.
    pub fn new(started: Timestamp) -> Self {
        let catalogue = Catalogue::default();
        let info = catalogue.gauges(
            "session_buddy_build_info",
            "The version that runs; always 1",
            &["version"],
        );
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        catalogue
            .gauge(
                "process_start_time_seconds",
                "When the server started, in seconds since 1970",
            )
            .set(started.as_micros().div_euclid(1_000_000));
        Self {
            components: Components::default(),
            sessions: SessionMetrics::new(&catalogue),
            commits: CommitMetrics::new(&catalogue),
            emissions: EmissionMetrics::new(&catalogue),
            requests: RequestMetrics::new(&catalogue),
            spool: SpoolMetrics::new(&catalogue),
            census: CensusMetrics::new(&catalogue),
            catalogue,
        }
    }

    /// Writes everything in text format 0.0.4.
    pub fn text(&self, known: &Known) -> String {
        let mut families = self.catalogue.gather();
        families.extend(known.families());
        text::write(&families)
    }

    /// Counts an event that was answered.
    pub(crate) fn emitted(&self, emission: &Emission, outcome: Outcome<'_>, took: Duration) {
        let component = self.components.label(&emission.component);
        self.emissions.count(component, emission, outcome, took);
        if emission.is_end() && outcome == Outcome::NotFound {
            self.sessions.end_not_found(component);
        }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, route: &str, status: &str, took: Duration) {
        self.requests.count(route, status, took);
    }

    /// Counts sessions that were brought from the spool, by what became of them.
    pub(crate) fn adopted(&self, delivered: usize, refused: usize) {
        self.spool.count(delivered, refused);
    }

    /// Counts a file of the spool that cannot be used.
    pub(crate) fn found_unusable(&self) {
        self.spool.count_unusable();
    }

    /// Takes note of what waits in the spool.
    pub(crate) fn waiting(&self, waiting: &Waiting) {
        self.spool.take(waiting);
    }

    /// Takes note of what was counted in the store.
    pub fn take_census(&self, census: &Census) {
        self.census.take(&self.components, census);
    }

    /// Gives the label of a component that has sessions, which gets its own if there is room.
    fn admit<'a>(&self, component: &'a str) -> &'a str {
        let (label, is_new) = self.components.admit(component);
        if is_new {
            self.sessions.begin_at_zero(label);
            self.emissions.begin_at_zero(label);
            self.census.begin_at_zero(label);
        }
        label
    }
}

impl Witness for Metrics {
    fn opened(&self, components: &[(String, u64)]) {
        let open: Vec<_> = components
            .iter()
            .map(|(component, open)| (self.admit(component), *open))
            .collect();
        self.sessions.open_anew(&open);
    }

    fn committed(&self, commit: &Commit) {
        self.commits.count(commit);
        for step in &commit.steps {
            let component = self.admit(&step.component);
            self.sessions.count(&self.components, component, &step.turn);
        }
    }

    fn failed(&self, kind: FailureKind) {
        self.commits.failed(kind);
    }
}
