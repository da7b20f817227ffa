//! Does the record still say what was recorded?
//!
//! Passes over one snapshot: along each chain (hashes, gaps in the numbers, commitments), along the sessions (does folding a
//! session's ledger records give its row), along the days (do the sums say what the sessions say), and along the words (does
//! the index have those of the sessions). Each names the first difference. None needs more memory the longer the record is.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OptionalExtension, Rows, types::Value};
use session_model::{Counters, Session, SessionStatus, Timestamp, fold::Vitals};
use uuid::Uuid;

use super::{
    OpenError, connection, payload, rollup,
    row::{COLUMNS, Places, Row, record_key},
    search,
    writing::read_record,
};
use crate::store::ledger::{self, Hash, Header, Salt};

/// What was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Ledger records.
    pub records: u64,
    /// Payloads that were erased: their commitments cannot be checked, nor can the sessions that they belong to.
    pub erased: u64,
    /// Sessions whose row was compared.
    pub sessions: u64,
    /// Rows of sums that were compared with the sessions.
    pub rollups: u64,
    /// Entries of the index of words that were compared with the sessions.
    pub search_entries: u64,
    /// The last record of each chain: its id, number and hash.
    pub heads: Vec<(Uuid, u64, Hash)>,
}

/// Why a database does not verify.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error("the database cannot be read")]
    Read(#[from] rusqlite::Error),
    /// It does not say what was recorded.
    #[error("{place}: {what}")]
    Difference {
        /// Where the first difference stands.
        place: String,
        /// What it is.
        what: String,
    },
}

fn difference<T>(place: impl Into<String>, what: impl Into<String>) -> Result<T, VerifyError> {
    Err(VerifyError::Difference {
        place: place.into(),
        what: what.into(),
    })
}

/// Verifies a database.
///
/// # Errors
///
/// The first difference, or why there was nothing to look at.
pub fn verify(path: &Path) -> Result<Verified, VerifyError> {
    let connection = connection::read_only(path)?;
    // One transaction sees one moment, whatever is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let integrity: String =
        snapshot.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if integrity != "ok" {
        return difference("database file", integrity);
    }
    if let Some(name) = foreign_object(&snapshot)? {
        return difference(
            "database schema",
            format!("{name} is not part of it, and may change what is written"),
        );
    }
    let mut verified = Verified::default();
    verify_chains(&snapshot, &mut verified)?;
    verify_sessions(&snapshot, &mut verified)?;
    verified.rollups = verify_rollups(&snapshot)?;
    verified.search_entries = verify_search(&snapshot)?;
    Ok(verified)
}

/// Finds a trigger or a view: this program makes none.
fn foreign_object(snapshot: &Connection) -> rusqlite::Result<Option<String>> {
    const OBJECT: &str =
        "SELECT type || ' ' || name FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1";
    snapshot.query_row(OBJECT, [], |row| row.get(0)).optional()
}

/// How many records are verified before anything is written: a damaged file is refused, not written on. The end of the
/// ledger is what was written last, and is read in a moment.
const END_RECORDS: i64 = 256;

/// Verifies the end of the ledger.
pub(super) fn verify_end(connection: &Connection, chain: i64, seq: u64) -> Result<(), OpenError> {
    let last = i64::try_from(seq).unwrap_or(i64::MAX);
    let first = record_key(chain, last.saturating_sub(END_RECORDS).max(0));
    let verified = verify_records(connection, first, &mut Verified::default());
    match verified {
        Ok(_) => Ok(()),
        Err(VerifyError::Difference { place, what }) => Err(OpenError::Damaged { place, what }),
        Err(VerifyError::Read(error)) => Err(error.into()),
        Err(VerifyError::Open(error)) => Err(error),
    }
}

/// Says of a database that SQLite finds damaged what [`verify`] finds.
pub(super) fn explained(error: OpenError, path: &Path) -> OpenError {
    let OpenError::Database(inside) = &error else {
        return error;
    };
    if inside.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseCorrupt) {
        return error;
    }
    match verify(path) {
        Err(VerifyError::Difference { place, what }) => OpenError::Damaged { place, what },
        Ok(_) | Err(VerifyError::Open(_) | VerifyError::Read(_)) => OpenError::Damaged {
            place: "database file".to_owned(),
            what: inside.to_string(),
        },
    }
}

