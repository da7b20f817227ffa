//! Rows of sessions against what the ledger says of them.

use rusqlite::{Connection, Rows, types::Value};
use session_model::{Counters, Session, SessionStatus, Timestamp, fold::Vitals};

use super::{Verified, VerifyError, difference};
use crate::store::sqlite::{
    payload,
    row::{COLUMNS, Places, Row},
    writing::read_record,
};

/// Sorted outside memory by SQLite; the payloads are fetched one by one.
const RECORDS_BY_SESSION: &str = "
    SELECT session_id, record, kind, received_at FROM ledger
     WHERE session_id IS NOT NULL ORDER BY session_id, record";

const PAYLOAD: &str = "SELECT payload FROM ledger_payload WHERE record = ?1";

pub(super) fn verify_sessions(
    snapshot: &Connection,
    verified: &mut Verified,
) -> Result<(), VerifyError> {
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
