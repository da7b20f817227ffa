//! What a runner puts down of its workflow, and what others do about it: wish that it stops, notice that it is gone, forget it.

use std::{fs, io};

use rusqlite::{OptionalExtension, TransactionBehavior, params};
use session_model::Timestamp;

use super::{Store, StoreError, add_error};
use crate::{
    process::Life,
    record::{JobStatus, Status, Workflow},
};

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

impl Store {
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
}
