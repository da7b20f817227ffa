//! The sessions that all analyses read.

mod names;
mod row;

use session_model::{EndKnownBy, ExitReason, SessionStatus, Timestamp};

pub use names::{Name, Names};
pub use row::Row;

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
    /// The server that knows it.
    pub server: Name,
    /// The kind of shell.
    pub shell_type: Name,
    /// Platform, as sent.
    pub platform: Name,
    /// What it was about: the project that its shell named.
    pub project: Option<Name>,
    /// How it came to its end, in its own words.
    pub exit_reason: Option<ExitReason>,
    /// How its end is known; none while active.
    pub end_known_by: Option<EndKnownBy>,
    /// The last error.
    pub error_message: Option<Name>,
    /// How many commands it ran; none where its sender does not count.
    pub command_count: Option<u64>,
    /// How many of them failed.
    pub error_count: Option<u64>,
    /// Why the shell was opened.
    pub reason: Option<Name>,
    /// Who logged in, where that is another name.
    pub login_name: Option<Name>,
    /// Where its user was logged in from.
    pub remote_address: Option<Name>,
    /// `human` or `agent`; none where its sender does not say.
    pub actor: Option<Name>,
    /// The session from which it was opened.
    pub parent_session_id: Option<Name>,
}

impl Visit {
    /// Makes a session of the type `admin_shell` that has ended without an error, after a time that nobody knows, and of
    /// which nothing more is known.
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
            server: "".into(),
            shell_type: "".into(),
            platform: "".into(),
            project: None,
            exit_reason: None,
            end_known_by: None,
            error_message: None,
            command_count: None,
            error_count: None,
            reason: None,
            login_name: None,
            remote_address: None,
            actor: None,
            parent_session_id: None,
        }
    }

    /// Gives how long it ran, if it has ended: what still runs would make every length look shorter than it will be.
    #[must_use]
    pub fn full_seconds(&self) -> Option<f64> {
        self.duration_seconds
            .filter(|_| self.status != SessionStatus::Active)
    }

    /// Tells whether its shell is gone without a word.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.status == SessionStatus::Lost
    }
}