/// From the record with the key `?1` on.
const RECORDS: &str = "
    SELECT ledger.chain, ledger.seq, format, kind, session_id, received_at, payload_commitment, leaf_hash, chain_hash, salt, payload, key_id
      FROM ledger LEFT JOIN ledger_payload USING (record)
     WHERE record >= ?1
  ORDER BY record";

/// A key before all keys.
const ALL: i64 = i64::MIN;

/// The last record of each chain: its id, number and hash.
type Heads = BTreeMap<i64, (Uuid, u64, Hash)>;

/// Verifies records from a key on. The first one of each chain is believed to follow from what stands before it, unless it
/// is the first of all.
fn verify_records(
    snapshot: &Connection,
    from: i64,
    verified: &mut Verified,
) -> Result<Heads, VerifyError> {
    let mut heads = Heads::new();
    let uuids = chains(snapshot)?;
    let mut statement = snapshot.prepare(RECORDS)?;
    let mut rows = statement.query([from])?;
    while let Some(row) = rows.next()? {
        let (chain, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        let place = format!("ledger record {seq} of chain {chain}");
        let Some(uuid) = uuids.get(&chain) else {
            return difference(place, "its chain is not in table chains");
        };
        let seq = u64::try_from(seq).unwrap_or(u64::MAX);
        let (expected, previous) = match heads.get(&chain) {
            Some((_, seq, hash)) => (seq + 1, Some(*hash)),
            None if from == ALL || seq == 0 => (0, Some([0; 32])),
            None => (seq, None),
        };
        if seq != expected {
            return difference(
                format!("ledger record {expected} of chain {chain}"),
                "it is missing",
            );
        }
        let record = Record::read(row).map_err(|error| VerifyError::Difference {
            place: place.clone(),
            what: format!("it cannot be read: {error}"),
        })?;
        if (seq == 0) != (record.kind == ledger::GENESIS) {
            return difference(place, format!("kind {:?} cannot stand here", record.kind));
        }
        let header = Header {
            chain: *uuid,
            seq,
            format: record.format,
            kind: &record.kind,
            session_id: record.session_id.as_deref(),
            received_at: record.received_at,
            payload_commitment: record.commitment.as_ref(),
        };
        let leaf = header.leaf_hash();
        if leaf != record.leaf_hash {
            return difference(
                place,
                "its content does not give its leaf hash: it was edited",
            );
        }
        let follows = |previous| ledger::chain_hash(&previous, &leaf) == record.chain_hash;
        if !previous.is_none_or(follows) {
            return difference(
                place,
                "it does not follow from the record before it: one of them was replaced",
            );
        }
        match (record.commitment, record.payload) {
            (Some(commitment), Some((salt, payload))) => {
                // No hash covers it.
                if record.key_id.is_some() {
                    return difference(
                        place,
                        "its payload names a key, and none of this version is encrypted",
                    );
                }
                if ledger::payload_commitment(&salt, &payload) != commitment {
                    return difference(
                        place,
                        "its payload is not the one that it commits to: it was edited",
                    );
                }
            }
            (Some(_), None) if is_erased(snapshot, record.session_id.as_deref())? => {
                verified.erased += 1
            }
            (Some(_), None) => {
                return difference(
                    place,
                    "its payload is missing, and no record says that it was erased",
                );
            }
            (None, None) => {}
            (None, Some(_)) => {
                return difference(place, "it has a payload that it does not commit to");
            }
        }
        heads.insert(chain, (*uuid, seq, record.chain_hash));
        verified.records += 1;
    }
    Ok(heads)
}

fn verify_chains(snapshot: &Connection, verified: &mut Verified) -> Result<(), VerifyError> {
    let heads = verify_records(snapshot, ALL, verified)?;
    let uuids = chains(snapshot)?;
    if uuids.is_empty() {
        return difference(
            "table chains",
            "it is empty: the first record of the first chain is missing",
        );
    }
    if heads.len() != uuids.len() {
        return difference("table chains", "it names a chain without a record");
    }
    let orphans: i64 = snapshot.query_row(
        "SELECT count(*) FROM ledger_payload LEFT JOIN ledger USING (record) WHERE ledger.record IS NULL",
        [],
        |row| row.get(0),
    )?;
    if orphans > 0 {
        return difference(
            "table ledger_payload",
            format!("{orphans} payloads belong to no ledger record"),
        );
    }
    verified.heads = heads.into_values().collect();
    Ok(())
}

/// A row of the ledger with its payload.
struct Record {
    format: u16,
    kind: String,
    session_id: Option<String>,
    received_at: i64,
    commitment: Option<Hash>,
    leaf_hash: Hash,
    chain_hash: Hash,
    payload: Option<(Salt, Vec<u8>)>,
    key_id: Option<i64>,
}

impl Record {
    /// Reads a row of [`RECORDS`].
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let salt: Option<Salt> = row.get(9)?;
        Ok(Self {
            format: row.get(2)?,
            kind: row.get(3)?,
            session_id: row.get(4)?,
            received_at: row.get(5)?,
            commitment: row.get(6)?,
            leaf_hash: row.get(7)?,
            chain_hash: row.get(8)?,
            payload: match salt {
                Some(salt) => Some((salt, payload::read(row, 10)?.into_owned())),
                None => None,
            },
            key_id: row.get(11)?,
        })
    }
}

