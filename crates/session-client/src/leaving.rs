//! The only door through which free text leaves the process: whatever a user, a script or the system may have written
//! passes here on its way into an event. What looks like a secret is taken out of it first ([`redaction`]), and then it is cut
//! to its bounds.

pub mod redaction;

use redaction::{MARK, Rules, is_secret_name};
use serde_json::{Map, Value};
use session_model::{Metadata, Text, Trimmed};

/// The key under which [`metadata`] tells what it left out.
const DROPPED_KEYS: &str = "dropped_keys";
/// How many dropped keys are named; of the others only the number is told.
const NAMED_MAX: usize = 20;
/// How many characters of a dropped key are told.
const NAME_CHARACTERS_MAX: usize = 100;

/// The door of one process, with the rules of its user.
#[derive(Clone, Debug, Default)]
pub struct Door {
    rules: Rules,
}

impl Door {
    /// Makes a door with rules of the user beside those for everybody.
    pub const fn new(rules: Rules) -> Self {
        Self { rules }
    }

    /// Takes as much of a text as the bound allows.
    ///
    /// ```
    /// let door = session_client::leaving::Door::default();
    /// assert_eq!(&*door.text::<3>("né\0glige"), "nég");
    /// assert_eq!(&*door.text::<100>("login password=hunter2"), "login password=[redacted]");
    /// ```
    pub fn text<const MAX: usize>(&self, text: &str) -> Text<MAX> {
        Text::cut(&self.pass(text))
    }

    /// Takes as much of a text as the bound allows, its outer white space taken off.
    pub fn trimmed<const MAX: usize>(&self, text: &str) -> Trimmed<MAX> {
        Trimmed::cut(&self.pass(text))
    }

    /// Takes as many members as the bounds of [`Metadata`] allow. Left out are those that are too deep by themselves, then
    /// the largest ones first until the rest fits; `dropped_keys` names them in that order (at most 20, each cut to 100
    /// characters, then `and 7 more`). A member of that name gives way to this note. What stands under the name of a secret
    /// is one.
    ///
    /// ```
    /// use serde_json::json;
    /// let map = json!({"project": "alpha", "token": "x", "log": "x".repeat(20_000)});
    /// let metadata = session_client::leaving::Door::default().metadata(map.as_object().unwrap().clone());
    /// assert_eq!(
    ///     serde_json::to_value(metadata).unwrap(),
    ///     json!({"project": "alpha", "token": "[redacted]", "dropped_keys": ["log"]})
    /// );
    /// ```
    pub fn metadata(&self, mut map: Map<String, Value>) -> Metadata {
        let mut dropped = self.drop_too_deep(&mut map);
        let mut map = self.pass_members(map);
        drop_too_large(&mut map, &mut dropped);
        if !dropped.is_empty() {
            map.insert(DROPPED_KEYS.to_owned(), note(&dropped));
        }
        // Nothing here can be out of bounds; if it ever were, the event leaves without it.
        Metadata::new(map).unwrap_or_default()
    }

    /// What every text goes through, before it is cut: half a secret could not be recognised.
    fn pass(&self, text: &str) -> String {
        self.rules.redact(&text.replace('\0', "")).into_owned()
    }

    fn pass_members(&self, map: Map<String, Value>) -> Map<String, Value> {
        map.into_iter()
            .map(|(key, value)| {
                let value = if is_secret_name(&key) {
                    without_secrets(value)
                } else {
                    self.pass_value(value)
                };
                (self.pass(&key), value)
            })
            .collect()
    }

    fn pass_value(&self, value: Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
            Value::String(text) => Value::String(self.pass(&text)),
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.pass_value(item))
                .collect(),
            Value::Object(members) => Value::Object(self.pass_members(members)),
        }
    }

    /// Takes out the members that are too deep, and gives their keys.
    fn drop_too_deep(&self, map: &mut Map<String, Value>) -> Vec<String> {
        let mut dropped = Vec::new();
        map.retain(|key, value| {
            let fits = is_within(value, Metadata::DEPTH_MAX - 1);
            if !fits {
                dropped.push(self.pass(key));
            }
            fits
        });
        dropped
    }
}

/// Replaces everything in a value that may be a secret, since its name says that it is one.
fn without_secrets(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value,
        Value::Number(_) | Value::String(_) => Value::String(MARK.to_owned()),
        Value::Array(items) => items.into_iter().map(without_secrets).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (key.replace('\0', ""), without_secrets(value)))
            .collect(),
    }
}

/// Tells whether a value has at most `levels` of nesting; looks no deeper.
fn is_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(_) | Value::Object(_) if levels == 0 => false,
        Value::Array(items) => items.iter().all(|item| is_within(item, levels - 1)),
        Value::Object(members) => members.values().all(|value| is_within(value, levels - 1)),
    }
}

/// Takes out the largest members until the rest fits together with the note of all that was dropped.
fn drop_too_large(map: &mut Map<String, Value>, dropped: &mut Vec<String>) {
    let mut bytes = json_bytes(map);
    if !dropped.is_empty() || bytes > Metadata::BYTES_MAX {
        bytes -= remove(map, DROPPED_KEYS, dropped);
    }
    let mut of_note = note_bytes(dropped);
    for key in largest_first(map) {
        if bytes + of_note <= Metadata::BYTES_MAX {
            return;
        }
        bytes -= remove(map, &key, dropped);
        // Of further keys only the number is told.
        if dropped.len() <= NAMED_MAX + 1 {
            of_note = note_bytes(dropped);
        }
    }
}

