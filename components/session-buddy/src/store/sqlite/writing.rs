//! A transaction under way: what a change reads, and what it writes.

use std::sync::LazyLock;

use rusqlite::{Connection, Transaction, params, params_from_iter, types::Value};
use session_model::{
    Act, Counters, Session, SessionId, SessionStatus, Timestamp,
    fold::{Accepted, Kind, PayloadError, Vitals},
};
use tracing::error;
use uuid::Uuid;

use super::{
    chain_of_causes, notes, payload,
    rollup::Journal,
    row::{CHANGING, COLUMNS, Places, Row, cell, chain_of, corrections, record_key},
    search,
};
use crate::{
    analytics::Facts,
    store::{
        Change, Commit, Decision, Entry, ImportedLine, Note, Outcome, Past, Standing, Step,
        StoreError, Verdict,
        ledger::{self, FORMAT, Hash, Header, Salt},
    },
};

/// The last record of a chain.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

/// Why a batch could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    #[error("the ledger record of session {id} cannot be read")]
    Record { id: SessionId, source: PayloadError },
    #[error("session {0} has a row and no start in the ledger; `session-buddy verify` says more")]
    NoStart(SessionId),
    #[error("no random bytes")]
    Random(#[from] rustix::io::Errno),
    #[error("what was put aside to be imported cannot be read")]
    Staged(#[source] std::io::Error),
}

const APPEND_RECORD: &str = "
    INSERT INTO ledger (record, format, kind, session_id, received_at, payload_commitment, leaf_hash, chain_hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const APPEND_PAYLOAD: &str =
    "INSERT INTO ledger_payload (record, salt, payload) VALUES (?1, ?2, ?3)";

/// The third column: whether there are records beside start and end that still say something. Once the end is reported,
/// only revivals do, and they leave gaps.
const STANDING: &str = "
    SELECT start_record, end_record, gaps <> '[]' OR coalesce(end_known_by, 'reported') <> 'reported',
           last_seen, lease_expires_at, command_count, error_count, error_message
      FROM sessions WHERE session_id = ?1";

const RECORD: &str = "
    SELECT kind, received_at, payload FROM ledger JOIN ledger_payload USING (record) WHERE record = ?1";

/// Uses `ledger_corrections`.
const CORRECTIONS: &str = concat!(
    "
    SELECT kind, received_at, payload FROM ledger JOIN ledger_payload USING (record)
     WHERE session_id = ?1 AND ",
    corrections!(),
    " AND kind <> 'imported'"
);

static INSERT: LazyLock<String> = LazyLock::new(|| {
    /// What an end adds to a row, in bytes: two times, how it is known, counters, metadata.
    const ROOM: usize = 96;
    insert(&format!("zeroblob({ROOM})"))
});

/// A row that has its end.
static INSERT_CLOSED: LazyLock<String> = LazyLock::new(|| insert("NULL"));

fn insert(room: &str) -> String {
    let places = vec!["?"; COLUMNS.len()].join(", ");
    format!(
        "INSERT INTO sessions ({}, room) VALUES ({places}, {room})",
        COLUMNS.join(", ")
    )
}

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let changing = COLUMNS.iter().filter(|column| CHANGING.contains(column));
    let sets: Vec<_> = changing.map(|column| format!("{column} = ?")).collect();
    format!(
        "UPDATE sessions SET {}, room = NULL WHERE session_id = ?",
        sets.join(", ")
    )
});

/// A transaction under way.
pub(super) struct Writing<'a> {
    transaction: &'a Transaction<'a>,
    chain: i64,
    uuid: Uuid,
    head: Head,
    journal: &'a mut Journal,
    to_index: u64,
    made: Commit,
}

/// What a transaction leaves, once it is committed.
pub(super) struct Left {
    /// The end of the chain.
    pub(super) head: Head,
    /// How many sessions it has made wait to be indexed.
    pub(super) to_index: u64,
    /// What is to be told of it then.
    pub(super) made: Commit,
}

impl<'a> Writing<'a> {
    /// Goes on with a chain from its head.
    pub(super) fn begin(
        transaction: &'a Transaction<'a>,
        chain: i64,
        uuid: Uuid,
        head: Head,
        journal: &'a mut Journal,
    ) -> Self {
        Self {
            transaction,
            chain,
            uuid,
            head,
            journal,
            to_index: 0,
            made: Commit::default(),
        }
    }

    /// Writes what the changes come to in sums, and gives what there will be once the transaction is committed.
    pub(super) fn finish(self) -> rusqlite::Result<Left> {
        self.journal.write(self.transaction)?;
        Ok(Left {
            head: self.head,
            to_index: self.to_index,
            made: self.made,
        })
    }

    /// Writes what was counted so far, and begins to count anew.
    pub(super) fn write_sums(&mut self) -> rusqlite::Result<()> {
        self.journal.write(self.transaction)
    }

    /// Gives what reads what this transaction has written.
    pub(super) fn connection(&self) -> &Connection {
        self.transaction
    }