/// Tells whether a ledger record says that a session's payloads were erased. Uses `ledger_corrections`.
fn is_erased(snapshot: &Connection, session_id: Option<&str>) -> rusqlite::Result<bool> {
    const ERASED: &str = "
        SELECT EXISTS (SELECT 1 FROM ledger
                        WHERE session_id = ?1 AND kind = 'erased' AND kind NOT IN ('genesis', 'start', 'end'))";
    snapshot
        .prepare_cached(ERASED)?
        .query_row([session_id], |row| row.get(0))
}

fn chains(snapshot: &Connection) -> rusqlite::Result<BTreeMap<i64, Uuid>> {
    let mut statement = snapshot.prepare("SELECT chain, uuid FROM chains")?;
    let chains = statement.query_map([], |row| Ok((row.get(0)?, Uuid::from_bytes(row.get(1)?))))?;
    chains.collect()
}

/// Sorted outside memory by SQLite; the payloads are fetched one by one.
const RECORDS_BY_SESSION: &str = "
    SELECT session_id, record, kind, received_at FROM ledger
     WHERE session_id IS NOT NULL ORDER BY session_id, record";

const PAYLOAD: &str = "SELECT payload FROM ledger_payload WHERE record = ?1";

fn verify_sessions(snapshot: &Connection, verified: &mut Verified) -> Result<(), VerifyError> {
    let mut records = snapshot.prepare(RECORDS_BY_SESSION)?;
    let mut records = Folding {
        snapshot,
        rows: records.query([])?,
        ahead: None,
    };
    let sql = format!(
        "SELECT {} FROM sessions ORDER BY session_id",
        COLUMNS.join(", ")
    );
    let mut rows = snapshot.prepare(&sql)?;
    let mut rows = rows.query([])?;
    loop {
        let folded = records.next()?;
        let stored = rows.next()?.map(raw_values).transpose()?;
        let id = stored.as_ref().map(|values| session_id(values));
        match (folded, stored) {
            (None, None) => return Ok(()),
            (Some(folded), Some(values)) if id.as_deref() == Some(&folded.id) => {
                if folded.erased {
                    continue;
                }
                compare(&folded, &values)?;
                verified.sessions += 1;
            }
            (Some(folded), _) if id.as_ref().is_none_or(|id| folded.id < *id) => {
                return difference(format!("session {}", folded.id), "its row is missing");
            }
            _ => {
                let place = format!("session {}", id.unwrap_or_default());
                return difference(place, "it has a row and no ledger record");
            }
        }
    }
}

/// Compares the sums with the sessions. A database that only older servers have opened has none.
fn verify_rollups(snapshot: &Connection) -> Result<u64, VerifyError> {
    if !rollup::exist(snapshot)? {
        return Ok(0);
    }
    rollup::compare(snapshot).map_err(|error| match error {
        rollup::CompareError::Read(error) => VerifyError::Read(error),
        rollup::CompareError::Difference { place, what } => VerifyError::Difference { place, what },
    })
}

/// Tells whether a difference is one of the index of words, which says nothing that the sessions do not say.
pub fn is_of_search(place: &str) -> bool {
    place.starts_with(search::PLACE)
}

/// Compares the index of words with the sessions. A database that only older servers have opened has none.
fn verify_search(snapshot: &Connection) -> Result<u64, VerifyError> {
    if search::exists(snapshot)? {
        search::compare(snapshot)
    } else {
        Ok(0)
    }
}

