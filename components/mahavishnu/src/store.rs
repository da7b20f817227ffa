//! What all processes know of all workflows: one SQLite database, `workflows.db` in the state folder, the owner's only.
//!
//! It is in WAL mode, so that whoever looks never waits for who runs. `synchronous=NORMAL` loses at most the last moments
//! when the machine itself stops; then each runner is gone too, and its workflow is marked as crashed whatever they were.

mod opening;
mod others;
mod rows;
mod runs;

use std::{io, path::PathBuf};

use rusqlite::{Connection, params};
use session_model::Timestamp;

pub(crate) use opening::make_folder;
pub(crate) use others::{Change, Remote};
pub(crate) use runs::Ended;

use crate::record::{Job, JobStatus, Problem, Status, Workflow};

/// Why the state is not known, or cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no place for it.
    #[error(
        "there is no place for the state: neither MAHAVISHNU_HOME nor HOME is an absolute path"
    )]
    Nowhere,
    /// The system refuses.
    #[error("could not use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The database was written by a newer version.
    #[error("{} was written by a newer version", .0.display())]
    Newer(PathBuf),
    /// There is no such workflow.
    #[error("there is no workflow {0}")]
    NotFound(String),
    /// Several are meant.
    #[error("{asked} is the beginning of several: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Those that may be meant.
        candidates: Vec<String>,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
}

/// The state of all workflows.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    folder: PathBuf,
}

impl Store {
    /// Gives the folder for the logs of a workflow.
    pub fn logs_of(&self, id: &str) -> PathBuf {
        self.folder.join("logs").join(id)
    }

    /// Gives workflows, the newest first, without what came of their steps.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn list(&self, status: Option<Status>, limit: usize) -> Result<Vec<Workflow>, StoreError> {
        rows::workflows(&self.connection, status, limit)
    }

    /// Gives a workflow with all that is known of it. `asked` is an id, the beginning of one, or of its last part.
    ///
    /// # Errors
    ///
    /// There is none, there are several, or the database fails.
    pub fn find(&self, asked: &str) -> Result<Workflow, StoreError> {
        rows::find(&self.connection, asked)
    }

    /// Gives what went wrong, the newest first.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn errors(&self, limit: usize) -> Result<Vec<Problem>, StoreError> {
        rows::errors(&self.connection, None, limit)
    }

    /// Counts the errors of a workflow.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn count_errors(&self, id: &str) -> Result<usize, StoreError> {
        let count = "SELECT count(*) FROM errors WHERE workflow_id = ?1";
        Ok(self
            .connection
            .query_row(count, params![id], |row| row.get(0))?)
    }

    /// Gives what runs of a workflow: steps with their repositories.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn running_jobs(&self, id: &str) -> Result<Vec<Job>, StoreError> {
        let mut jobs = rows::jobs(&self.connection, id)?;
        jobs.retain(|job| job.status == JobStatus::Running);
        Ok(jobs)
    }
}

fn add_error(
    connection: &Connection,
    id: &str,
    message: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO errors (workflow_id, message, timestamp) VALUES (?1, ?2, ?3)",
        params![id, message, now.to_string()],
    )?;
    Ok(())
}
