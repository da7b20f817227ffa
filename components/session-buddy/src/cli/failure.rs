//! How a command says that it failed.

use std::{error::Error, io, process::ExitCode};

use admin_shell::HelperError;
use anstream::eprintln;
use session_client::{ConnectionError, Problem, ReaderError, state_folder::StateFolderError};
use session_model::escape::for_line;

use crate::{
    causes,
    lifecycle::{SettingsError, StartError, background::Refusal},
    store::sqlite::OpenError,
};

/// What to do when there is no server.
pub(super) const START_A_SERVER: &str = "start a server with `session-buddy mcp start`";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// The request failed.
    Failed,
    /// The command line is wrong.
    Usage,
    /// There is no server, and no database to look at.
    Unreachable,
    /// Of `mcp`: no server runs.
    NotRunning,
    /// Of `mcp`: a server runs already.
    AlreadyRunning,
    /// Of `mcp`: the server takes no events, or does not answer.
    Unhealthy,
    /// Of `mcp`: the configuration or the database is wrong.
    Configuration,
    /// Of `mcp`: the system refuses.
    Permission,
    /// Of `mcp`: it takes too long.
    Timeout,
    /// Of `mcp`: a server ended without clearing up.
    Stale,
}

impl ExitStatus {
    /// Gives the exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage | Self::NotRunning => 2,
            Self::Unreachable | Self::AlreadyRunning => 3,
            Self::Unhealthy => 4,
            Self::Configuration => 5,
            Self::Permission => 6,
            Self::Timeout => 7,
            Self::Stale => 8,
        }
    }
}

