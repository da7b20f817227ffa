//! Events as JSON: what is read is what is written, and an error says what is wrong without acting.

use serde::Serialize;
use serde_json::Value;
use session_model::{Field, SessionEndEvent, SessionHeartbeatEvent, SessionId, SessionStartEvent};

use super::{Door, Harness, assert_harmless, kind_of};

pub(super) const DOOR: Door = Door {
    name: "event",
    open: || Box::new(Events),
};

struct Events;

impl Harness for Events {
    fn take(&mut self, input: &[u8]) -> String {
        let Ok(value) = serde_json::from_slice::<Value>(input) else {
            return "no JSON".to_owned();
        };
        let start = read::<SessionStartEvent>(&value);
        if let Ok(start) = &start {
            let id = start.session_id();
            assert_eq!(id.to_string().parse::<SessionId>().as_ref(), Ok(&id));
            assert_eq!(id, start.session_id(), "the id is a function of the event");
        }
        let end = read::<SessionEndEvent>(&value);
        let heartbeat = read::<SessionHeartbeatEvent>(&value);
        let word = |error: Option<String>| error.unwrap_or_else(|| "ok".to_owned());
        format!(
            "{} | {} | {}",
            word(start.err()),
            word(end.err()),
            word(heartbeat.err())
        )
    }
}

/// Reads a model; what was read is written in its canonical form, which is read as the same and written as the same.
fn read<T: Field + Serialize + PartialEq + std::fmt::Debug>(value: &Value) -> Result<T, String> {
    let event = T::from_json(value).map_err(|errors| {
        let text = errors.to_string();
        assert!(!text.is_empty());
        assert_harmless(&text);
        kind_of(&text)
    })?;
    let written = serde_json::to_value(&event).expect("models have text keys");
    let again = T::from_json(&written).expect("what is written can be read");
    assert_eq!(again, event);
    assert_eq!(serde_json::to_value(&again).ok(), Some(written));
    Ok(event)
}
