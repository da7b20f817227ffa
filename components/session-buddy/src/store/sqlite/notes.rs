//! What is written beside the record: what heartbeats fed, and which processes are watched.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use session_model::{Counters, SessionId, fold::Vitals, record::began};

use super::{
    rollup,
    row::{Cell, cell, chain_of},
};
use crate::{
    analytics::Facts,
    store::{Cursor, Note, OpenSession, Page, Watched},
};

/// The facts first.
const VITALS: &str = "
    SELECT start_time, component_name, session_type, username, status, duration_seconds, quality_score, error_occurred,
           error_message, command_count, error_count, start_record
      FROM sessions WHERE session_id = ?1 AND status = 'active'";

const FEED: &str = "
    UPDATE sessions
       SET last_seen = ?2, lease_expires_at = ?3, command_count = ?4, error_count = ?5, error_message = ?6,
           error_occurred = coalesce(?5, 0) > 0
     WHERE session_id = ?1 AND status = 'active'";

const WATCH: &str = "
    INSERT OR REPLACE INTO watched (session_id, host_id, boot_id, pid_namespace, pid, start_ticks, pidfd_inode)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
     WHERE EXISTS (SELECT 1 FROM sessions WHERE session_id = ?1 AND status = 'active')";

const UNWATCH: &str = "DELETE FROM watched WHERE session_id = ?1";

/// A session of which heartbeats said more than was counted.
pub(super) struct Fed {
    pub(super) id: SessionId,
    /// The chain that has its start.
    pub(super) chain: i64,
    pub(super) before: Facts,
    pub(super) now: Facts,
}

/// Writes a note, and gives what it changes of what is counted. What is no longer open is left as it is: its record says
/// all.
pub(super) fn write(transaction: &Transaction<'_>, note: Note) -> rusqlite::Result<Option<Fed>> {
    match note {
        Note::Fed(id, vitals) => return feed(transaction, id, vitals),
        Note::Watched(id, watched) => {
            let values = params![
                id.as_str(),
                watched.host_id,
                watched.boot_id,
                watched.pid_namespace,
                watched.pid,
                watched.start_ticks,
                watched.pidfd_inode
            ];
            transaction.prepare_cached(WATCH)?.execute(values)?;
        }
        Note::Unwatched(id) => {
            transaction
                .prepare_cached(UNWATCH)?
                .execute([id.as_str()])?;
        }
    }
    Ok(None)
}

fn feed(
    transaction: &Transaction<'_>,
    id: SessionId,
    vitals: Vitals,
) -> rusqlite::Result<Option<Fed>> {
    let found = transaction
        .prepare_cached(VITALS)?
        .query_row([id.as_str()], |row| {
            let counters = Counters {
                command_count: row.get(9)?,
                error_count: row.get(10)?,
                last_error: row.get(8)?,
            };
            let chain = chain_of(row.get(11)?);
            Ok((rollup::facts(row)?, counters, chain))
        })
        .optional()?;
    let Some((counted, before, chain)) = found else {
        return Ok(None);
    };
    let Counters {
        command_count,
        error_count,
        last_error,
    } = before.join(vitals.counters);
    let values = params![
        id.as_str(),
        vitals.last_seen.into_cell(),
        vitals.lease_expires_at.into_cell(),
        command_count,
        error_count,
        last_error
    ];
    transaction.prepare_cached(FEED)?.execute(values)?;
    let now = Facts {
        failed: error_count.is_some_and(|count| count > 0),
        error: last_error,
        ..counted.clone()
    };
    Ok(Some(Fed {
        id,
        chain,
        before: counted,
        now,
    }))
}

const CLEAR: &str = "
    DELETE FROM watched
     WHERE session_id NOT IN (SELECT session_id FROM sessions WHERE status = 'active')";

/// Clears away notes of processes whose sessions were closed by a server that then had no time for it.
pub(super) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(CLEAR, []).map(drop)
}

/// Uses `sessions_active`.
const OPEN: &str = "
    SELECT session_id, start_time, sessions.pid, heartbeat_interval_seconds, last_seen,
           origin_transport, sessions.boot_id, sessions.pid_namespace, sessions.start_ticks, sessions.pidfd_inode,
           watched.host_id, watched.boot_id, watched.pid_namespace, watched.pid, watched.start_ticks, watched.pidfd_inode,
           origin_address, created_at, skew_seconds
      FROM sessions LEFT JOIN watched USING (session_id)
     WHERE status = 'active' AND start_time >= ?1 AND (start_time, session_id) > (?1, ?2)
     ORDER BY start_time, session_id LIMIT ?3";

/// Gives sessions that are open, oldest first.
pub(super) fn open(
    connection: &Connection,
    after: Option<&Cursor>,
    limit: usize,
) -> rusqlite::Result<Page<OpenSession>> {
    let (start_time, session_id) = after.map_or_else(Default::default, |after| {
        (after.start_time.to_string(), after.session_id.clone())
    });
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(OPEN)?;
    let rows = statement.query_map(params![start_time, session_id, limit], |row| {
        let id: String = row.get(0)?;
        let next = Cursor {
            start_time: cell(row, 1)?,
            session_id: id.clone(),
        };
        let process = Watched {
            host_id: None,
            boot_id: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
            pid_namespace: row.get::<_, Option<i64>>(7)?.unwrap_or_default(),
            pid: row.get(2)?,
            start_ticks: row.get::<_, Option<i64>>(8)?.unwrap_or_default(),
            pidfd_inode: row.get(9)?,
        };
        let watched = match row.get::<_, Option<String>>(11)? {
            None => None,
            Some(boot_id) => Some(Watched {
                host_id: row.get(10)?,
                boot_id,
                pid_namespace: row.get(12)?,
                pid: row.get(13)?,
                start_ticks: row.get(14)?,
                pidfd_inode: row.get(15)?,
            }),
        };
        let session = OpenSession {
            id: id.parse::<SessionId>().map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(
                    0,
                    rusqlite::types::Type::Text,
                    error.to_string().into(),
                )
            })?,
            heartbeat_interval_seconds: row.get(3)?,
            since: began(next.start_time, cell(row, 17)?, row.get(18)?),
            last_seen: cell(row, 4)?,
            transport: cell(row, 5)?,
            address: row.get(16)?,
            claimed: (!process.boot_id.is_empty()).then_some(process),
            watched,
        };
        Ok((session, next))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = i64::try_from(rows.len()) == Ok(limit);
    let next = rows.last().filter(|_| more).map(|(_, next)| next.clone());
    Ok(Page {
        sessions: rows.into_iter().map(|(session, _)| session).collect(),
        next,
        total: None,
    })
}

/// Components by when their first session came. What is open is found with `sessions_active`, which has few of all.
const COUNT_OPEN: &str = "
    SELECT component_name, coalesce(open, 0)
      FROM (SELECT component_name, min(series) AS first FROM series GROUP BY component_name)
      LEFT JOIN (SELECT component_name, count(*) AS open FROM sessions INDEXED BY sessions_active
                  WHERE status = 'active' GROUP BY component_name)
           USING (component_name)
     ORDER BY first";

/// Gives all components, and how many of their sessions are open.
pub(super) fn count_open(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut statement = connection.prepare(COUNT_OPEN)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
