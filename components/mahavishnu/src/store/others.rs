//! What other systems run, as they tell it, and what is told of all.

use rusqlite::{OptionalExtension, TransactionBehavior, params};
use session_model::Timestamp;

use super::{Store, StoreError, add_error, rows};
use crate::record::Status;

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
