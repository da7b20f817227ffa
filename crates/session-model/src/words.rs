//! Closed sets of words, spelled the same in JSON, SQL, CSV, flags and metrics.

use std::{fmt, str::FromStr};

use schemars::json_schema;
use serde_json::Value;

use crate::field::{Field, FieldErrors, Place, expected, inline_schema, quoted};

/// A text is not one of the words of its set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}, found {found}")]
pub struct UnknownWord {
    expected: String,
    found: String,
}

macro_rules! words {
    ($($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every word of the set.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Gives the word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err(UnknownWord {
                        expected: [$($word),+].join(", "),
                        found: quoted(other),
                    }),
                }
            }
        }

        impl Field for $name {
            fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
                let Value::String(text) = value else {
                    errors.add(at, expected("a string", value));
                    return None;
                };
                text.parse().map_err(|error: UnknownWord| errors.add(at, error.to_string())).ok()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        inline_schema!($name, {
            json_schema!({"type": "string", "enum": [$($word),+]})
        });
    )+};
}

words! {
    /// Why something was refused or failed, for programs: `code` of a problem, `error_code` of a result. A code is never
    /// renamed, and none gets another meaning.
    pub enum ErrorCode {
        /// The event is not valid. Sending it again does not help.
        InvalidEvent = "INVALID_EVENT",
        /// Something that was asked with is wrong: a parameter, an argument, a member of the body.
        InvalidParameter = "INVALID_PARAMETER",
        /// The cursor is none of this server.
        InvalidCursor = "INVALID_CURSOR",
        /// A token is needed.
        TokenRequired = "TOKEN_REQUIRED",
        /// The token is not good.
        TokenInvalid = "TOKEN_INVALID",
        /// The token was good once.
        TokenExpired = "TOKEN_EXPIRED",
        /// The token was taken back.
        TokenRevoked = "TOKEN_REVOKED",
        /// Whoever asks may not have it.
        Forbidden = "FORBIDDEN",
        /// The server does not go by that name.
        HostRefused = "HOST_REFUSED",
        /// A page of another site asks.
        OriginRefused = "ORIGIN_REFUSED",
        /// There is no such session.
        SessionNotFound = "SESSION_NOT_FOUND",
        /// There is nothing by that name.
        NotFound = "NOT_FOUND",
        /// The path does not take that method.
        MethodNotAllowed = "METHOD_NOT_ALLOWED",
        /// The client takes no answer that this server gives.
        NotAcceptable = "NOT_ACCEPTABLE",
        /// The body took too long.
        Timeout = "TIMEOUT",
        /// The event contradicts what is on record. Sending it again does not help.
        Conflict = "CONFLICT",
        /// Several sessions could be meant.
        AmbiguousId = "AMBIGUOUS_ID",
        /// The session is proved alive; closing it takes `force`.
        SessionAlive = "SESSION_ALIVE",
        /// The body is too large.
        TooLarge = "TOO_LARGE",
        /// The body is of a type that this path does not take.
        UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE",
        /// Too much comes from there.
        RateLimited = "RATE_LIMITED",
        /// The server failed; its log says why.
        Internal = "INTERNAL",
        /// The disk or the database fails.
        StorageUnavailable = "STORAGE_UNAVAILABLE",
        /// Too much waits.
        Overloaded = "OVERLOADED",
        /// The server is stopping.
        Stopping = "STOPPING",
    }

    /// What an administrator did, or was refused.
    pub enum ActName {
        /// A session was closed by hand.
        SessionClosed = "session_closed",
        /// A token was revoked.
        TokenRevoked = "token_revoked",
        /// Somebody known wanted something that is not allowed.
        Refused = "refused",
        /// A session was begun against the policy of its component.
        PolicyViolated = "policy_violated",
        /// Sessions were exported.
        Exported = "exported",
        /// Sessions were imported.
        Imported = "imported",
    }

    /// A rule of a policy that a session breaks, by its key in `config.yaml`.
    pub enum Violated {
        /// It was opened without a reason.
        ReasonRequired = "reason_required",
        /// Whoever opened it may not.
        AllowedSubjects = "allowed_subjects",
        /// It is open for too long.
        MaxDuration = "max_duration",
    }

    /// How a session stands.
    pub enum SessionStatus {
        /// No end is known.
        Active = "active",
        /// It reported its end, or somebody closed it by hand.
        Ended = "ended",
        /// It is gone without a report.
        Lost = "lost",
    }

    /// How sure it is that an active session lives.
    pub enum Liveness {
        /// Its process is watched, or its lease runs.
        Live = "live",
        /// Neither, or no server was asked.
        Unknown = "unknown",
        /// Silent for 24 hours.
        Stale = "stale",
    }

    /// How an end is known.
    pub enum EndKnownBy {
        /// The shell reported it.
        Reported = "reported",
        /// Its process was seen to be gone.
        ProcessGone = "process_gone",
        /// Its host has restarted since.
        HostRestarted = "host_restarted",
        /// No heartbeat came in time.
        LeaseExpired = "lease_expired",
        /// Somebody closed it.
        ByHand = "by_hand",
    }

    /// Why a session counts as lost.
    pub enum LossCause {
        /// No heartbeat came in time: a presumption, undone by the next one.
        LeaseExpired = "lease_expired",
        /// Its process was seen to be gone: a proof.
        ProcessGone = "process_gone",
        /// Its host has restarted since: a proof.
        HostRestarted = "host_restarted",
    }

    /// How a shell came to its end, in its own words.
    pub enum ExitReason {
        /// `exit()` or `quit()`, or the end of a `-c` script.
        Exit = "exit",
        /// The end of its input.
        Eof = "eof",
        /// SIGINT.
        Interrupt = "interrupt",
        /// Another signal.
        Signal = "signal",
        /// A script error.
        Error = "error",
        /// A panic.
        Panic = "panic",
        /// Reported by somebody else: the shell died without a word.
        Lost = "lost",
    }

    /// What a deliverer saw of a shell that died.
    pub enum LostCause {
        /// Its process is gone.
        ProcessGone = "process_gone",
        /// Its host has restarted.
        HostRestarted = "host_restarted",
    }

    /// Who sits at the shell.
    pub enum ActorKind {
        /// A person.
        Human = "human",
        /// A program that types for one.
        Agent = "agent",
    }

    /// Where a login name comes from.
    pub enum LoginNameSource {
        /// The kernel's login uid.
        Loginuid = "loginuid",
        /// The variable `SUDO_USER`.
        SudoUser = "sudo_user",
    }

    /// How an event reached the server.
    pub enum Transport {
        /// Over the Unix socket.
        Unix = "unix",
        /// Over TCP.
        Tcp = "tcp",
        /// Over standard input of an embedded server.
        Stdio = "stdio",
    }

    /// The spans by which sessions are counted.
    pub enum Period {
        /// Hours.
        Hourly = "hourly",
        /// Days.
        Daily = "daily",
        /// ISO weeks.
        Weekly = "weekly",
        /// Months.
        Monthly = "monthly",
    }
}