    /// Puts down a session that is not on record, as somebody tells it.
    pub(super) fn import(&mut self, line: ImportedLine) -> Result<(), WriteError> {
        let (session, vitals) = (line.imported.session(), line.imported.vitals());
        let (kind, id) = (Kind::Imported.as_str(), session.id().as_str());
        let start = self.append_payload(kind, Some(id), line.received_at, line.payload)?;
        self.insert(session, vitals, Places { start, end: None })
            .map(drop)
    }

    /// Writes a session that is not there yet, with all that became of it.
    pub(super) fn load(&mut self, past: Past) -> Result<(), WriteError> {
        let Past { records, vitals } = past;
        let mut records = records.into_iter();
        let begun = self.begin_session(records.next())?;
        let (mut session, mut places) = begun.expect("the records of a past begin with its start");
        self.accept(&mut session, &mut places, records)?;
        self.insert(&session, &vitals, places).map(drop)
    }

    /// Appends the start of a session; `None` if it is none.
    fn begin_session(
        &mut self,
        start: Option<Entry>,
    ) -> Result<Option<(Session, Places)>, WriteError> {
        let start = start.filter(|start| start.record.fact.kind() == Kind::Start);
        let Some(Entry { record, payload }) = start else {
            return Ok(None);
        };
        let Some(session) = Session::begin(record) else {
            return Ok(None);
        };
        let start = self.append(session.id(), session.start(), payload)?;
        Ok(Some((session, Places { start, end: None })))
    }

    /// Appends what became of a session.
    fn accept(
        &mut self,
        session: &mut Session,
        places: &mut Places,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(), WriteError> {
        for Entry { record, payload } in entries {
            let key = self.append(session.id(), &record, payload)?;
            if record.fact.kind() == Kind::End {
                places.end = Some(key);
            }
            session.accept(record);
        }
        Ok(())
    }

    /// Writes the row of a session that is not there yet. Gives what is told of it if it begins now.
    fn insert(
        &mut self,
        session: &Session,
        vitals: &Vitals,
        places: Places,
    ) -> Result<Option<Step>, WriteError> {
        let row = Row::of(session, vitals, places);
        let closed = row.record.status != SessionStatus::Active;
        let insert = if closed { &INSERT_CLOSED } else { &INSERT };
        self.count(self.chain, None, &Facts::of(&row.record))?;
        self.to_index += 1;
        let begun = Step::between(None, &row.record);
        self.transaction
            .prepare_cached(insert)?
            .execute(params_from_iter(row.into_values()))?;
        Ok(begun)
    }

    /// Writes a note.
    pub(super) fn note(&mut self, note: Note) -> rusqlite::Result<()> {
        if let Some(fed) = notes::write(self.transaction, note)? {
            self.count(fed.chain, Some(&fed.before), &fed.now)?;
            self.reindex(&fed.id, &fed.before, &fed.now)?;
        }
        Ok(())
    }

    /// Has a session indexed anew where other words stand in it.
    fn reindex(&mut self, id: &SessionId, before: &Facts, now: &Facts) -> rusqlite::Result<()> {
        if before.error == now.error {
            return Ok(());
        }
        self.to_index += 1;
        search::changed(self.transaction, id, before.error.as_deref())
    }

    fn count(&mut self, chain: i64, before: Option<&Facts>, now: &Facts) -> rusqlite::Result<()> {
        self.journal.count(self.transaction, chain, before, now)
    }

    /// Makes a change, unless what is on record of its session is damaged, which concerns nobody else.
    pub(super) fn outcome(&mut self, change: Box<dyn Change>) -> Result<Outcome, WriteError> {
        match self.apply(change) {
            Ok(verdict) => Ok(Ok(verdict)),
            Err(error @ (WriteError::Record { .. } | WriteError::NoStart(_))) => {
                let damage = chain_of_causes(&error);
                error!("{damage}");
                Ok(Err(StoreError::Damaged(damage)))
            }
            Err(
                error @ (WriteError::Database(_) | WriteError::Random(_) | WriteError::Staged(_)),
            ) => Err(error),
        }
    }

    fn apply(&mut self, change: Box<dyn Change>) -> Result<Verdict, WriteError> {
        let id = change.session_id().clone();
        let found = self.standing(&id)?;
        let decision = change.decide(found.as_ref().map(|(standing, _)| standing));
        let Decision {
            records,
            vitals,
            verdict,
        } = decision;
        match found {
            _ if records.is_empty() && vitals.is_none() => {}
            Some((
                Standing {
                    mut session,
                    vitals: before,
                },
                mut places,
            )) => {
                let stood = session.record(&before);
                self.accept(&mut session, &mut places, records)?;
                let row = Row::of(&session, &vitals.unwrap_or(before), places);
                let (counted, now) = (Facts::of(&stood), Facts::of(&row.record));
                self.count(chain_of(places.start), Some(&counted), &now)?;
                self.reindex(&id, &counted, &now)?;
                self.made
                    .steps
                    .extend(Step::between(Some(&stood), &row.record));
                self.change(row)?;
            }
            None => {
                let begun = self.begin_session(records.into_iter().next())?;
                let (Some((session, places)), Some(vitals)) = (begun, vitals) else {
                    return Err(WriteError::NoStart(id));
                };
                let begun = self.insert(&session, &vitals, places)?;
                self.made.steps.extend(begun);
            }
        }
        Ok(verdict)
    }

    /// Reads a session as it stands, and where its start and end stand.
    fn standing(&self, id: &SessionId) -> Result<Option<(Standing, Places)>, WriteError> {
        let mut statement = self.transaction.prepare_cached(STANDING)?;
        let mut rows = statement.query([id.as_str()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let places = Places {
            start: row.get(0)?,
            end: row.get(1)?,
        };
        let corrected: bool = row.get(2)?;
        let vitals = Vitals {
            last_seen: cell(row, 3)?,
            lease_expires_at: cell(row, 4)?,
            counters: Counters {
                command_count: row.get(5)?,
                error_count: row.get(6)?,
                last_error: row.get(7)?,
            },
        };
        let mut records = self.records(id, RECORD, params![places.start])?;
        if let Some(end) = places.end {
            records.extend(self.records(id, RECORD, params![end])?);
        }
        if corrected {
            records.extend(self.records(id, CORRECTIONS, params![id.as_str()])?);
        }
        let session = Session::fold(records).ok_or_else(|| WriteError::NoStart(id.clone()))?;
        Ok(Some((Standing { session, vitals }, places)))
    }

    fn records(
        &self,
        id: &SessionId,
        sql: &str,
        of: impl rusqlite::Params,
    ) -> Result<Vec<Accepted>, WriteError> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(of)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            let kind = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            let payload = payload::read(row, 2)?;
            let record = read_record(kind, row.get(1)?, &payload);
            records.extend(record.map_err(|source| WriteError::Record {
                id: id.clone(),
                source,
            })?);
        }
        Ok(records)
    }

    /// Appends an act.
    pub(super) fn record(&mut self, act: &Act) -> Result<(), WriteError> {
        let at = act.received_at;
        self.append_payload(ledger::ADMIN, None, at, act.payload())?;
        Ok(())
    }

    /// Appends a record and gives its key.
    fn append(
        &mut self,
        id: &SessionId,
        record: &Accepted,
        payload: Vec<u8>,
    ) -> Result<i64, WriteError> {
        let kind = record.fact.kind().as_str();
        self.append_payload(kind, Some(id.as_str()), record.received_at, payload)
    }

    fn append_payload(
        &mut self,
        kind: &'static str,
        session_id: Option<&str>,
        received_at: Timestamp,
        payload: Vec<u8>,
    ) -> Result<i64, WriteError> {
        let mut salt: Salt = [0; 32];
        rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())?;
        let commitment = ledger::payload_commitment(&salt, &payload);
        let header = Header {
            chain: self.uuid,
            seq: self.head.seq + 1,
            format: FORMAT,
            kind,
            session_id,
            received_at: received_at.as_micros(),
            payload_commitment: Some(&commitment),
        };
        let key = self.head.append(self.transaction, self.chain, &header)?;
        self.transaction
            .prepare_cached(APPEND_PAYLOAD)?
            .execute(params![key, salt, payload::pack(payload)])?;
        self.made.records.push(kind);
        Ok(key)
    }

