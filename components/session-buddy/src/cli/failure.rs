//! How a command says that it failed.

use std::{error::Error, io, process::ExitCode};

use anstream::eprintln;
use session_client::ReaderError;
use session_model::escape::for_line;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// The request failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// There is no server, and no database to look at; or of `mcp`: a server runs already.
    Unreachable = 3,
    /// Of `mcp`: the configuration or the database is wrong.
    Configuration = 5,
    /// Of `mcp`: the system refuses.
    Permission = 6,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

/// What failed, its causes, and what to do.
#[derive(Debug)]
pub struct Failure {
    status: ExitStatus,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// Nobody reads any more: no failure at all.
    quiet: bool,
}

impl Failure {
    /// Makes a failure from a message.
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            quiet: false,
        }
    }

    /// Makes a failure from an error and its causes.
    pub fn of(status: ExitStatus, error: &dyn Error) -> Self {
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        Self {
            causes,
            ..Self::new(status, error.to_string())
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do, unless that was said already.
    #[must_use]
    pub fn hint_if_none(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Prints the failure and gives its exit code.
    pub fn report(self) -> ExitCode {
        if self.quiet {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {}", for_line(&self.message));
        for cause in &self.causes {
            eprintln!("caused by: {}", for_line(cause));
        }
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", for_line(hint));
        }
        self.status.into()
    }
}

impl From<io::Error> for Failure {
    /// A failure to write: quiet when the reader has gone.
    fn from(error: io::Error) -> Self {
        let quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Self {
            quiet,
            ..Self::of(ExitStatus::Failed, &error)
        }
    }
}

impl From<ReaderError> for Failure {
    fn from(error: ReaderError) -> Self {
        match &error {
            ReaderError::Unreachable { .. } => Self::of(ExitStatus::Unreachable, &error)
                .hint("start a server with `session-buddy mcp start --foreground`"),
            ReaderError::Refused(problem) => {
                let failure = Self::new(ExitStatus::Failed, problem.detail.clone());
                match problem.code.as_str() {
                    "AMBIGUOUS_ID" => {
                        failure.hint(format!("it could be {}", problem.candidates.join(", ")))
                    }
                    "SESSION_ALIVE" => failure
                        .hint("leave the shell, or close it on paper with `end-session --force`"),
                    "SESSION_NOT_FOUND" => {
                        failure.hint("`session-buddy list-sessions` shows what there is")
                    }
                    _ => failure,
                }
            }
            ReaderError::Stranger { .. }
            | ReaderError::Broken { .. }
            | ReaderError::Foreign { .. } => Self::of(ExitStatus::Failed, &error),
        }
    }
}
