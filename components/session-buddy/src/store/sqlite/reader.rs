//! The questions that a store answers, and the connections on which it does.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};
use session_model::{Act, ActName, ActRecord, SessionFilter, SessionId, SessionStatus, Timestamp};
use tokio::sync::Semaphore;
use tracing::{error, warn};

use super::{
    chain_of_causes, connection, payload,
    place::Place,
    row::{COLUMNS, Cell, Row, corrections},
    search::Finder,
    writing::{instant, read_record},
};
use crate::store::{
    ActCursor, ActPage, ActQuery, Cursor, FailureKind, ListQuery, Page, StoreError, StoreFuture,
    Stored, Witness, ledger,
};

/// The most questions at once, each on a connection of its own. More wait.
const CONNECTIONS: usize = 4;

/// The most components whose sessions are looked up apart; nobody types more, and each costs a page.
const APART_MAX: usize = 16;

/// Connections for reading.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    /// Where a writer has the database open; a new connection must not come to another one.
    place: Option<Arc<Place>>,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
    witness: Arc<dyn Witness>,
}

impl Readers {
    /// Reads beside a writer.
    pub(super) fn beside(place: Arc<Place>, witness: Arc<dyn Witness>) -> Self {
        let path = place.path().to_owned();
        Self {
            place: Some(place),
            witness,
            ..Self::alone(path)
        }
    }

    /// Reads a database that nobody may be writing.
    pub(super) fn alone(path: PathBuf) -> Self {
        Self {
            path,
            place: None,
            idle: Mutex::new(Vec::new()),
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            witness: Arc::new(()),
        }
    }

    /// Asks a question on a thread that may block.
    pub(super) fn read<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> StoreFuture<'static, T> {
        let readers = Arc::clone(self);
        Box::pin(async move {
            let place = Arc::clone(&readers.places)
                .acquire_owned()
                .await
                .map_err(|_| StoreError::Stopping)?;
            let witness = Arc::clone(&readers.witness);
            let answer = tokio::task::spawn_blocking(move || {
                let connection = readers.take().map_err(|error| unavailable(&error))?;
                let answer = question(&connection).map_err(|error| unavailable(&error))?;
                readers.put_back(connection);
                drop(place);
                Ok(answer)
            });
            let answer = answer.await.map_err(|error| unavailable(&error));
            let answer = answer.and_then(std::convert::identity);
            answer.inspect_err(|_| witness.failed(FailureKind::Read))
        })
    }

    fn take(&self) -> Result<Connection, super::OpenError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        if let Some(place) = &self.place {
            place.check()?;
        }
        connection::read_only(&self.path)
    }

    pub(super) fn put_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.places.is_closed() {
            idle.push(connection);
        }
    }

    pub(super) fn close(&self) {
        self.places.close();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> StoreError {
    let failure = chain_of_causes(error);
    warn!("A question to the database failed: {failure}");
    StoreError::Unavailable(failure)
}

/// Gives a session.
pub(super) fn get(connection: &Connection, id: &SessionId) -> rusqlite::Result<Option<Stored>> {
    let sql = format!(
        "SELECT {} FROM sessions WHERE session_id = ?1",
        COLUMNS.join(", ")
    );
    let row = connection
        .prepare_cached(&sql)?
        .query_row([id.as_str()], Row::read)
        .optional()?;
    Ok(row.map(Row::into_stored))
}

/// Conditions of a query and what is bound to their places.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) sql: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// Gives the conditions of a filter; `now` is by what time the length of an active session is judged.
    pub(super) fn of(filter: &SessionFilter, now: Timestamp) -> Self {
        let mut conditions = Self::default();
        conditions.one_of("session_type", &filter.session_type);
        conditions.one_of("component_name", &filter.component);
        conditions.one_of("username", &filter.user);
        match filter.status.as_slice() {
            [status] => conditions.status(*status),
            several => conditions.one_of("status", several),
        }
        if filter.incomplete {
            conditions.status(SessionStatus::Active);
        }
        if let Some(after) = filter.after {
            conditions.add("start_time >= ?", [after.into_cell()]);
        }
        if let Some(before) = filter.before {
            conditions.add("start_time < ?", [before.into_cell()]);
        }
        if let Some(seconds) = filter.duration_greater {
            // Of an active session as `SessionRecord::as_of` has it, to the millisecond that SQLite's clock knows:
            // since receipt of its start, plus its age at receipt.
            conditions.add(
                "coalesce(duration_seconds, CAST(
                     max(0, (julianday(?) - julianday(created_at)) * 86400)
                   + max(0, (julianday(created_at) - julianday(start_time)) * 86400 - coalesce(skew_seconds, 0))
                 AS INTEGER)) > ?",
                [now.into_cell(), seconds.into_cell()],
            );
        }
        conditions
    }

    /// Requires a place behind another one.
    pub(super) fn after(&mut self, after: Option<&Cursor>) {
        self.behind("start_time", after);
    }

    /// The same of a column, or of an expression for it that no index has.
    pub(super) fn behind(&mut self, start_time_column: &str, after: Option<&Cursor>) {
        if let Some(Cursor {
            start_time,
            session_id,
        }) = after
        {
            let place = [start_time.into_cell(), session_id.clone().into_cell()];
            self.add(
                &format!("({start_time_column}, session_id) < (?, ?)"),
                place,
            );
        }
    }

    /// As text, so that a partial index fits.
    fn status(&mut self, status: SessionStatus) {
        self.sql.push(format!("status = '{status}'"));
    }

    pub(super) fn add(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql.to_owned());
        self.values.extend(values);
    }

    pub(super) fn one_of(&mut self, column: &str, values: &[impl ToString]) {
        if !values.is_empty() {
            let places = vec!["?"; values.len()].join(", ");
            self.add(
                &format!("{column} IN ({places})"),
                values.iter().map(|value| Value::Text(value.to_string())),
            );
        }
    }

    pub(super) fn clause(&self) -> String {
        if self.sql.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.sql.join(" AND "))
        }
    }
}