/// Takes the columns as they stand: what reads alike need not be alike.
fn raw_values(row: &rusqlite::Row<'_>) -> rusqlite::Result<Vec<Value>> {
    (0..COLUMNS.len()).map(|column| row.get(column)).collect()
}

fn session_id(values: &[Value]) -> String {
    match column(values, "session_id") {
        Some(Value::Text(id)) => id.clone(),
        _ => String::new(),
    }
}

fn column<'a>(values: &'a [Value], name: &str) -> Option<&'a Value> {
    COLUMNS
        .iter()
        .zip(values)
        .find(|(column, _)| **column == name)
        .map(|(_, value)| value)
}

/// A session's ledger records, folded.
struct Folded {
    id: String,
    session: Option<Session>,
    places: Places,
    erased: bool,
}

/// Folds the sessions one after the other from rows that are sorted by session.
struct Folding<'a> {
    snapshot: &'a Connection,
    rows: Rows<'a>,
    ahead: Option<RecordHead>,
}

/// Session, key, kind and receipt of a record.
type RecordHead = (String, i64, String, i64);

impl Folding<'_> {
    fn next(&mut self) -> Result<Option<Folded>, VerifyError> {
        let Some(first) = (match self.ahead.take() {
            Some(record) => Some(record),
            None => self.read()?,
        }) else {
            return Ok(None);
        };
        let id = first.0.clone();
        let (mut records, mut places, mut erased) = (Vec::new(), Places::default(), false);
        let mut current = Some(first);
        while let Some((record_id, key, kind, received_at)) = current {
            if record_id != id {
                self.ahead = Some((record_id, key, kind, received_at));
                break;
            }
            match kind.as_str() {
                "start" | "imported" => places.start = key,
                "end" => places.end = Some(key),
                _ => {}
            }
            let mut payload = self.snapshot.prepare_cached(PAYLOAD)?;
            let mut payload = payload.query([key])?;
            match payload.next()? {
                Some(row) => {
                    let payload = payload::read(row, 0)?;
                    match read_record(&kind, received_at, &payload) {
                        Ok(record) => records.extend(record),
                        Err(error) => {
                            return difference(
                                format!("session {id}"),
                                format!("a payload of kind {kind} cannot be read: {error}"),
                            );
                        }
                    }
                }
                None => erased = true,
            }
            current = self.read()?;
        }
        Ok(Some(Folded {
            id,
            session: Session::fold(records),
            places,
            erased,
        }))
    }

    fn read(&mut self) -> rusqlite::Result<Option<RecordHead>> {
        let row = self.rows.next()?;
        row.map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .transpose()
    }
}

/// What heartbeats feed, which the ledger does not hold.
const FED_BY_HEARTBEATS: &[&str] = &["last_seen", "lease_expires_at"];
/// What they feed as well while a session is active.
const FED_WHILE_ACTIVE: &[&str] = &[
    "command_count",
    "error_count",
    "error_occurred",
    "error_message",
];

fn compare(folded: &Folded, found: &[Value]) -> Result<(), VerifyError> {
    let place = format!("session {}", folded.id);
    let Some(session) = &folded.session else {
        return difference(place, "it has no start in the ledger");
    };
    if session.id().as_str() != folded.id {
        return difference(place, "its start is that of another session");
    }
    let time = |name| match column(found, name) {
        Some(Value::Text(text)) => text.parse::<Timestamp>().ok(),
        _ => None,
    };
    let Some(last_seen) = time("last_seen") else {
        return difference(place, "column last_seen is no time");
    };
    let vitals = Vitals {
        last_seen,
        counters: Counters::default(),
        lease_expires_at: time("lease_expires_at"),
    };
    let expected = Row::of(session, &vitals, folded.places);
    let active = expected.record.status == SessionStatus::Active;
    for ((column, expected), found) in COLUMNS.iter().zip(expected.into_values()).zip(found) {
        let fed =
            FED_BY_HEARTBEATS.contains(column) || (active && FED_WHILE_ACTIVE.contains(column));
        if !fed && expected != *found {
            return difference(
                place,
                format!(
                    "column {column} is {}, and by the ledger {}",
                    shown(found),
                    shown(&expected)
                ),
            );
        }
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}
