//! What a store tells whoever counts.

use std::{fmt, time::Duration};

use session_model::{SessionRecord, SessionStatus, words::EndKnownBy};

/// Is told what a store does. It is told on the thread that writes, before anybody is answered, so it only counts.
pub trait Witness: fmt::Debug + Send + Sync {
    /// The store has read its database: all components that have sessions, in the order in which they came, and how many
    /// sessions of each are open. What was told before of that is over, because a commit that failed may have been made.
    fn opened(&self, components: &[(String, u64)]);

    /// A transaction is committed.
    fn committed(&self, commit: &Commit);

    /// Something could not be done.
    fn failed(&self, kind: FailureKind);
}

/// Nobody counts.
impl Witness for () {
    fn opened(&self, _: &[(String, u64)]) {}

    fn committed(&self, _: &Commit) {}

    fn failed(&self, _: FailureKind) {}
}

/// A transaction that is committed.
#[derive(Debug, Default)]
pub struct Commit {
    /// How long it took.
    pub took: Duration,
    /// The kinds of the ledger records that it wrote.
    pub records: Vec<&'static str>,
    /// What it made of sessions.
    pub steps: Vec<Step>,
}

/// What a change made of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The session's component.
    pub component: String,
    /// What became of it.
    pub turn: Turn,
}

/// What became of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It began.
    Begun {
        /// The kind of shell.
        shell_type: String,
    },
    /// It was open and is closed.
    Closed {
        /// How its end is known.
        known_by: EndKnownBy,
        /// Whether anything failed in it.
        failed: bool,
        /// How long it ran; none where it was closed before, and revived.
        first_seconds: Option<i64>,
    },
    /// It was closed, and its end is known better.
    Replaced {
        /// How its end is known now.
        known_by: EndKnownBy,
        /// Whether anything failed in it.
        failed: bool,
    },
    /// It was closed, and is open.
    Revived,
}

impl Step {
    /// Compares a session before and after a change; `None` where it stands as it stood.
    pub fn between(before: Option<&SessionRecord>, now: &SessionRecord) -> Option<Self> {
        let turn = match (before, now.end_known_by) {
            (None, _) => Turn::Begun {
                shell_type: now.shell_type.clone(),
            },
            (Some(before), Some(known_by)) if before.status == SessionStatus::Active => {
                Turn::Closed {
                    known_by,
                    failed: now.error_occurred,
                    first_seconds: now.duration_seconds.filter(|_| before.gaps.is_empty()),
                }
            }
            (Some(before), Some(known_by)) if before.end_known_by != Some(known_by) => {
                Turn::Replaced {
                    known_by,
                    failed: now.error_occurred,
                }
            }
            (Some(before), None) if before.status != SessionStatus::Active => Turn::Revived,
            (Some(_), _) => return None,
        };
        Some(Self {
            component: now.component_name.clone(),
            turn,
        })
    }
}

/// What a store could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Write: the disk or the database failed.
    Unavailable,
    /// Take more changes.
    Overloaded,
    /// Change a session, because its record is damaged.
    Damaged,
    /// Answer a question.
    Read,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Unavailable,
        Self::Overloaded,
        Self::Damaged,
        Self::Read,
    ];

    /// Gives its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Damaged => "damaged",
            Self::Read => "read",
        }
    }
}