/// Gives sessions, newest first.
pub(super) fn list(connection: &Connection, query: &ListQuery) -> rusqlite::Result<Page> {
    // One moment, whatever is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    // One more than asked for tells whether there is another page.
    let most = query.limit.saturating_add(1);
    let (mut sessions, total) = match Finder::of(&snapshot, query)? {
        Some(finder) => by_words(&snapshot, &finder, query, most)?,
        None => by_filters(&snapshot, query, most)?,
    };
    let more = sessions.len() > query.limit;
    sessions.truncate(query.limit);
    let next = sessions.last().filter(|_| more).map(|last| Cursor {
        start_time: last.record.start_time,
        session_id: last.record.session_id.clone(),
    });
    let all_here = query.after.is_none() && !more;
    let total = total.or_else(|| all_here.then_some(sessions.len() as u64));
    Ok(Page {
        sessions,
        next,
        total,
    })
}

/// Sessions, and how many match in all where that was asked for.
type Listed = (Vec<Stored>, Option<u64>);

fn by_words(
    snapshot: &Connection,
    finder: &Finder<'_>,
    query: &ListQuery,
    most: usize,
) -> rusqlite::Result<Listed> {
    let mut total = query.count.then_some(0);
    if let Some(total) = &mut total {
        finder.walk(None, &mut |_| {
            *total += 1;
            ControlFlow::Continue(())
        })?;
    }
    let mut found = Vec::new();
    finder.walk(query.after.as_ref(), &mut |key| {
        found.push(key.row);
        if found.len() == most {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    let sql = format!(
        "SELECT {} FROM sessions WHERE rowid = ?1",
        COLUMNS.join(", ")
    );
    let mut one = snapshot.prepare_cached(&sql)?;
    let sessions = found
        .into_iter()
        .map(|row| one.query_row([row], Row::read).map(Row::into_stored))
        .collect::<rusqlite::Result<_>>()?;
    Ok((sessions, total))
}

fn by_filters(snapshot: &Connection, query: &ListQuery, most: usize) -> rusqlite::Result<Listed> {
    let total = if query.count {
        let conditions = Conditions::of(&query.filter, query.now);
        Some(count(snapshot, &conditions)?)
    } else {
        None
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let (mut parts, mut values) = (Vec::new(), Vec::new());
    for filter in in_order(&query.filter) {
        let mut conditions = Conditions::of(&filter, query.now);
        conditions.after(query.after.as_ref());
        parts.push(format!(
            "SELECT {} FROM sessions {} {NEWEST_FIRST}",
            COLUMNS.join(", "),
            conditions.clause()
        ));
        values.extend(conditions.values.into_iter().chain([most.into_cell()]));
    }
    let sql = if let [part] = parts.as_slice() {
        part.clone()
    } else {
        values.push(most.into_cell());
        let parts: Vec<_> = parts
            .iter()
            .map(|part| format!("SELECT * FROM ({part})"))
            .collect();
        format!("{} {NEWEST_FIRST}", parts.join(" UNION ALL "))
    };
    let mut statement = snapshot.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), Row::read)?;
    let sessions = rows
        .map(|row| row.map(Row::into_stored))
        .collect::<rusqlite::Result<_>>()?;
    Ok((sessions, total))
}

const NEWEST_FIRST: &str = "ORDER BY start_time DESC, session_id DESC LIMIT ?";

/// Gives filters that together leave what one leaves, each of which an index has in order: of several components, as of one
/// that is spelled in two ways, all sessions would be sorted for a page of them.
fn in_order(filter: &SessionFilter) -> Vec<SessionFilter> {
    let components: BTreeSet<_> = filter.component.iter().collect();
    if !(2..=APART_MAX).contains(&components.len()) {
        return vec![filter.clone()];
    }
    let each = components.into_iter().map(|component| SessionFilter {
        component: vec![component.clone()],
        ..filter.clone()
    });
    each.collect()
}

fn count(connection: &Connection, conditions: &Conditions) -> rusqlite::Result<u64> {
    let sql = format!("SELECT count(*) FROM sessions {}", conditions.clause());
    connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(&conditions.values), |row| row.get(0))
}

/// Scans the index, which has few of all records, and sorts what it finds.
const ACTS: &str = concat!(
    "
    SELECT record, ledger.seq, kind, session_id, received_at, payload
      FROM ledger INDEXED BY ledger_corrections JOIN ledger_payload USING (record)
     WHERE ",
    corrections!(),
    " AND kind IN ('admin', 'closed') AND record < ?1
  ORDER BY record DESC"
);

/// Gives acts and closures by hand, newest first.
pub(super) fn acts(connection: &Connection, query: &ActQuery) -> rusqlite::Result<ActPage> {
    let before = query.before.map_or(i64::MAX, |ActCursor(record)| record);
    let mut statement = connection.prepare_cached(ACTS)?;
    let mut rows = statement.query([before])?;
    let (mut acts, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let Some(act) = act(row)? else { continue };
        if acts.len() == query.limit {
            return Ok(ActPage { acts, next: last });
        }
        last = Some(ActCursor(row.get(0)?));
        acts.push(act);
    }
    Ok(ActPage { acts, next: None })
}

/// Reads a row of [`ACTS`]; none where it is no act of a person. `verify` tells of those that cannot be read.
fn act(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<ActRecord>> {
    let (seq, kind, received_at) = (row.get(1)?, row.get_ref(2)?.as_str()?, row.get(4)?);
    let payload = payload::read(row, 5)?;
    if kind == ledger::ADMIN {
        let act = Act::from_payload(instant(received_at), &payload);
        return Ok(act.ok().map(|act| ActRecord::of(seq, act)));
    }
    let id: String = row.get(3)?;
    let (Ok(id), Ok(Some(closure))) = (id.parse(), read_record(kind, received_at, &payload)) else {
        return Ok(None);
    };
    Ok(ActRecord::of_closure(seq, &id, closure))
}

/// Uses `ledger_corrections`: what is about no session is an act.
const ACTS_OF_NO_SESSION: &str = concat!(
    "
    SELECT received_at, payload
      FROM ledger INDEXED BY ledger_corrections JOIN ledger_payload USING (record)
     WHERE session_id IS NULL AND ",
    corrections!(),
    " AND kind = 'admin'"
);

/// Gives the ids of all tokens that were revoked.
pub(super) fn revoked_tokens(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(ACTS_OF_NO_SESSION)?;
    let mut rows = statement.query([])?;
    let mut revoked = Vec::new();
    while let Some(row) = rows.next()? {
        let payload = payload::read(row, 1)?;
        match Act::from_payload(instant(row.get(0)?), &payload).map(|act| act.deed) {
            Ok(deed) if deed.act == ActName::TokenRevoked => revoked.extend(deed.token_id),
            Ok(_) => {}
            Err(error) => error!(
                "An act in the ledger cannot be read, and may have revoked a token: {error}; see `session-buddy verify`"
            ),
        }
    }
    Ok(revoked)
}

/// Uses the index of the unique column.
const FIND_BEGINNING: &str = "
    SELECT session_id FROM sessions WHERE session_id >= ?1 AND session_id < ?2 ORDER BY session_id LIMIT ?3";

/// Scans the index of the unique column: an id's last part is random, and an index on it would dirty a page for each
/// start.
const FIND_LAST_PART: &str = "
    SELECT session_id FROM sessions WHERE substr(session_id, -8, ?2) = ?1 ORDER BY session_id LIMIT ?3";

/// The length of the last part of our ids, in characters.
const LAST_PART: usize = 8;

/// Gives the ids that begin with `prefix` or whose last part does.
pub(super) fn find(
    connection: &Connection,
    prefix: &str,
    limit: usize,
) -> rusqlite::Result<Vec<SessionId>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let beyond = format!("{prefix}\u{10FFFF}");
    let mut found: Vec<String> = connection
        .prepare_cached(FIND_BEGINNING)?
        .query_map((prefix, beyond, limit), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let characters = prefix.chars().count();
    if characters <= LAST_PART
        && prefix
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    {
        let characters = i64::try_from(characters).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(FIND_LAST_PART)?;
        let by_last_part = statement.query_map((prefix, characters, limit), |row| row.get(0))?;
        found.extend(by_last_part.collect::<rusqlite::Result<Vec<String>>>()?);
        found.sort_unstable();
        found.dedup();
    }
    Ok(found
        .iter()
        .filter_map(|id| id.parse().ok())
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .collect())
}
