//! What is known of a workflow that was run, in the words that programs get.

use std::fmt;

use serde::Serialize;

use crate::process::Runner;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Gives its word.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// Reads a word.
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.word() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words!(
    /// Where a workflow stands.
    Status {
        /// It has not begun; only workflows of others are.
        Pending = "pending",
        /// It runs.
        Running = "running",
        /// All its steps have succeeded.
        Completed = "completed",
        /// One has not.
        Failed = "failed",
        /// Somebody has stopped it.
        Interrupted = "interrupted",
        /// Who ran it is gone without a word.
        Crashed = "crashed",
    }
);

words!(
    /// Where a job of a workflow stands.
    JobStatus {
        /// It has not begun.
        Pending = "pending",
        /// It runs.
        Running = "running",
        /// It has succeeded.
        Completed = "completed",
        /// It has not, in any attempt.
        Failed = "failed",
        /// Its last attempt took too long.
        TimedOut = "timed_out",
        /// It has not begun, and will not: what it needs has failed, or the workflow has ended before.
        Skipped = "skipped",
        /// Somebody has stopped it.
        Interrupted = "interrupted",
        /// Who ran it is gone without a word.
        Crashed = "crashed",
    }
);

impl Status {
    /// Tells whether nothing more happens.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// A workflow that was run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Workflow {
    /// `wf-`, the day and eight characters; `prefect-` and the first twelve digits of a flow run's id.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// What was run.
    pub task: String,
    /// In which repositories, by their paths.
    pub repos: Vec<String>,
    /// When it began, as RFC 3339.
    pub created_at: String,
    /// When something was last known of it.
    pub updated_at: String,
    /// How much of it is done, of 100; none where nobody says so.
    pub progress: Option<f64>,
    /// What came of its steps.
    pub results: Vec<Job>,
    /// What went wrong.
    pub errors: Vec<Problem>,
    /// Who runs it: `local`, `prefect`.
    pub adapter: String,
    /// Which repositories were asked for.
    pub tag: Option<String>,
    /// The session of the shell that it was started in.
    pub session_id: Option<String>,
    /// Who runs it here.
    #[serde(skip)]
    pub runner: Option<Runner>,
}

/// A step in a repository.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// The step.
    pub step: String,
    /// The repository; none for a step that runs once.
    pub repository: Option<String>,
    /// Where it stands.
    pub status: JobStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// With what its last attempt ended, if it ended itself.
    pub exit_code: Option<i32>,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Where its output is.
    pub log: String,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What.
    pub message: String,
    /// When.
    pub timestamp: String,
    /// In which workflow.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub workflow: String,
}
