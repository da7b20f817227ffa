//! From rows to what they mean.

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{Change, StoreError};
use crate::{
    process::Runner,
    record::{Job, JobStatus, Problem, Status, Workflow},
};

const COLUMNS: &str =
    "id, status, task, repos, created_at, updated_at, progress, adapter, tag, session_id,
    runner_pid, runner_start_ticks, runner_boot_id, runner_namespace";
/// How many ids are named where several are meant.
const CANDIDATES_MAX: usize = 5;

pub(super) fn workflows(
    connection: &Connection,
    status: Option<Status>,
    limit: usize,
) -> Result<Vec<Workflow>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {COLUMNS} FROM workflows WHERE ?1 IS NULL OR status = ?1 ORDER BY created_at DESC, id LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![status.map(Status::word), limit], workflow)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn find(connection: &Connection, asked: &str) -> Result<Workflow, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM workflows WHERE id = ?1");
    let exact = connection
        .query_row(&sql, params![asked], workflow)
        .optional()?;
    let mut found = match exact {
        Some(workflow) => workflow,
        None => begins_with(connection, asked)?,
    };
    found.results = jobs(connection, &found.id)?;
    found.errors = errors(connection, Some(&found.id), usize::MAX)?;
    // It stands around them.
    for error in &mut found.errors {
        error.workflow.clear();
    }
    Ok(found)
}

fn begins_with(connection: &Connection, asked: &str) -> Result<Workflow, StoreError> {
    let not_found = || StoreError::NotFound(asked.to_owned());
    if asked.is_empty() || !asked.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(not_found());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM workflows WHERE id GLOB ?1 || '*' OR (id GLOB 'wf-*' AND substr(id, 13) GLOB ?1 || '*')
          ORDER BY created_at DESC, id LIMIT {}",
        CANDIDATES_MAX
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![asked], workflow)?;
    let mut found: Vec<Workflow> = rows.collect::<Result<_, _>>()?;
    match found.len() {
        0 => Err(not_found()),
        1 => Ok(found.remove(0)),
        _ => Err(StoreError::Ambiguous {
            asked: asked.to_owned(),
            candidates: found.into_iter().map(|workflow| workflow.id).collect(),
        }),
    }
}

pub(super) fn jobs(connection: &Connection, id: &str) -> Result<Vec<Job>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT step, repository, status, attempts, exit_code, started_at, ended_at, log
           FROM jobs WHERE workflow_id = ?1 ORDER BY place",
    )?;
    let rows = statement.query_map(params![id], |row| {
        Ok(Job {
            step: row.get(0)?,
            repository: row.get(1)?,
            status: word(row, 2, JobStatus::of_word)?,
            attempts: row.get(3)?,
            exit_code: row.get(4)?,
            started_at: row.get(5)?,
            ended_at: row.get(6)?,
            log: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn errors(
    connection: &Connection,
    id: Option<&str>,
    limit: usize,
) -> Result<Vec<Problem>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT message, timestamp, workflow_id FROM errors WHERE ?1 IS NULL OR workflow_id = ?1
          ORDER BY timestamp DESC, number DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![id, limit], |row| {
        Ok(Problem {
            message: row.get(0)?,
            timestamp: row.get(1)?,
            workflow: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn changes(connection: &Connection) -> Result<Vec<Change>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, task, adapter, told_status, status FROM workflows WHERE told_status IS NOT status
          ORDER BY updated_at, id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Change {
            id: row.get(0)?,
            task: row.get(1)?,
            adapter: row.get(2)?,
            before: row.get(3)?,
            after: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn workflow(row: &Row<'_>) -> rusqlite::Result<Workflow> {
    let repos: String = row.get(3)?;
    let pid: Option<u32> = row.get(10)?;
    Ok(Workflow {
        id: row.get(0)?,
        status: word(row, 1, Status::of_word)?,
        task: row.get(2)?,
        repos: serde_json::from_str(&repos).unwrap_or_default(),
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
        progress: row.get(6)?,
        results: Vec::new(),
        errors: Vec::new(),
        adapter: row.get(7)?,
        tag: row.get(8)?,
        session_id: row.get(9)?,
        runner: match pid {
            Some(pid) => Some(Runner {
                pid,
                start_ticks: row.get(11)?,
                boot_id: row.get(12)?,
                namespace: row.get(13)?,
            }),
            None => None,
        },
    })
}

fn word<T>(row: &Row<'_>, place: usize, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let word: String = row.get(place)?;
    read(&word).ok_or_else(|| {
        let problem = format!("unknown word {word}").into();
        rusqlite::Error::FromSqlConversionFailure(place, Type::Text, problem)
    })
}
