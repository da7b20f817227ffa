//! What a Session-Buddy server remembers and answers, with the rules that a client meets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use session_model::{Field, SessionStartEvent};

use super::server::{Reply, Request};

/// The record of a server of ours. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    sessions: BTreeMap<String, Session>,
    heartbeats: Vec<Value>,
    /// Sessions whose heartbeats are answered `ended`.
    closed: bool,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    pub(crate) start: Value,
    /// The first end that came.
    pub(crate) end: Option<Value>,
}

impl Record {
    /// Gives what a server does that keeps this record.
    pub(crate) fn server(&self) -> impl Fn(&Request) -> Reply + Send + Sync + use<> {
        let record = self.clone();
        move |request| record.answer(request)
    }

    /// Answers a request as a server of ours does.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        match request.path.as_str() {
            "/health" => Reply::json(json!({"service": "session-buddy", "accepting_events": true})),
            "/api/events" => results(request, |event| self.take(event)),
            _ => Reply::status(404),
        }
    }

    /// Takes an event and gives the result.
    pub(crate) fn take(&self, event: &Value) -> Value {
        let mut inner = self.0.lock().unwrap();
        let closed = inner.closed;
        if event["event_type"] == "session_start" {
            let id = id_of_start(event);
            let known = inner.sessions.entry(id.clone()).or_insert_with(|| Session {
                start: event.clone(),
                end: None,
            });
            return if known.start["event_id"] == event["event_id"] {
                result(&id, "tracked")
            } else {
                refusal(None, "CONFLICT")
            };
        }
        let id = event["session_id"].as_str().unwrap().to_owned();
        let Some(session) = inner.sessions.get_mut(&id) else {
            return result(&id, "not_found");
        };
        if event["event_type"] == "session_end" {
            session.end.get_or_insert_with(|| event.clone());
            return result(&id, "ended");
        }
        inner.heartbeats.push(event.clone());
        result(&id, if closed { "ended" } else { "alive" })
    }

    /// Loses all that it knows, as a server does that was restored from a backup.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap().sessions.clear();
    }

    /// Answers heartbeats as if every session were closed.
    pub(crate) fn close(&self) {
        self.0.lock().unwrap().closed = true;
    }

    pub(crate) fn sessions(&self) -> BTreeMap<String, Session> {
        self.0.lock().unwrap().sessions.clone()
    }

    /// Gives a session, which must be on record.
    pub(crate) fn session(&self, id: &str) -> Session {
        let sessions = self.sessions();
        let session = sessions.get(id);
        session
            .unwrap_or_else(|| panic!("{id} is not among {sessions:#?}"))
            .clone()
    }

    pub(crate) fn heartbeats(&self) -> Vec<Value> {
        self.0.lock().unwrap().heartbeats.clone()
    }
}

/// Gives the events of a request.
pub(crate) fn events(request: &Request) -> Vec<Value> {
    let lines = request.body.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Gives the results of the events of a request.
pub(crate) fn results(request: &Request, result: impl Fn(&Value) -> Value) -> Reply {
    let results: Vec<_> = events(request).iter().map(result).collect();
    Reply::json(Value::from(results))
}

/// Gives a result that says yes.
pub(crate) fn result(session_id: &str, status: &str) -> Value {
    json!({"session_id": session_id, "status": status, "error": null, "error_code": null})
}

/// Gives a result that says no.
pub(crate) fn refusal(session_id: Option<&str>, code: &str) -> Value {
    json!({"session_id": session_id, "status": "error", "error": "no, for this reason", "error_code": code})
}

/// Computes the session's id as the wire has it.
pub(crate) fn id_of_start(event: &Value) -> String {
    let start = SessionStartEvent::from_json(event).unwrap();
    start.session_id().to_string()
}