    fn change(&self, row: Row) -> rusqlite::Result<()> {
        let id = Value::Text(row.record.session_id.clone());
        let changing = COLUMNS
            .iter()
            .zip(row.into_values())
            .filter(|(column, _)| CHANGING.contains(column));
        let values = changing.map(|(_, value)| value).chain([id]);
        self.transaction
            .prepare_cached(&UPDATE)?
            .execute(params_from_iter(values))?;
        Ok(())
    }
}

impl Head {
    /// Links a record to the chain and gives its key.
    pub(super) fn append(
        &mut self,
        transaction: &Transaction<'_>,
        chain: i64,
        header: &Header<'_>,
    ) -> rusqlite::Result<i64> {
        let leaf = header.leaf_hash();
        let hash = ledger::chain_hash(&self.hash, &leaf);
        let seq = i64::try_from(header.seq).expect("a chain has fewer than 2^40 records");
        let key = record_key(chain, seq);
        transaction.prepare_cached(APPEND_RECORD)?.execute(params![
            key,
            header.format,
            header.kind,
            header.session_id,
            header.received_at,
            header.payload_commitment,
            leaf,
            hash,
        ])?;
        *self = Self {
            seq: header.seq,
            hash,
        };
        Ok(key)
    }
}

/// Reads a ledger record that is about a session; `None` for the other kinds.
pub(super) fn read_record(
    kind: &str,
    received_at: i64,
    payload: &[u8],
) -> Result<Option<Accepted>, PayloadError> {
    let Some(kind) = Kind::ALL.into_iter().find(|known| known.as_str() == kind) else {
        return Ok(None);
    };
    Accepted::from_payload(kind, instant(received_at), payload).map(Some)
}

/// Reads a time of the ledger.
pub(super) fn instant(micros: i64) -> Timestamp {
    let instant = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MIN);
    Timestamp::saturating_from(instant)
}
