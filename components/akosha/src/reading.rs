//! The history of all servers as one.

use std::collections::HashMap;

use session_model::{SessionFilter, SessionStatus};

use crate::{
    history::{Name, Names, Row, Visit},
    source::{self, Asked, Onlooker, Source, Stopped},
};

/// Sessions of one or many servers, each once.
#[derive(Debug)]
pub struct History {
    /// The sessions, the newest first.
    pub visits: Vec<Visit>,
    /// What became of each server.
    pub asked: Vec<Asked>,
    /// How many sessions are known to more than one server.
    pub known_twice: usize,
}

impl History {
    /// Reads the sessions that match, at most `sessions_max` of each source. Those of a source that failed on the way are left
    /// out.
    ///
    /// # Errors
    ///
    /// When whoever waits wants to stop.
    pub fn read(
        sources: &[Source],
        filter: &SessionFilter,
        sessions_max: usize,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Self, Stopped> {
        let mut names = Names::default();
        let servers: Vec<Name> = sources
            .iter()
            .map(|source| names.get(&source.to_string()))
            .collect();
        let mut visits: Vec<Vec<Visit>> = vec![Vec::new(); sources.len()];
        let asked = source::read(sources, filter, sessions_max, onlooker, |place, page| {
            let page = page
                .iter()
                .map(|row: &Row| row.to_visit(&servers[place], &mut names));
            visits[place].extend(page);
        })?;
        let answered = visits.into_iter().zip(&asked);
        let answered = answered.filter(|(_, asked)| asked.outcome.is_ok());
        let (visits, known_twice) = merged(answered.map(|(visits, _)| visits).collect());
        Ok(Self {
            visits,
            asked,
            known_twice,
        })
    }
}

/// Puts the sessions of several servers together, each once; tells how many were there more than once.
fn merged(mut servers: Vec<Vec<Visit>>) -> (Vec<Visit>, usize) {
    if servers.len() < 2 {
        return (servers.pop().unwrap_or_default(), 0);
    }
    let mut known: HashMap<Name, usize> = HashMap::new();
    let mut visits: Vec<Visit> = Vec::new();
    let mut twice = 0;
    for visit in servers.into_iter().flatten() {
        let Some(&place) = known.get(&visit.session_id) else {
            known.insert(Name::clone(&visit.session_id), visits.len());
            visits.push(visit);
            continue;
        };
        twice += 1;
        // Of two servers the one that knows its end knows more.
        if visits[place].status == SessionStatus::Active {
            visits[place] = visit;
        }
    }
    visits.sort_by(|one, other| {
        let key = |visit: &Visit| (visit.start, Name::clone(&visit.session_id));
        key(other).cmp(&key(one))
    });
    (visits, twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(id: &str, start: &str, status: SessionStatus, server: &str) -> Visit {
        Visit {
            status,
            server: server.into(),
            ..Visit::new(id, "billing", "les", "ops", start.parse().unwrap())
        }
    }

    #[test]
    fn a_session_that_two_servers_know_is_there_once_with_its_end() {
        let (early, late) = ("2026-11-26T10:00:00Z", "2026-11-27T10:00:00Z");
        let a = vec![visit("1", late, SessionStatus::Active, "a")];
        let b = vec![
            visit("1", late, SessionStatus::Ended, "b"),
            visit("2", early, SessionStatus::Ended, "b"),
        ];
        for servers in [vec![a.clone(), b.clone()], vec![b, a]] {
            let (visits, twice) = merged(servers);
            let seen: Vec<_> = visits
                .iter()
                .map(|visit| (&*visit.session_id, &*visit.server))
                .collect();
            assert_eq!((seen, twice), (vec![("1", "b"), ("2", "b")], 1));
        }
    }
}
