//! A history in the order in which it became known.

use std::collections::HashMap;

use session_model::SessionStatus;

use crate::history::{Name, Visit};

const MICROS: i64 = 1_000_000;

/// Sessions in the order of their starts, and that of their ends, which is when lengths and failures are known.
pub(super) struct Timeline<'a> {
    /// In the order of starts.
    pub(super) sessions: Vec<Session<'a>>,
    /// Places in `sessions`, in the order of ends; without those of which no length is known.
    pub(super) ends: Vec<usize>,
    /// Names, by their numbers.
    pub(super) users: Vec<&'a Name>,
    pub(super) components: Vec<&'a Name>,
    pub(super) hosts: Vec<&'a Name>,
    /// How many pairs of a user and a component there are.
    pub(super) pairs: usize,
}

/// A session with numbers instead of names. Times are seconds since 1970.
pub(super) struct Session<'a> {
    pub(super) visit: &'a Visit,
    pub(super) user: usize,
    pub(super) component: usize,
    pub(super) host: usize,
    /// The pair of user and component.
    pub(super) pair: usize,
    pub(super) start: i64,
    pub(super) seconds: Option<f64>,
    /// Counts the sessions of the user that began before.
    pub(super) before: usize,
}

impl Session<'_> {
    pub(super) fn is_open(&self) -> bool {
        self.visit.status == SessionStatus::Active
    }

    /// When its length is known; of an open one that is now.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and the order of centuries is enough"
    )]
    pub(super) fn end(&self) -> i64 {
        self.start
            .saturating_add(self.seconds.unwrap_or(0.0) as i64)
    }
}

impl<'a> Timeline<'a> {
    pub(super) fn of(history: &'a [Visit]) -> Self {
        let mut visits: Vec<&Visit> = history.iter().collect();
        visits.sort_unstable_by(|a, b| (a.start, &a.session_id).cmp(&(b.start, &b.session_id)));
        let (mut users, mut components, mut hosts) =
            (Names::default(), Names::default(), Names::default());
        let mut pairs: HashMap<(usize, usize), usize> = HashMap::new();
        let mut counts: Vec<usize> = Vec::new();
        let session = |visit: &'a Visit| {
            let user = users.number(&visit.user);
            let component = components.number(&visit.component);
            let next = pairs.len();
            counts.resize(counts.len().max(user + 1), 0);
            counts[user] += 1;
            Session {
                visit,
                user,
                component,
                host: hosts.number(&visit.host),
                pair: *pairs.entry((user, component)).or_insert(next),
                start: visit.start.as_micros().div_euclid(MICROS),
                seconds: visit
                    .duration_seconds
                    .filter(|seconds| seconds.is_finite() && *seconds >= 0.0),
                before: counts[user] - 1,
            }
        };
        let sessions: Vec<_> = visits.into_iter().map(session).collect();
        let known = |place: &usize| sessions[*place].seconds.is_some();
        let mut ends: Vec<usize> = (0..sessions.len()).filter(known).collect();
        ends.sort_by_key(|place| sessions[*place].end());
        Self {
            sessions,
            ends,
            users: users.names,
            components: components.names,
            hosts: hosts.names,
            pairs: pairs.len(),
        }
    }
}

/// Numbers for names, in the order in which they come.
#[derive(Default)]
struct Names<'a> {
    numbers: HashMap<&'a str, usize>,
    names: Vec<&'a Name>,
}

impl<'a> Names<'a> {
    fn number(&mut self, name: &'a Name) -> usize {
        *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name);
            self.names.len() - 1
        })
    }
}
