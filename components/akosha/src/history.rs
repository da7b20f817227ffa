//! The sessions that all analyses read.

use std::sync::Arc;

use session_model::{SessionStatus, Timestamp};

/// A text that many sessions share: components, people and hosts are few, and sessions are many.
pub type Name = Arc<str>;

/// One session: who was in which shell, on which host, when, and how it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// Id of the session.
    pub session_id: Name,
    /// The component whose shell it is.
    pub component: Name,
    /// Account name, as sent.
    pub user: Name,
    /// Host, as sent.
    pub host: Name,
    /// The kind of session, such as `admin_shell`.
    pub session_type: Name,
    /// How it stands.
    pub status: SessionStatus,
    /// When it began, by the sender's clock.
    pub start: Timestamp,
    /// How long it ran; of an active one how long it has run so far; none where nobody knows.
    pub duration_seconds: Option<f64>,
    /// Whether a command failed in it, or it ended by an error or a panic.
    pub error: bool,
}

impl Visit {
    /// Makes a session of the type `admin_shell` that has ended without an error, after a time that nobody knows.
    #[must_use]
    pub fn new(
        session_id: impl Into<Name>,
        component: impl Into<Name>,
        user: impl Into<Name>,
        host: impl Into<Name>,
        start: Timestamp,
    ) -> Self {
        Self {
            session_id: session_id.into(),
            component: component.into(),
            user: user.into(),
            host: host.into(),
            session_type: "admin_shell".into(),
            status: SessionStatus::Ended,
            start,
            duration_seconds: None,
            error: false,
        }
    }
}
