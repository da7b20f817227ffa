//! A session as texts.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};
use session_model::Timestamp;

/// A field: its name, by which it can be asked for, and how much it says about its session.
pub(super) struct Field {
    pub(super) name: &'static str,
    /// The name that it has in a session's record, where that is another one.
    also: &'static str,
    /// How much a word counts in it.
    pub(super) weight: f64,
}

const fn field(name: &'static str, also: &'static str, weight: f64) -> Field {
    Field { name, also, weight }
}

/// The fields, in the order of [`Document::texts`]. Names say most; what a machine fills in says least.
pub(super) const FIELDS: [Field; 20] = [
    field("session", "session_id", 3.0),
    field("component", "component_name", 3.0),
    field("user", "username", 3.0),
    field("host", "hostname", 3.0),
    field("project", "project", 3.0),
    field("error", "error_message", 2.0),
    field("reason", "reason", 2.0),
    field("login", "login_name", 2.0),
    field("agent", "actor_name", 2.0),
    field("address", "remote_address", 2.0),
    field("folder", "working_directory", 1.0),
    field("metadata", "end_metadata", 1.0),
    field("shell", "shell_type", 1.0),
    field("type", "session_type", 1.0),
    field("status", "status", 1.0),
    field("exit", "exit_reason", 1.0),
    field("parent", "parent_session_id", 1.0),
    field("platform", "platform", 0.5),
    field("runtime", "runtime", 0.5),
    field("tty", "tty", 0.5),
];

/// A text for each field; an empty one where there is none.
pub(super) type Texts<'a> = [Cow<'a, str>; FIELDS.len()];

/// The places of the fields that more than sessions have.
pub(super) const COMPONENT: usize = 1;
pub(super) const USER: usize = 2;
pub(super) const HOST: usize = 3;
pub(super) const PROJECT: usize = 4;
pub(super) const ERROR: usize = 5;
pub(super) const LOGIN: usize = 7;
pub(super) const ADDRESS: usize = 9;

/// Gives the place of a field by one of its names.
pub(super) fn place(name: &str) -> Option<usize> {
    let is_it = |field: &Field| {
        field.name.eq_ignore_ascii_case(name) || field.also.eq_ignore_ascii_case(name)
    };
    FIELDS.iter().position(is_it)
}

/// Gives the names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    FIELDS.iter().map(|field| field.name)
}

/// The texts of a session's record.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    pub(super) session_id: String,
    session_type: String,
    pub(super) component_name: String,
    shell_type: String,
    status: String,
    pub(super) username: String,
    pub(super) hostname: String,
    platform: String,
    working_directory: String,
    pub(super) start_time: Timestamp,
    exit_reason: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) project: Option<String>,
    reason: Option<String>,
    parent_session_id: Option<String>,
    actor_name: Option<String>,
    login_name: Option<String>,
    tty: Option<String>,
    remote_address: Option<String>,
    runtime: Option<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    end_metadata: Map<String, Value>,
}

impl Document {
    /// Gives its texts, one for each field; an empty one where it has none.
    pub(super) fn texts(&self) -> Texts<'_> {
        fn some(text: &Option<String>) -> Cow<'_, str> {
            text.as_deref().unwrap_or_default().into()
        }
        fn sent(text: &str) -> Cow<'_, str> {
            text.into()
        }
        [
            sent(&self.session_id),
            sent(&self.component_name),
            sent(&self.username),
            sent(&self.hostname),
            some(&self.project),
            some(&self.error_message),
            some(&self.reason),
            some(&self.login_name),
            some(&self.actor_name),
            some(&self.remote_address),
            sent(&self.working_directory),
            self.metadata().into(),
            sent(&self.shell_type),
            sent(&self.session_type),
            sent(&self.status),
            some(&self.exit_reason),
            some(&self.parent_session_id),
            sent(&self.platform),
            some(&self.runtime),
            some(&self.tty),
        ]
    }

    /// Writes keys and values of both metadata, one behind another.
    fn metadata(&self) -> String {
        let mut text = String::new();
        for (key, value) in self.metadata.iter().chain(&self.end_metadata) {
            write(&mut text, key, value);
        }
        text
    }
}

fn write(text: &mut String, key: &str, value: &Value) {
    let mut add = |part: &str| {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(part);
    };
    match value {
        Value::Null => {}
        Value::String(value) => add(&format!("{key}={value}")),
        Value::Bool(_) | Value::Number(_) => add(&format!("{key}={value}")),
        Value::Array(items) => {
            for item in items {
                write(text, key, item);
            }
        }
        Value::Object(members) => {
            for (inner, value) in members {
                write(text, &format!("{key}.{inner}"), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_those_of_the_fields() {
        for (place, name) in [
            (COMPONENT, "component"),
            (USER, "user"),
            (HOST, "host"),
            (PROJECT, "project"),
            (ERROR, "error"),
            (LOGIN, "login"),
            (ADDRESS, "address"),
        ] {
            assert_eq!(super::place(name), Some(place));
        }
        assert_eq!(super::place("username"), Some(USER));
    }

    #[test]
    fn metadata_is_keys_and_values() {
        let mut text = String::new();
        let value = serde_json::json!({"ticket": "OPS-7", "tags": ["a", {"b": 1}], "none": null});
        write(&mut text, "m", &value);
        assert_eq!(text, "m.tags=a m.tags.b=1 m.ticket=OPS-7");
    }
}
