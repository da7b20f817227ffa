//! A session as a server writes it.

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error};
use session_model::{EndKnownBy, ExitReason, SessionStatus, Timestamp};

use super::{Name, Names, Visit};

/// The parts of a session's record that analyses read; the rest is passed over.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    session_id: String,
    session_type: String,
    component_name: String,
    shell_type: String,
    #[serde(deserialize_with = "word")]
    status: SessionStatus,
    username: String,
    hostname: String,
    platform: String,
    start_time: Timestamp,
    duration_seconds: Option<f64>,
    #[serde(deserialize_with = "some_word")]
    end_known_by: Option<EndKnownBy>,
    #[serde(deserialize_with = "some_word")]
    exit_reason: Option<ExitReason>,
    command_count: Option<u64>,
    error_count: Option<u64>,
    error_occurred: bool,
    error_message: Option<String>,
    project: Option<String>,
    reason: Option<String>,
    parent_session_id: Option<String>,
    actor_kind: Option<String>,
    login_name: Option<String>,
    remote_address: Option<String>,
}

impl Row {
    /// Makes it a session that `server` knows.
    #[must_use]
    pub fn to_visit(&self, server: &Name, names: &mut Names) -> Visit {
        Visit {
            // Each is another one, so there is nothing to share.
            session_id: self.session_id.as_str().into(),
            component: names.get(&self.component_name),
            user: names.get(&self.username),
            host: names.get(&self.hostname),
            session_type: names.get(&self.session_type),
            status: self.status,
            start: self.start_time,
            duration_seconds: self.duration_seconds,
            error: self.error_occurred,
            server: Name::clone(server),
            shell_type: names.get(&self.shell_type),
            platform: names.get(&self.platform),
            project: names.get_some(self.project.as_deref()),
            exit_reason: self.exit_reason,
            end_known_by: self.end_known_by,
            error_message: names.get_some(self.error_message.as_deref()),
            command_count: self.command_count,
            error_count: self.error_count,
            reason: names.get_some(self.reason.as_deref()),
            login_name: names.get_some(self.login_name.as_deref()),
            remote_address: names.get_some(self.remote_address.as_deref()),
            actor: names.get_some(self.actor_kind.as_deref()),
            parent_session_id: self.parent_session_id.as_deref().map(Name::from),
        }
    }
}

fn word<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

fn some_word<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(D::Error::custom))
        .transpose()
}
