//! What a shell says of itself.
//!
//! A published Python sender's events are valid as they are; the optional keys are additions of ours. Bounds count
//! Unicode code points. `token` and `sent_at` travel beside an event and are no part of it.

use serde_json::{Map, Value};

use crate::{
    field::{Field, FieldErrors, Place, inline_schema, model},
    id::{ComponentName, EventId, SessionId},
    text::{Integer, Metadata, Number, Pid, SessionType, Text, Trimmed},
    timestamp::Timestamp,
    words::{
        ActorKind, EventVersion, ExitReason, LoginNameSource, LostCause, SessionEndType,
        SessionHeartbeatType, SessionStartType,
    },
};

/// An integer that is not negative.
pub type Count = Integer<0, { i64::MAX }>;
/// The longest error text: 500 code points.
pub type ErrorText = Text<500>;

model! {
    /// Whose shell it is.
    pub struct UserInfo {
        /// Account name, outer white space taken off.
        required username: Trimmed<100>,
        /// Home directory, outer white space taken off.
        required home: Trimmed<500>,
        /// Who logged in, where that is another name.
        optional login_name: Text<100>,
        /// Where `login_name` comes from.
        optional login_name_source: LoginNameSource,
    }
}

model! {
    /// Where the shell runs.
    pub struct EnvironmentInfo {
        /// Version of Python; empty for a shell that is not written in it.
        required python_version: Text<200>,
        /// Operating system and architecture.
        required platform: Text<500>,
        /// Working directory, outer white space taken off.
        required cwd: Trimmed<500>,
    }
}

model! {
    /// Who sits at the shell.
    pub struct Actor {
        /// A person or a program.
        required kind: ActorKind,
        /// Name of the program.
        optional name: Text<100>,
    }
}

model! {
    /// What identifies a process beyond its pid, so that a reused pid is not taken for it.
    pub struct ProcessIdentity {
        /// The kernel's boot id.
        required boot_id: Text<100>,
        /// Inode of the pid namespace.
        required pid_namespace: Count,
        /// Field 22 of `/proc/<pid>/stat`: clock ticks from boot to the start of the process.
        required start_ticks: Count,
        /// Inode of a pidfd of the process, on kernels with pidfs.
        optional pidfd_inode: Count,
    }
}

model! {
    /// A shell began.
    pub struct SessionStartEvent {
        /// Version of this event.
        required event_version: EventVersion,
        /// Id of this event, chosen by its sender.
        required event_id: EventId,
        /// Type of this event.
        defaulted event_type: SessionStartType,
        /// The component whose shell it is.
        required component_name: ComponentName,
        /// The kind of shell, such as `MahavishnuShell`.
        required shell_type: Text<200>,
        /// When it began, by the sender's clock.
        required timestamp: Timestamp,
        /// Its process.
        required pid: Pid,
        /// Whose shell it is.
        required user: UserInfo,
        /// Name of its host.
        required hostname: Text<255>,
        /// Where it runs.
        required environment: EnvironmentInfo,
        /// Anything else.
        defaulted metadata: Metadata,
        /// The kind of session.
        defaulted session_type: SessionType,
        /// Why the shell was opened.
        optional reason: Text<500>,
        /// Who sits at it.
        optional actor: Actor,
        /// The session from which it was opened.
        optional parent_session_id: SessionId,
        /// How often it will send a heartbeat, in seconds.
        optional heartbeat_interval_seconds: Integer<1, 3600>,
        /// Its process beyond the pid.
        optional process: ProcessIdentity,
        /// Salted SHA-256 of the machine id, 64 lower-case hexadecimal digits.
        optional host_id: HostId,
        /// Its terminal.
        optional tty: Text<200>,
        /// Where its user is logged in from.
        optional remote_address: Text<200>,
        /// What it is written in, such as `rust 1.95.0`.
        optional runtime: Text<200>,
        /// The emitter that counts `sequence`.
        optional emitter_id: EventId,
        /// Number of this event among its emitter's.
        optional sequence: Count,
    }
}

