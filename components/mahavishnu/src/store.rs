//! What all processes know of all workflows: one SQLite database, `workflows.db` in the state folder, the owner's only.
//!
//! It is in WAL mode, so that whoever looks never waits for who runs. `synchronous=NORMAL` loses at most the last moments
//! when the machine itself stops; then each runner is gone too, and its workflow is marked as crashed whatever they were.

mod rows;

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use session_model::Timestamp;

use crate::{
    process::Life,
    project::state_folder,
    record::{Job, JobStatus, Problem, Status, Workflow},
};

/// How long a connection waits for another one's lock: a commit takes some milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The version of the schema.
const VERSION: i64 = 1;
/// Times are RFC 3339 texts of one width, so that their order is that of time. `told_status` is what the last `sync` has
/// told of a workflow.
const SCHEMA: &str = "
CREATE TABLE workflows (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'interrupted', 'crashed')),
    task TEXT NOT NULL,
    repos TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    progress REAL,
    adapter TEXT NOT NULL,
    remote_id TEXT UNIQUE,
    tag TEXT,
    session_id TEXT,
    runner_pid INTEGER,
    runner_start_ticks INTEGER,
    runner_boot_id TEXT,
    runner_namespace TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    told_status TEXT
) STRICT;
CREATE INDEX workflows_by_time ON workflows (created_at);
CREATE INDEX workflows_open ON workflows (status) WHERE status IN ('pending', 'running');
CREATE TABLE jobs (
    workflow_id TEXT NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    step TEXT NOT NULL,
    repository TEXT,
    status TEXT NOT NULL CHECK (status IN
        ('pending', 'running', 'completed', 'failed', 'timed_out', 'skipped', 'interrupted', 'crashed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    started_at TEXT,
    ended_at TEXT,
    log TEXT NOT NULL,
    PRIMARY KEY (workflow_id, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE errors (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    timestamp TEXT NOT NULL
) STRICT;
CREATE INDEX errors_by_time ON errors (timestamp);
CREATE INDEX errors_by_workflow ON errors (workflow_id);
";

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

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Where it stands now.
    pub status: JobStatus,
    /// With what it exited.
    pub exit_code: Option<i32>,
    /// What went wrong.
    pub error: Option<String>,
}

/// What another system says of a workflow that it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its id here.
    pub id: String,
    /// Its id there.
    pub remote_id: String,
    /// Which adapter told it.
    pub adapter: &'static str,
    /// What was run.
    pub task: String,
    /// Where it stands.
    pub status: Status,
    /// When it was made, as RFC 3339.
    pub created_at: Timestamp,
    /// When it changed.
    pub updated_at: Timestamp,
    /// What went wrong.
    pub error: Option<String>,
}

/// A workflow whose status is another one than was last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub id: String,
    /// What was run.
    pub task: String,
    /// Who runs it.
    pub adapter: String,
    /// What was told of it; none if it is new.
    pub before: Option<String>,
    /// What it is now.
    pub after: String,
}

impl Store {
    /// Opens the store of this user, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// There is no place for it, or what is there cannot be used.
    pub fn of_this_user() -> Result<Self, StoreError> {
        Self::open(&state_folder().ok_or(StoreError::Nowhere)?)
    }

    /// Opens the store in a folder, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// What is there cannot be used.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_folder(folder)?;
        let path = folder.join("workflows.db");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        file.map_err(|source| StoreError::Io {
            path: path.clone(),
            source,
        })?;
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        prepare(&mut connection, &path)?;
        Ok(Self {
            connection,
            folder: folder.to_owned(),
        })
    }

    /// Gives the folder for the logs of a workflow.
    pub fn logs_of(&self, id: &str) -> PathBuf {
        self.folder.join("logs").join(id)
    }

    /// Puts down a workflow that begins.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn begin(&mut self, workflow: &Workflow) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        let runner = workflow.runner.as_ref();
        transaction.execute(
            "INSERT INTO workflows (id, status, task, repos, created_at, updated_at, progress, adapter, tag, session_id,
                runner_pid, runner_start_ticks, runner_boot_id, runner_namespace)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                workflow.id,
                workflow.status.word(),
                workflow.task,
                serde_json::Value::from(workflow.repos.clone()).to_string(),
                workflow.created_at,
                workflow.updated_at,
                workflow.progress,
                workflow.adapter,
                workflow.tag,
                workflow.session_id,
                runner.map(|runner| runner.pid),
                runner.map(|runner| runner.start_ticks),
                runner.map(|runner| &runner.boot_id),
                runner.map(|runner| &runner.namespace),
            ],
        )?;
        for (place, job) in workflow.results.iter().enumerate() {
            transaction.execute(
                "INSERT INTO jobs (workflow_id, place, step, repository, status, log) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![workflow.id, place, job.step, job.repository, job.status.word(), job.log],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// Puts down that an attempt of a job begins.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn job_began(
        &mut self,
        id: &str,
        place: usize,
        attempt: u32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE jobs SET status = 'running', attempts = ?3, started_at = coalesce(started_at, ?4)
              WHERE workflow_id = ?1 AND place = ?2",
            params![id, place, attempt, now.to_string()],
        )?;
        transaction.execute(
            "UPDATE workflows SET updated_at = ?2 WHERE id = ?1",
            params![id, now.to_string()],
        )?;
        Ok(transaction.commit()?)
    }

    /// Puts down what came of a job, and how far the workflow is.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn job_ended(
        &mut self,
        id: &str,
        place: usize,
        ended: &Ended,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE jobs SET status = ?3, exit_code = ?4,
                    ended_at = CASE WHEN started_at IS NULL THEN NULL ELSE ?5 END
              WHERE workflow_id = ?1 AND place = ?2",
            params![
                id,
                place,
                ended.status.word(),
                ended.exit_code,
                now.to_string()
            ],
        )?;
        if let Some(error) = &ended.error {
            add_error(&transaction, id, error, now)?;
        }
        transaction.execute(
            "UPDATE workflows SET updated_at = ?2, progress = (
                SELECT 100.0 * sum(status IN ('completed', 'failed', 'timed_out')) / count(*) FROM jobs WHERE workflow_id = ?1)
              WHERE id = ?1",
            params![id, now.to_string()],
        )?;
        Ok(transaction.commit()?)
    }

    /// Puts down how a workflow ended.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn finish(&mut self, id: &str, status: Status, now: Timestamp) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE workflows SET status = ?2, updated_at = ?3 WHERE id = ?1 AND status = 'running'",
            params![id, status.word(), now.to_string()],
        )?;
        Ok(())
    }

    /// Marks the workflows whose runner is gone, and gives their ids.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn notice_crashed(&mut self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let mut gone = Vec::new();
        for workflow in self.list(Some(Status::Running), usize::MAX)? {
            let Some(runner) = workflow.runner.filter(|runner| runner.life() == Life::Gone) else {
                continue;
            };
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let marked = transaction.execute(
                "UPDATE workflows SET status = 'crashed', updated_at = ?2 WHERE id = ?1 AND status = 'running'",
                params![workflow.id, now.to_string()],
            )?;
            // Its end may have been put down in between, or another process was first.
            if marked == 0 {
                continue;
            }
            transaction.execute(
                "UPDATE jobs SET status = CASE status WHEN 'running' THEN 'crashed' ELSE 'skipped' END
                  WHERE workflow_id = ?1 AND status IN ('running', 'pending')",
                params![workflow.id],
            )?;
            let message = format!(
                "the runner (pid {}) is gone without a word; {} was last seen at {}",
                runner.pid, workflow.task, workflow.updated_at
            );
            add_error(&transaction, &workflow.id, &message, now)?;
            transaction.commit()?;
            gone.push(workflow.id);
        }
        Ok(gone)
    }

    /// Forgets what ran here, has ended and began before a time, with its logs, and gives its ids. What others run they keep
    /// themselves, and would be told anew.
    ///
    /// # Errors
    ///
    /// The database fails, or a log cannot be removed.
    pub fn prune(&mut self, before: Timestamp) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT id FROM workflows WHERE runner_pid IS NOT NULL AND status NOT IN ('pending', 'running')
                AND created_at < ?1 ORDER BY created_at",
        )?;
        let ids = statement.query_map(params![before.to_string()], |row| row.get(0))?;
        let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
        for id in &ids {
            // The logs first: with its row gone nobody would know them any more.
            let logs = self.logs_of(id);
            match fs::remove_dir_all(&logs) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::Io { path: logs, source });
                }
                Ok(()) | Err(_) => {}
            }
            self.connection
                .execute("DELETE FROM workflows WHERE id = ?1", params![id])?;
        }
        Ok(ids)
    }

    /// Asks the runner of a workflow to stop; tells whether it runs.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn request_cancel(&mut self, id: &str) -> Result<bool, StoreError> {
        let asked = self.connection.execute(
            "UPDATE workflows SET cancel_requested = 1 WHERE id = ?1 AND status = 'running' AND runner_pid IS NOT NULL",
            params![id],
        )?;
        Ok(asked == 1)
    }

    /// Tells whether somebody wants a workflow to stop.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn is_cancel_requested(&self, id: &str) -> Result<bool, StoreError> {
        let found = self.connection.query_row(
            "SELECT cancel_requested FROM workflows WHERE id = ?1",
            params![id],
            |row| row.get(0),
        );
        Ok(found.optional()?.unwrap_or(false))
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

    /// Puts down what another system says of its workflows.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn take_over(&mut self, remotes: &[Remote]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for remote in remotes {
            let before: Option<String> = transaction
                .query_row(
                    "SELECT status FROM workflows WHERE id = ?1",
                    params![remote.id],
                    |row| row.get(0),
                )
                .optional()?;
            transaction.execute(
                "INSERT INTO workflows (id, status, task, repos, created_at, updated_at, progress, adapter, remote_id)
                 VALUES (?1, ?2, ?3, '[]', ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (id) DO UPDATE SET
                    status = excluded.status, task = excluded.task, updated_at = excluded.updated_at,
                    progress = excluded.progress",
                params![
                    remote.id,
                    remote.status.word(),
                    remote.task,
                    remote.created_at.to_string(),
                    remote.updated_at.to_string(),
                    (remote.status == Status::Completed).then_some(100.0),
                    remote.adapter,
                    remote.remote_id,
                ],
            )?;
            if let Some(error) = remote
                .error
                .as_ref()
                .filter(|_| before.as_deref() != Some(remote.status.word()))
            {
                add_error(&transaction, &remote.id, error, remote.updated_at)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Gives the workflows whose status is another one than was last told, and counts them as told.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub fn tell_changes(&mut self) -> Result<Vec<Change>, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changes = rows::changes(&transaction)?;
        transaction.execute(
            "UPDATE workflows SET told_status = status WHERE told_status IS NOT status",
            [],
        )?;
        transaction.commit()?;
        Ok(changes)
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

/// Makes a folder that only its owner may look into.
pub(crate) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| StoreError::Io {
        path: folder.to_owned(),
        source,
    })
}

/// Makes the tables of a new database; several processes may do so at once.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    if version(connection)? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version(&transaction)? {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        _ => return Err(StoreError::Newer(path.to_owned())),
    }
    Ok(transaction.commit()?)
}
