//! Names and ids.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use schemars::json_schema;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    field::{Field, FieldErrors, Place, inline_schema, quoted},
    text::{NO_NUL, string, text_problem},
    timestamp::Timestamp,
};

/// The name of a component: 1 to 100 of `[A-Za-z0-9_-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ComponentName(String);

impl ComponentName {
    /// Gives the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if allowed && (1..=100).contains(&text.len()) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "expected 1 to 100 of A-Z, a-z, 0-9, _ and -, found {} ({} characters)",
            quoted(text),
            text.chars().count()
        ))
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Field for ComponentName {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        string(value, at, errors)?
            .parse()
            .map_err(|problem: String| errors.add(at, problem))
            .ok()
    }
}

inline_schema!(ComponentName, {
    json_schema!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$"})
});

/// The id that a sender gives an event: a UUID of any version and any common spelling, never nil.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EventId(Uuid);

impl EventId {
    /// Takes a UUID; `None` for the nil UUID.
    pub fn new(uuid: Uuid) -> Option<Self> {
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// Gives the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Field for EventId {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let text = string(value, at, errors)?;
        let Ok(uuid) = Uuid::try_parse(text) else {
            errors.add(at, format!("expected a UUID, found {}", quoted(text)));
            return None;
        };
        let id = Self::new(uuid);
        if id.is_none() {
            errors.add(at, "the nil UUID is not allowed");
        }
        id
    }
}

inline_schema!(EventId, {
    /// Eight, four, four, four, twelve hexadecimal digits.
    const HYPHENATED: &str =
        "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";
    json_schema!({
        "type": "string",
        "description": "a UUID of any version",
        "pattern": format!("^([0-9A-Fa-f]{{32}}|{HYPHENATED}|\\{{{HYPHENATED}\\}}|urn:uuid:{HYPHENATED})$"),
        "not": {"type": "string", "pattern": "^(urn:uuid:)?[{]?[0-]*[}]?$"},
    })
});

/// Components that documents and older programs spell in several ways, the first of them right.
const SPELLINGS: [[&str; 2]; 1] = [["akosha", "akasha"]];

/// Gives all spellings of a component's name, the right one first: all of them mean the same component, wherever a person or a
/// variable names one. What a sender says it is, is kept as it was sent.
///
/// ```
/// use session_model::id::spellings;
///
/// assert_eq!(spellings("akasha"), ["akosha", "akasha"]);
/// assert_eq!(spellings("billing"), ["billing"]);
/// ```
pub fn spellings(component: &str) -> Vec<&str> {
    let known = SPELLINGS.iter().find(|known| known.contains(&component));
    known.map_or_else(|| vec![component], |known| known.to_vec())
}

/// The id of a session: at most 200 code points without U+0000. Ours have the form of [`SessionId::of_start`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// The most code points of an id.
    pub const CHARACTERS_MAX: usize = 200;

    /// Gives the id of the session that a start event begins: `{component}-{YYYYMMDD}-{HHMMSS}-{8 characters}`, the
    /// time in UTC. The 8 characters are the first 5 bytes of SHA-256 over the event id's 16 bytes, in lower-case
    /// base32, so that the shell knows its id before any server does.
    pub fn of_start(component: &ComponentName, timestamp: Timestamp, event_id: EventId) -> Self {
        let (date, time) = timestamp.to_digits();
        let hash = Sha256::digest(event_id.as_bytes());
        let last_part = BASE32_NOPAD.encode(&hash[..5]).to_ascii_lowercase();
        Self(format!("{component}-{date:08}-{time:06}-{last_part}"))
    }

    /// Gives the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives what stands behind the last hyphen; the whole id where there is none.
    pub fn last_part(&self) -> &str {
        self.0.rsplit('-').next().unwrap_or(&self.0)
    }

    /// Gives the component that it names: what stands before the date; empty where it is no id of ours.
    pub fn component(&self) -> &str {
        Self::component_of(&self.0)
    }

    /// Gives the component that the text of an id names, as [`Self::component`] does.
    pub fn component_of(id: &str) -> &str {
        id.rsplitn(4, '-').nth(3).unwrap_or_default()
    }
}

impl FromStr for SessionId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text_problem(text, Self::CHARACTERS_MAX).map_or_else(|| Ok(Self(text.to_owned())), Err)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Field for SessionId {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        string(value, at, errors)?
            .parse()
            .map_err(|problem: String| errors.add(at, problem))
            .ok()
    }
}

inline_schema!(SessionId, {
    json_schema!({"type": "string", "maxLength": Self::CHARACTERS_MAX, "pattern": NO_NUL})
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id_of(component: &str, timestamp: &str, event_id: &str) -> String {
        let event_id = EventId::from_json(&json!(event_id)).unwrap();
        SessionId::of_start(
            &component.parse().unwrap(),
            timestamp.parse().unwrap(),
            event_id,
        )
        .to_string()
    }

    /// The hashes were computed with Python's hashlib and base64.
    #[test]
    fn the_id_of_a_session_is_a_function_of_its_start() {
        let event_id = "550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(
            id_of("mahavishnu", "2026-02-06T22:04:58Z", event_id),
            "mahavishnu-20260206-220458-z3ucgb7g"
        );
        // Another zone, the same instant; the component may hold hyphens.
        assert_eq!(
            id_of(
                "session-buddy",
                "2026-02-07T00:04:58.9+02:00",
                &event_id.to_uppercase()
            ),
            "session-buddy-20260206-220458-z3ucgb7g"
        );
        assert_eq!(
            id_of(
                "oneiric",
                "0001-01-01T00:00:00Z",
                "00000000-0000-0000-0000-000000000001"
            ),
            "oneiric-00010101-000000-pq6m2ef3"
        );
    }

    #[test]
    fn an_event_id_is_kept_in_its_canonical_spelling() {
        for spelling in [
            "550e8400-e29b-41d4-a716-446655440000",
            "550E8400E29B41D4A716446655440000",
            "{550e8400-e29b-41d4-a716-446655440000}",
            "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
        ] {
            let id = EventId::from_json(&json!(spelling)).unwrap();
            assert_eq!(id.to_string(), "550e8400-e29b-41d4-a716-446655440000");
        }
        let nil = EventId::from_json(&json!("00000000-0000-0000-0000-000000000000")).unwrap_err();
        assert_eq!(nil.to_string(), "the nil UUID is not allowed");
    }
}