impl LossCause {
    /// Gives the word that a record uses for it.
    pub const fn end_known_by(self) -> EndKnownBy {
        match self {
            Self::LeaseExpired => EndKnownBy::LeaseExpired,
            Self::ProcessGone => EndKnownBy::ProcessGone,
            Self::HostRestarted => EndKnownBy::HostRestarted,
        }
    }
}

impl From<LostCause> for LossCause {
    fn from(cause: LostCause) -> Self {
        match cause {
            LostCause::ProcessGone => Self::ProcessGone,
            LostCause::HostRestarted => Self::HostRestarted,
        }
    }
}

/// A key whose value can only be one word, such as `event_type`.
macro_rules! constants {
    ($($(#[$meta:meta])* pub struct $name:ident = $word:literal $(, $default:ident)?;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Field for $name {
            $(fn absent() -> Option<Self> {
                let $default = Self;
                Some($default)
            })?

            fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
                match value {
                    Value::String(text) if text == $word => return Some(Self),
                    Value::String(text) => errors.add(at, format!("expected {:?}, found {}", $word, quoted(text))),
                    value => errors.add(at, expected(concat!('"', $word, '"'), value)),
                }
                None
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($word)
            }
        }

        inline_schema!($name, {
            json_schema!({"type": "string", "const": $word})
        });
    )+};
}

constants! {
    /// The version of the start event: `1.0`.
    pub struct EventVersion = "1.0";
    /// The type of a start event.
    pub struct SessionStartType = "session_start", default;
    /// The type of an end event.
    pub struct SessionEndType = "session_end", default;
    /// The type of a heartbeat.
    pub struct SessionHeartbeatType = "session_heartbeat", default;
}
