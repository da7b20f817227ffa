//! The ledger against its own hashes.

use std::collections::BTreeMap;

use rusqlite::Connection;
use uuid::Uuid;

use super::{Verified, VerifyError, difference};
use crate::store::{
    ledger::{self, Hash, Header, Salt},
    sqlite::{payload, row::corrections},
};

/// From the record with the key `?1` on.
const RECORDS: &str = "
    SELECT ledger.chain, ledger.seq, format, kind, session_id, received_at, payload_commitment, leaf_hash, chain_hash, salt, payload, key_id
      FROM ledger LEFT JOIN ledger_payload USING (record)
     WHERE record >= ?1
  ORDER BY record";

/// A key before all keys.
const ALL: i64 = i64::MIN;

/// The last record of each chain: its id, number and hash.
pub(super) type Heads = BTreeMap<i64, (Uuid, u64, Hash)>;

/// Verifies records from a key on. The first one of each chain is believed to follow from what stands before it, unless it
/// is the first of all.
pub(super) fn verify_records(
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

pub(super) fn verify_chains(
    snapshot: &Connection,
    verified: &mut Verified,
) -> Result<(), VerifyError> {
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
    const ERASED: &str = concat!(
        "
        SELECT EXISTS (SELECT 1 FROM ledger
                        WHERE session_id = ?1 AND kind = 'erased' AND ",
        corrections!(),
        ")"
    );
    snapshot
        .prepare_cached(ERASED)?
        .query_row([session_id], |row| row.get(0))
}

fn chains(snapshot: &Connection) -> rusqlite::Result<BTreeMap<i64, Uuid>> {
    let mut statement = snapshot.prepare("SELECT chain, uuid FROM chains")?;
    let chains = statement.query_map([], |row| Ok((row.get(0)?, Uuid::from_bytes(row.get(1)?))))?;
    chains.collect()
}
