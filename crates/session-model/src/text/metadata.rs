//! What senders keep beside an event.

use schemars::json_schema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::field::{Field, FieldErrors, Place, expected, inline_schema};

/// What a sender wants to keep beside an event: a JSON object of at most 16 KiB, 16 levels deep, without U+0000.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// The most bytes of its compact JSON.
    pub const BYTES_MAX: usize = 16 * 1024;
    /// The most levels of objects and arrays, itself included.
    pub const DEPTH_MAX: usize = 16;

    /// Takes members that are within bounds.
    ///
    /// # Errors
    ///
    /// What is wrong with them, naming bound and size.
    pub fn new(members: Map<String, Value>) -> Result<Self, String> {
        Self::problem(&members).map_or(Ok(Self(members)), Err)
    }

    fn problem(members: &Map<String, Value>) -> Option<String> {
        if let Some(problem) = members_problem(members, Self::DEPTH_MAX - 1) {
            return Some(problem.to_owned());
        }
        let bytes = json_bytes(members);
        (bytes > Self::BYTES_MAX)
            .then(|| format!("at most {} bytes as JSON, found {bytes}", Self::BYTES_MAX))
    }

    /// Gives the members.
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Tells what is wrong with a value that may have `levels` of nesting and no U+0000.
fn value_problem(value: &Value, levels: usize) -> Option<&'static str> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => text.contains('\0').then_some(METADATA_NUL),
        Value::Array(_) | Value::Object(_) if levels == 0 => Some("at most 16 levels deep"),
        Value::Array(items) => items
            .iter()
            .find_map(|item| value_problem(item, levels - 1)),
        Value::Object(members) => members_problem(members, levels - 1),
    }
}

/// Tells what is wrong with the members of an object, whose values may have `levels` of nesting.
fn members_problem(members: &Map<String, Value>, levels: usize) -> Option<&'static str> {
    members.iter().find_map(|(key, value)| {
        key.contains('\0')
            .then_some(METADATA_NUL)
            .or_else(|| value_problem(value, levels))
    })
}

const METADATA_NUL: &str = "U+0000 is not allowed";

/// Counts the bytes of an object's compact JSON without writing them anywhere.
fn json_bytes(members: &Map<String, Value>) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, members)
        .expect("counting cannot fail, and every Value can be written");
    counter.0
}

impl Field for Metadata {
    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::Object(members) = value else {
            errors.add(at, expected("an object", value));
            return None;
        };
        if let Some(problem) = Self::problem(members) {
            errors.add(at, problem);
            return None;
        }
        Some(Self(members.clone()))
    }
}

impl<'de> serde::Deserialize<'de> for Metadata {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(&value).map_err(serde::de::Error::custom)
    }
}

inline_schema!(Metadata, {
    json_schema!({
        "type": "object",
        "description": "at most 16 KiB as JSON, 16 levels deep, without U+0000",
    })
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_bounded_in_bytes_depth_and_characters() {
        let of_bytes = |bytes: usize| json!({"k": "x".repeat(bytes - r#"{"k":""}"#.len())});
        let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"k": inner}));
        assert!(Metadata::from_json(&of_bytes(16_384)).is_ok());
        assert_eq!(
            Metadata::from_json(&of_bytes(16_385))
                .unwrap_err()
                .to_string(),
            "at most 16384 bytes as JSON, found 16385"
        );
        assert!(Metadata::from_json(&deep(16)).is_ok());
        assert!(Metadata::from_json(&deep(17)).is_err());
        assert!(Metadata::from_json(&json!({"k": ["\0"]})).is_err());
        assert!(Metadata::from_json(&json!({"\0": 1})).is_err());
    }

    #[test]
    fn metadata_is_made_of_members_within_the_same_bounds() {
        let made = |value: Value| Metadata::new(value.as_object().unwrap().clone());
        let small = json!({"k": [{"a": 1}]});
        assert_eq!(
            made(small.clone()),
            Ok(Metadata::from_json(&small).unwrap())
        );
        for (refused, problem) in [
            (
                json!({"k": "x".repeat(16_377)}),
                "at most 16384 bytes as JSON, found 16385",
            ),
            (json!({"k": ["\0"]}), "U+0000 is not allowed"),
            (
                (1..17).fold(json!({}), |inner, _| json!({"k": inner})),
                "at most 16 levels deep",
            ),
        ] {
            assert_eq!(made(refused), Err(problem.to_owned()));
        }
    }
}
