//! Changes that a store works on.
//!
//! A store makes changes in the order in which they are handed over, but their answers can be heard in another. What an
//! answer says of a session's life counts only until a later change of that session has been answered.

use std::collections::HashMap;

use session_model::SessionId;

/// The changes under way, by session.
#[derive(Debug, Default)]
pub struct Flights {
    departed: u64,
    aloft: HashMap<SessionId, Flight>,
}

#[derive(Debug, Default)]
struct Flight {
    count: usize,
    /// The latest one that was answered; 0 is none.
    latest: u64,
}

impl Flights {
    /// Notes that a change of a session is handed over, and gives its ticket.
    pub fn depart(&mut self, id: &SessionId) -> u64 {
        self.departed += 1;
        match self.aloft.get_mut(id) {
            Some(flight) => flight.count += 1,
            None => {
                let first = Flight {
                    count: 1,
                    latest: 0,
                };
                self.aloft.insert(id.clone(), first);
            }
        }
        self.departed
    }

    /// Notes that a change was answered; tells whether no later one of its session was.
    pub fn arrive(&mut self, id: &SessionId, ticket: u64) -> bool {
        let Some(flight) = self.aloft.get_mut(id) else {
            return false;
        };
        let newest = ticket > flight.latest;
        flight.latest = flight.latest.max(ticket);
        flight.count -= 1;
        if flight.count == 0 {
            self.aloft.remove(id);
        }
        newest
    }

    /// Tells whether a change of a session is under way.
    pub fn is_aloft(&self, id: &SessionId) -> bool {
        self.aloft.contains_key(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_overtaken_says_nothing_any_more() {
        let id: SessionId = "a-1".parse().unwrap();
        let mut flights = Flights::default();
        let (start, end) = (flights.depart(&id), flights.depart(&id));
        assert!(flights.arrive(&id, end));
        assert!(flights.is_aloft(&id));
        assert!(!flights.arrive(&id, start));
        assert!(!flights.is_aloft(&id));
        let again = flights.depart(&id);
        assert!(flights.arrive(&id, again));
    }
}