fn largest_first(map: &Map<String, Value>) -> Vec<String> {
    let mut sized: Vec<_> = map
        .iter()
        .map(|(key, value)| (member_bytes(key, value), key.clone()))
        .collect();
    sized.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    sized.into_iter().map(|(_, key)| key).collect()
}

/// Takes out a member, notes its key, and gives the bytes that it had.
fn remove(map: &mut Map<String, Value>, key: &str, dropped: &mut Vec<String>) -> usize {
    let Some(value) = map.remove(key) else {
        return 0;
    };
    dropped.push(key.to_owned());
    member_bytes(key, &value)
}

/// Says which keys were dropped.
fn note(dropped: &[String]) -> Value {
    let named = dropped.iter().take(NAMED_MAX);
    let mut names: Vec<String> = named
        .map(|key| key.chars().take(NAME_CHARACTERS_MAX).collect())
        .collect();
    let more = dropped.len() - names.len();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.into()
}

/// Counts the bytes of the note as a member, with room for the number of those that it does not name.
fn note_bytes(dropped: &[String]) -> usize {
    if dropped.is_empty() {
        return 0;
    }
    let room = usize::MAX.to_string().len();
    let room = if dropped.len() > NAMED_MAX { room } else { 0 };
    member_bytes(DROPPED_KEYS, &note(dropped)) + room
}

/// Counts the bytes of the members as compact JSON; the last has no comma.
fn json_bytes(map: &Map<String, Value>) -> usize {
    let members = map.iter().map(|(key, value)| member_bytes(key, value));
    "{}".len() + members.sum::<usize>() - usize::from(!map.is_empty())
}

/// Counts the bytes of a member as compact JSON, with its colon and a comma.
fn member_bytes(key: &str, value: &Value) -> usize {
    Value::from(key).to_string().len() + value.to_string().len() + ":,".len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata_of(value: Value) -> Value {
        let Value::Object(map) = value else {
            unreachable!("every case is an object")
        };
        let made = serde_json::to_value(Door::default().metadata(map)).unwrap();
        assert!(serde_json::to_string(&made).unwrap().len() <= Metadata::BYTES_MAX);
        made
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!({ "k": inner }))
    }

    #[test]
    fn what_is_within_bounds_leaves_as_it_is() {
        let full = json!({"k": "x".repeat(16_384 - r#"{"k":""}"#.len())});
        let own_note = json!({"dropped_keys": ["mine"], "n": [1, null, true, {"a": "b"}]});
        for map in [json!({}), full, own_note, json!({"k": nested(15)})] {
            assert_eq!(metadata_of(map.clone()), map);
        }
    }

    #[test]
    fn nul_is_left_out_of_keys_and_strings_at_every_depth() {
        assert_eq!(
            metadata_of(json!({"a\0": "\0b", "c": [{"\0d": ["e\0"]}]})),
            json!({"a": "b", "c": [{"d": ["e"]}]})
        );
        assert_eq!(&*Door::default().text::<2>("\0é\0🦀x"), "é🦀");
        assert_eq!(&*Door::default().trimmed::<2>(" \0é 🦀 "), "é");
    }

    #[test]
    fn the_largest_members_are_dropped_until_the_rest_fits() {
        let large = |bytes| "x".repeat(bytes);
        for (map, left) in [
            (
                json!({"a": large(9_000), "b": large(20_000), "c": large(9_001), "d": 1}),
                json!({"a": large(9_000), "d": 1, "dropped_keys": ["b", "c"]}),
            ),
            // One byte over the bound.
            (json!({"k": large(16_377)}), json!({"dropped_keys": ["k"]})),
            // Fits alone, but not beside the note.
            (
                json!({"a": large(16_360), "b": large(16_361)}),
                json!({"dropped_keys": ["b", "a"]}),
            ),
            (
                json!({"dropped_keys": "mine", "b": large(20_000)}),
                json!({"dropped_keys": ["dropped_keys", "b"]}),
            ),
        ] {
            assert_eq!(metadata_of(map), left);
        }
    }

    #[test]
    fn a_member_that_is_too_deep_is_dropped_however_small_it_is() {
        assert_eq!(
            metadata_of(json!({"deep\0": nested(16), "flat": "x".repeat(9_000)})),
            json!({"flat": "x".repeat(9_000), "dropped_keys": ["deep"]})
        );
        assert_eq!(
            metadata_of(json!({"a": nested(16), "b": "x".repeat(20_000)})),
            json!({"dropped_keys": ["a", "b"]})
        );
    }

    #[test]
    fn the_note_is_bounded_too() {
        let many: Map<_, _> = (0..4_000)
            .map(|n| (format!("{n:04}{}", "\u{1}".repeat(200)), json!(n)))
            .collect();
        let left = metadata_of(Value::Object(many));
        let note = left[DROPPED_KEYS].as_array().unwrap();
        assert_eq!(note.len(), 21);
        assert_eq!(note[0].as_str().unwrap().chars().count(), 100);
        let kept = left.as_object().unwrap().len() - 1;
        assert_eq!(note[20], json!(format!("and {} more", 4_000 - 20 - kept)));
    }
}
