//! What happened to sessions, read from the ledger by its key.

use rusqlite::{Connection, OptionalExtension, params};
use session_model::{Session, fold::Accepted};
use tracing::error;
use uuid::Uuid;

use super::{
    payload,
    row::{checked_key, corrections, record_key},
    writing::{instant, read_record},
};
use crate::store::{
    checkpoint::ChainHead,
    happening::{Happening, Happenings, Sought},
    ledger::Hash,
};

const CHAIN: &str = "SELECT chain FROM chains WHERE uuid = ?1";
const RECEIVED_AT: &str = "SELECT received_at FROM ledger WHERE record = ?1";
const CHAIN_HASH: &str = "SELECT chain_hash FROM ledger WHERE record = ?1";

/// By the key alone: what the writer appended since.
const AFTER: &str = "
    SELECT record, kind, received_at, chain_hash, payload, session_id
      FROM ledger LEFT JOIN ledger_payload USING (record)
     WHERE record > ?1 AND record <= ?2 ORDER BY record LIMIT ?3";

/// Start and end by the session's row, the others by `ledger_corrections`; those up to a record.
const UNTIL: &str = concat!(
    "
    SELECT kind, received_at, payload FROM ledger JOIN ledger_payload USING (record)
     WHERE record <= ?2 AND record IN (
           SELECT start_record FROM sessions WHERE session_id = ?1
     UNION SELECT end_record FROM sessions WHERE session_id = ?1
     UNION SELECT record FROM ledger WHERE session_id = ?1 AND ",
    corrections!(),
    ")"
);

/// Finds a record up to `head` after which to read on.
pub(super) fn locate(
    connection: &Connection,
    sought: Sought,
    head: ChainHead,
) -> rusqlite::Result<Option<ChainHead>> {
    let chain = chain(connection, head.chain)?;
    let seq = match sought {
        Sought::Mark(mark) if mark.chain != head.chain || mark.seq > head.seq => return Ok(None),
        Sought::Mark(mark) => mark.seq,
        Sought::Before(time) => last_before(connection, chain, head.seq, time.as_micros())?,
    };
    let Some(key) = checked_key(chain, seq) else {
        return Ok(None);
    };
    let hash: Option<Hash> = connection
        .prepare_cached(CHAIN_HASH)?
        .query_row([key], |row| row.get(0))
        .optional()?;
    let place = hash.map(|chain_hash| ChainHead {
        seq,
        chain_hash,
        ..head
    });
    Ok(place.filter(|place| match sought {
        Sought::Mark(mark) => mark.is_of(place),
        Sought::Before(_) => true,
    }))
}

/// Finds the last record before receipts reach a time; the first one where they all do. Halving takes receipts to be in
/// order, as they are but where the clock was set back.
fn last_before(
    connection: &Connection,
    chain: i64,
    newest: u64,
    micros: i64,
) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(RECEIVED_AT)?;
    let (mut before, mut reached) = (0, newest + 1);
    while before + 1 < reached {
        let middle = before + (reached - before) / 2;
        let key = checked_key(chain, middle).unwrap_or(i64::MAX);
        let received_at: i64 = statement.query_row([key], |row| row.get(0))?;
        if received_at < micros {
            before = middle;
        } else {
            reached = middle;
        }
    }
    Ok(before)
}

fn chain(connection: &Connection, uuid: Uuid) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(CHAIN)?
        .query_row([uuid.as_bytes().as_slice()], |row| row.get(0))
}

/// Gives what happened after a record, up to `head`.
pub(super) fn after(
    connection: &Connection,
    after: ChainHead,
    head: ChainHead,
    limit: usize,
) -> rusqlite::Result<Happenings> {
    // Of one moment, though it takes several statements.
    let reading = connection.unchecked_transaction()?;
    let chain = chain(&reading, head.chain)?;
    let key = |seq| checked_key(chain, seq).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = reading.prepare_cached(AFTER)?;
    let mut rows = statement.query(params![key(after.seq), key(head.seq), limit])?;
    let (mut found, mut read_to) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        let record: i64 = row.get(0)?;
        read_to = ChainHead {
            seq: u64::try_from(record - record_key(chain, 0)).unwrap_or_default(),
            chain_hash: row.get(3)?,
            ..head
        };
        found.extend(happening(&reading, row, record, read_to)?);
    }
    Ok(Happenings { found, read_to })
}

/// Reads a row of [`AFTER`]; `None` where it is about no session, was erased, or is damaged, of which `verify` tells.
fn happening(
    connection: &Connection,
    row: &rusqlite::Row<'_>,
    record: i64,
    place: ChainHead,
) -> rusqlite::Result<Option<Happening>> {
    let (kind, received_at) = (row.get_ref(1)?.as_str()?, row.get(2)?);
    let Some(stored) = row.get_ref(4)?.as_blob_or_null()? else {
        return Ok(None);
    };
    let accepted = match read_record(kind, received_at, &payload::unpack(stored)) {
        Ok(Some(accepted)) => accepted,
        Ok(None) => return Ok(None),
        Err(error) => {
            error!("Record {} of the ledger cannot be read: {error}", place.seq);
            return Ok(None);
        }
    };
    let kind = accepted.fact.kind();
    let vitals = accepted.vitals();
    let session = if kind.begins_a_session() {
        Session::begin(accepted)
    } else {
        let id: Option<String> = row.get(5)?;
        Session::fold(until(connection, &id.unwrap_or_default(), record)?)
    };
    Ok(session.map(|session| Happening {
        place,
        kind,
        received_at: instant(received_at),
        session: session.record(&vitals),
    }))
}

/// Gives the records of a session up to one of them.
fn until(connection: &Connection, id: &str, record: i64) -> rusqlite::Result<Vec<Accepted>> {
    let mut statement = connection.prepare_cached(UNTIL)?;
    let mut rows = statement.query(params![id, record])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let payload = payload::read(row, 2)?;
        let read = read_record(row.get_ref(0)?.as_str()?, row.get(1)?, &payload);
        records.extend(read.ok().flatten());
    }
    Ok(records)
}