impl From<Failure> for HelperError {
    fn from(failure: Failure) -> Self {
        let error = Self::new(failure.in_a_line());
        match failure.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// What failed, its causes, and what to do.
#[derive(Debug)]
pub struct Failure {
    exit_code: u8,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// Somebody else says it, or nobody reads any more.
    quiet: bool,
}

impl Failure {
    /// Makes a failure from a message.
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Self {
            exit_code: status.code(),
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            quiet: false,
        }
    }

    /// Makes a failure from an error and its causes.
    pub fn of(status: ExitStatus, error: &(dyn Error + 'static)) -> Self {
        let mut causes = causes(error).map(ToString::to_string);
        let message = causes.next().unwrap_or_default();
        Self {
            causes: causes.collect(),
            ..Self::new(status, message)
        }
    }

    /// Makes a failure to write output: quiet when its reader has gone.
    pub fn writing(error: io::Error) -> Self {
        let failure = Self::of(ExitStatus::Failed, &error);
        if error.kind() == io::ErrorKind::BrokenPipe {
            let exit_code = 0;
            Self {
                exit_code,
                ..failure
            }
            .already_said()
        } else {
            failure
        }
    }

    /// Leaves nothing to say but the exit code.
    #[must_use]
    pub fn already_said(self) -> Self {
        Self {
            quiet: true,
            ..self
        }
    }

    /// Makes a failure from what a server, or the rules without one, refuse.
    pub fn refused(code: &str, message: String, candidates: &[String]) -> Self {
        let failure = Self::new(ExitStatus::Failed, message);
        match code {
            "AMBIGUOUS_ID" => failure.hint(format!("it could be {}", candidates.join(", "))),
            "SESSION_ALIVE" => {
                failure.hint("leave the shell, or close it on paper with `end-session --force`")
            }
            "SESSION_NOT_FOUND" => {
                failure.hint("`session-buddy list-sessions` shows what there is")
            }
            "TOKEN_REQUIRED" | "TOKEN_INVALID" | "TOKEN_EXPIRED" | "TOKEN_REVOKED" => {
                failure.hint("set SESSION_BUDDY_TOKEN or SESSION_BUDDY_SECRET, or use the server's socket as its user")
            }
            _ => failure,
        }
    }

    /// Adds an error and its causes as causes.
    #[must_use]
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        self.causes.extend(causes(error).map(ToString::to_string));
        self
    }

    /// Adds what is wrong, one thing a line.
    #[must_use]
    pub fn listing(mut self, problems: impl IntoIterator<Item = String>) -> Self {
        self.causes.extend(problems);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do about what the system or the database refuses.
    #[must_use]
    pub fn hint_for(self, error: &(dyn Error + 'static)) -> Self {
        match causes(error).find_map(hint_for) {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Prints the failure and gives its exit code.
    pub fn report(self) -> ExitCode {
        if self.quiet {
            return self.exit_code.into();
        }
        eprintln!("error: {}", for_line(&self.message));
        for cause in &self.causes {
            eprintln!("caused by: {}", for_line(cause));
        }
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", for_line(hint));
        }
        self.exit_code.into()
    }

    /// Gives what failed and why.
    pub(super) fn in_a_line(&self) -> String {
        let parts = std::iter::once(&*self.message).chain(self.causes.iter().map(String::as_str));
        parts.collect::<Vec<_>>().join(": ")
    }

    /// Gives the failure for the process that started this one in the background, which says it in its place.
    pub(super) fn to_refusal(&self) -> Refusal {
        Refusal {
            exit_code: self.exit_code,
            message: self.message.clone(),
            causes: self.causes.clone(),
            hint: self.hint.clone(),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            exit_code: refusal.exit_code,
            message: refusal.message,
            causes: refusal.causes,
            hint: refusal.hint,
            quiet: false,
        }
    }
}

/// Tells whether the system refused for want of permission.
pub(super) fn is_permission(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    })
}

fn hint_for(error: &(dyn Error + 'static)) -> Option<&'static str> {
    // These speak with the voice of the error inside, so it is not among their causes.
    if let Some(SettingsError::StateFolder(inside)) = error.downcast_ref() {
        return hint_for(inside);
    }
    if let Some(StartError::StateFolder(inside)) = error.downcast_ref() {
        return hint_for(inside);
    }
    if let Some(error) = error.downcast_ref::<OpenError>() {
        return match error {
            OpenError::Locked => {
                Some("the server that holds it is starting or stopping; try again")
            }
            OpenError::Busy => Some(
                "end what reads it, such as a long `verify` or an open `sqlite3`, and try again",
            ),
            OpenError::Foreign => Some("name another file with --db-path, or move this one away"),
            OpenError::Newer { .. } => Some("install a newer session-buddy"),
            OpenError::ChangedMigration { .. } => {
                Some("use the session-buddy that made it, or a backup")
            }
            OpenError::Damaged { .. } => Some(
                "put a backup in its place, or move it away with its -wal and -shm to begin anew; what shells report waits \
                 in their spool, and `session-buddy verify` looks at the whole record",
            ),
            OpenError::File { .. }
            | OpenError::Place(_)
            | OpenError::Write(_)
            | OpenError::Database(_) => None,
        };
    }
    if let Some(error) = error.downcast_ref::<StateFolderError>() {
        return match error {
            StateFolderError::NotAFolder(_) => {
                Some("move it away, or name a folder of your own with SESSION_BUDDY_HOME")
            }
            // Their messages, or their causes, say it.
            StateFolderError::Relative(_)
            | StateFolderError::NoHome(_)
            | StateFolderError::NotOurs { .. }
            | StateFolderError::Io { .. } => None,
        };
    }
    if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
        return match error.sqlite_error_code()? {
            rusqlite::ErrorCode::DiskFull => {
                Some("make room on the disk, or name a file elsewhere with --db-path")
            }
            rusqlite::ErrorCode::SystemIoFailure => {
                Some("look at the disk: it is full, read-only or failing")
            }
            rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen => {
                Some("give its owner the right to write the file and its folder")
            }
            rusqlite::ErrorCode::DatabaseCorrupt => {
                Some("`session-buddy verify` names the first difference; use a backup")
            }
            _ => None,
        };
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::PermissionDenied => {
            Some("run it as the owner, or name a place of your own with SESSION_BUDDY_HOME")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some("make room on the disk, or name another place with SESSION_BUDDY_HOME")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("name a place that can be written with SESSION_BUDDY_HOME")
        }
        io::ErrorKind::NotFound => Some("make the folder first, or name another place"),
        io::ErrorKind::AddrInUse => {
            Some("stop what listens there, or choose another port with --port")
        }
        _ => None,
    }
}

impl From<ReaderError> for Failure {
    fn from(error: ReaderError) -> Self {
        match &error {
            ReaderError::Connection(ConnectionError::Unreachable { .. }) => {
                Self::of(ExitStatus::Unreachable, &error).hint(START_A_SERVER)
            }
            ReaderError::Refused(problem) => {
                let Problem {
                    code,
                    detail,
                    candidates,
                    errors,
                    ..
                } = &**problem;
                // One thing that is wrong is all that the detail says.
                let several = errors.iter().map(ToString::to_string);
                let several = several.filter(|error| !detail.contains(error.as_str()));
                Self::refused(code, detail.clone(), candidates).listing(several)
            }
            ReaderError::Connection(
                ConnectionError::Stranger { .. } | ConnectionError::Broken { .. },
            )
            | ReaderError::Foreign { .. }
            | ReaderError::Credential(_) => Self::of(ExitStatus::Failed, &error),
        }
    }
}
