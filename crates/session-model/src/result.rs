//! What a server answers to an event, and how it says that it failed.
//!
//! A result that says no more than it may is a type of its own: a `tracked` session has an id and no error, an error has
//! a text. Every key is written; null means that it does not apply.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use crate::{
    field::{Field, FieldErrors, Place, expected, member, model},
    text::Integer,
};

model! {
    /// How a tool that is not an event tool says that it failed.
    pub struct ErrorResponse {
        /// What failed.
        required error: String,
        /// Why, and what to do.
        required detail: String,
        /// A stable code, such as `SESSION_NOT_FOUND`.
        nullable error_code: String,
    }
}

/// The answer to a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionStartResult {
    /// The session is on record.
    Tracked {
        /// Its id.
        session_id: String,
    },
    /// It is not.
    Error(Refusal),
}

/// The answer to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEndResult {
    /// The end is on record, or one was already.
    Ended {
        /// The session's id.
        session_id: String,
    },
    /// No start of it is known.
    NotFound {
        /// The id that was asked for.
        session_id: String,
    },
    /// It is not on record.
    Error {
        /// The id that was asked for.
        session_id: String,
        /// Why.
        refusal: Refusal,
    },
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionHeartbeatResult {
    /// The session is active.
    Alive {
        /// Its id.
        session_id: String,
        /// How long it counts as alive without another heartbeat, in seconds; `None` without a lease.
        lease_seconds: Option<u32>,
    },
    /// It has ended, is proved lost or was closed by hand.
    Ended {
        /// Its id.
        session_id: String,
    },
    /// No start of it is known.
    NotFound {
        /// The id that was asked for.
        session_id: String,
    },
    /// The heartbeat was not taken.
    Error {
        /// The id that was asked for, where there was one.
        session_id: Option<String>,
        /// Why.
        refusal: Refusal,
    },
}

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, for a person.
    pub error: String,
    /// A stable code, such as `INVALID_EVENT`; `None` from servers that have none.
    pub error_code: Option<String>,
}

/// The keys that the three results share, as they stand in JSON.
struct Parts<'a> {
    session_id: Option<&'a str>,
    status: &'static str,
    refusal: Option<&'a Refusal>,
    /// The outer `None`: the result has no such key.
    lease_seconds: Option<Option<u32>>,
}

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys = 4 + usize::from(self.lease_seconds.is_some());
        let mut object = serializer.serialize_struct("Result", keys)?;
        object.serialize_field("session_id", &self.session_id)?;
        object.serialize_field("status", self.status)?;
        object.serialize_field("error", &self.refusal.map(|refusal| &refusal.error))?;
        object.serialize_field(
            "error_code",
            &self.refusal.and_then(|refusal| refusal.error_code.as_ref()),
        )?;
        if let Some(lease_seconds) = self.lease_seconds {
            object.serialize_field("lease_seconds", &lease_seconds)?;
        }
        object.end()
    }
}

/// What a result says, read before it is known which one it is.
struct Reading {
    session_id: Option<String>,
    status: String,
    refusal: Option<Refusal>,
}

impl Reading {
    fn of(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::Object(object) = value else {
            errors.add(at, expected("an object", value));
            return None;
        };
        if !object.contains_key("session_id") {
            errors.add(at.member("session_id"), "required");
        }
        let session_id: Option<Option<String>> = member(object, "session_id", at, errors);
        let status = member(object, "status", at, errors);
        let error: Option<Option<String>> = member(object, "error", at, errors);
        let error_code: Option<Option<String>> = member(object, "error_code", at, errors);
        let (error, error_code) = (error?, error_code?);
        Some(Self {
            session_id: session_id?,
            status: status?,
            refusal: error.map(|error| Refusal { error, error_code }),
        })
    }

    /// Takes the refusal of an `error`, or notes that there is none.
    fn refusal(self, at: Place<'_>, errors: &mut FieldErrors) -> Option<Refusal> {
        if self.refusal.is_none() {
            errors.add(at.member("error"), "required when status is \"error\"");
        }
        self.refusal
    }

    /// Takes the id of a result that has nothing to refuse.
    fn id(self, at: Place<'_>, errors: &mut FieldErrors) -> Option<String> {
        if self.refusal.is_some() {
            errors.add(
                at.member("error"),
                format!("must be null when status is {:?}", self.status),
            );
            return None;
        }
        if self.session_id.is_none() {
            errors.add(
                at.member("session_id"),
                format!("required when status is {:?}", self.status),
            );
        }
        self.session_id
    }

    fn unknown_status<T>(self, words: &str, at: Place<'_>, errors: &mut FieldErrors) -> Option<T> {
        let found = crate::field::quoted(&self.status);
        errors.add(
            at.member("status"),
            format!("expected one of {words}, found {found}"),
        );
        None
    }
}

impl Serialize for SessionStartResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (session_id, status, refusal) = match self {
            Self::Tracked { session_id } => (Some(session_id.as_str()), "tracked", None),
            Self::Error(refusal) => (None, "error", Some(refusal)),
        };
        Parts {
            session_id,
            status,
            refusal,
            lease_seconds: None,
        }
        .serialize(serializer)
    }
}