impl SessionStartEvent {
    /// Gives the id of the session that this event begins.
    pub fn session_id(&self) -> SessionId {
        SessionId::of_start(&self.component_name, self.timestamp, self.event_id)
    }

    /// Gives what of it a session's record tells: not its process, its host's id, its heartbeats or its emitter.
    #[must_use]
    pub fn as_recorded(self) -> Self {
        Self {
            heartbeat_interval_seconds: None,
            process: None,
            host_id: None,
            emitter_id: None,
            sequence: None,
            ..self
        }
    }
}

model! {
    /// A shell ended.
    pub struct SessionEndEvent {
        /// The session that ended.
        required session_id: SessionId,
        /// When it ended, by the sender's clock.
        required timestamp: Timestamp,
        /// Type of this event.
        defaulted event_type: SessionEndType,
        /// Anything else.
        defaulted metadata: Metadata,
        /// Id of this event, chosen by its sender.
        optional event_id: EventId,
        /// How it came to its end.
        optional exit_reason: ExitReason,
        /// Its exit code.
        optional exit_code: Integer<-2_147_483_648, 4_294_967_295>,
        /// How long it ran by a clock that counts suspension, in seconds.
        optional duration_seconds: Number,
        /// How many commands it ran.
        optional command_count: Count,
        /// How many of them failed.
        optional error_count: Count,
        /// The last error.
        optional last_error: ErrorText,
        /// With `lost`: what the deliverer saw.
        optional lost_cause: LostCause,
        /// With `lost`: the last proof of life.
        optional last_seen: Timestamp,
        /// With `lost`: who reports it.
        optional reported_by: Text<200>,
        /// The emitter that counts `sequence`.
        optional emitter_id: EventId,
        /// Number of this event among its emitter's.
        optional sequence: Count,
    }
}

model! {
    /// A shell lives. Never spooled, never in the ledger.
    pub struct SessionHeartbeatEvent {
        /// The session that lives.
        required session_id: SessionId,
        /// When it was sent, by the sender's clock.
        required timestamp: Timestamp,
        /// Type of this event.
        defaulted event_type: SessionHeartbeatType,
        /// Number of this event among its emitter's.
        optional sequence: Count,
        /// How many commands it has run.
        optional command_count: Count,
        /// How many of them failed.
        optional error_count: Count,
        /// The last error.
        optional last_error: ErrorText,
    }
}

/// 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct HostId(String);

impl HostId {
    /// Writes a digest in digits.
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        Self(data_encoding::HEXLOWER.encode(digest))
    }

    /// Gives the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field for HostId {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let text = crate::text::string(value, at, errors)?;
        if text.len() == 64
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Some(Self(text.to_owned()));
        }
        errors.add(
            at,
            format!(
                "expected 64 lower-case hexadecimal digits, found {}",
                crate::field::quoted(text)
            ),
        );
        None
    }
}

inline_schema!(HostId, {
    schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
});

/// Leaves out the keys whose value is null, on both levels of an event. Tools and routes read null as absent for every
/// optional key; the models keep the published rule, by which `metadata` and `event_type` may be absent but not null.
pub fn without_nulls(mut arguments: Map<String, Value>) -> Map<String, Value> {
    arguments.retain(|key, value| {
        if let Value::Object(members) = value
            && key != "metadata"
        {
            members.retain(|_, value| !value.is_null());
        }
        !value.is_null()
    });
    arguments
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_makes_a_host_id_that_is_read_back() {
        let id = HostId::of_digest(&[0xa5; 32]);
        assert_eq!(id.as_str(), "a5".repeat(32));
        assert_eq!(HostId::from_json(&json!(id.as_str())), Ok(id));
    }

    #[test]
    fn nulls_are_left_out_except_inside_metadata() {
        let Value::Object(arguments) = json!({
            "reason": null,
            "user": {"login_name": null, "home": "/"},
            "metadata": {"duration_seconds": null},
        }) else {
            unreachable!("the literal is an object")
        };
        assert_eq!(
            Value::Object(without_nulls(arguments)),
            json!({"user": {"home": "/"}, "metadata": {"duration_seconds": null}})
        );
    }
}