impl Field for SessionStartResult {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let read = Reading::of(value, at, errors)?;
        match read.status.as_str() {
            "tracked" => read
                .id(at, errors)
                .map(|session_id| Self::Tracked { session_id }),
            "error" if read.session_id.is_some() => {
                errors.add(
                    at.member("session_id"),
                    "must be null when status is \"error\"",
                );
                None
            }
            "error" => read.refusal(at, errors).map(Self::Error),
            _ => read.unknown_status("tracked, error", at, errors),
        }
    }
}

impl Serialize for SessionEndResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (session_id, status, refusal) = match self {
            Self::Ended { session_id } => (session_id, "ended", None),
            Self::NotFound { session_id } => (session_id, "not_found", None),
            Self::Error {
                session_id,
                refusal,
            } => (session_id, "error", Some(refusal)),
        };
        Parts {
            session_id: Some(session_id),
            status,
            refusal,
            lease_seconds: None,
        }
        .serialize(serializer)
    }
}

impl Field for SessionEndResult {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let read = Reading::of(value, at, errors)?;
        match read.status.as_str() {
            "ended" => read
                .id(at, errors)
                .map(|session_id| Self::Ended { session_id }),
            "not_found" => read
                .id(at, errors)
                .map(|session_id| Self::NotFound { session_id }),
            "error" => {
                let Some(session_id) = read.session_id.clone() else {
                    errors.add(at.member("session_id"), "must not be null");
                    return None;
                };
                read.refusal(at, errors).map(|refusal| Self::Error {
                    session_id,
                    refusal,
                })
            }
            _ => read.unknown_status("ended, not_found, error", at, errors),
        }
    }
}

impl Serialize for SessionHeartbeatResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (session_id, status, refusal, lease) = match self {
            Self::Alive {
                session_id,
                lease_seconds,
            } => (Some(session_id), "alive", None, *lease_seconds),
            Self::Ended { session_id } => (Some(session_id), "ended", None, None),
            Self::NotFound { session_id } => (Some(session_id), "not_found", None, None),
            Self::Error {
                session_id,
                refusal,
            } => (session_id.as_ref(), "error", Some(refusal), None),
        };
        Parts {
            session_id: session_id.map(String::as_str),
            status,
            refusal,
            lease_seconds: Some(lease),
        }
        .serialize(serializer)
    }
}

impl Field for SessionHeartbeatResult {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        type Seconds = Integer<0, { u32::MAX as i64 }>;
        let read = Reading::of(value, at, errors);
        let lease = value
            .as_object()
            .and_then(|object| member::<Option<Seconds>>(object, "lease_seconds", at, errors));
        let (read, lease) = (read?, lease?);
        let lease_seconds = lease.and_then(|seconds| u32::try_from(seconds.get()).ok());
        match read.status.as_str() {
            "alive" => read.id(at, errors).map(|session_id| Self::Alive {
                session_id,
                lease_seconds,
            }),
            "ended" => read
                .id(at, errors)
                .map(|session_id| Self::Ended { session_id }),
            "not_found" => read
                .id(at, errors)
                .map(|session_id| Self::NotFound { session_id }),
            "error" => {
                let session_id = read.session_id.clone();
                read.refusal(at, errors).map(|refusal| Self::Error {
                    session_id,
                    refusal,
                })
            }
            _ => read.unknown_status("alive, ended, not_found, error", at, errors),
        }
    }
}

/// Writes the schema of a result: one shape without an error, one with.
fn result_schema(
    what: &str,
    fine: &[&str],
    fine_id: &Value,
    error_id: &Value,
    lease: bool,
) -> Schema {
    let shape = |statuses: Value, id: &Value, error: Value| {
        let mut shape = serde_json::json!({
            "type": "object",
            "properties": {
                "session_id": {"type": id},
                "status": {"type": "string", "enum": statuses},
                "error": error,
                "error_code": {"type": ["string", "null"]},
            },
            "required": ["session_id", "status"],
        });
        if lease {
            shape["properties"]["lease_seconds"] =
                serde_json::json!({"type": ["integer", "null"], "minimum": 0, "maximum": u32::MAX});
        }
        shape
    };
    let mut failed = shape(
        serde_json::json!(["error"]),
        error_id,
        serde_json::json!({"type": "string"}),
    );
    failed["required"] = serde_json::json!(["session_id", "status", "error"]);
    let fine = shape(
        serde_json::json!(fine),
        fine_id,
        serde_json::json!({"type": "null"}),
    );
    // MCP wants `type: object` at the top of an output schema.
    json_schema!({"description": what, "type": "object", "oneOf": [fine, failed]})
}

macro_rules! result_schemas {
    ($($name:ident: $what:expr, $fine:expr, $fine_id:expr, $error_id:expr, $lease:expr;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                result_schema(
                    $what,
                    &$fine,
                    &serde_json::json!($fine_id),
                    &serde_json::json!($error_id),
                    $lease,
                )
            }
        }
    )+};
}

result_schemas! {
    SessionStartResult: "The answer to a start.", ["tracked"], "string", "null", false;
    SessionEndResult: "The answer to an end.", ["ended", "not_found"], "string", "string", false;
    SessionHeartbeatResult: "The answer to a heartbeat.", ["alive", "ended", "not_found"], "string", ["string", "null"], true;
}
