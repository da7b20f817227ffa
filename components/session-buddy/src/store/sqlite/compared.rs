//! Whether a ledger still holds what a checkpoint says.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::{OpenError, connection};
use crate::store::{
    checkpoint::{ChainHead, Checkpoint, Disagreement, PublicKey},
    ledger::Hash,
};

/// The chain that is written is the one of the newest record, as for the writer.
const NEWEST: &str = "
    SELECT uuid, seq, chain_hash FROM ledger JOIN chains USING (chain) ORDER BY record DESC LIMIT 1";

/// Gives the newest record of a database; `None` where it has none.
///
/// # Errors
///
/// When the database cannot be read.
pub fn newest(path: &Path) -> Result<Option<ChainHead>, OpenError> {
    let connection = connection::read_only(path)?;
    let newest = connection
        .query_row(NEWEST, [], |row| {
            Ok(ChainHead {
                chain: Uuid::from_bytes(row.get(0)?),
                seq: row.get(1)?,
                chain_hash: row.get(2)?,
            })
        })
        .optional()?;
    Ok(newest)
}

/// Compares a ledger with a checkpoint. `key` is the one that should have signed it; without one its own word is taken.
/// Looks at one record: whether the others lead to it is for [`super::verify`] to say.
///
/// # Errors
///
/// When the database cannot be read. What comes of the comparison is inside.
pub fn compare(
    path: &Path,
    checkpoint: &Checkpoint,
    key: Option<&PublicKey>,
) -> Result<Result<(), Disagreement>, OpenError> {
    if !checkpoint.is_signed() {
        return Ok(Err(Disagreement::Signature));
    }
    let found = *checkpoint.public_key();
    if let Some(expected) = key.copied().filter(|key| *key != found) {
        return Ok(Err(Disagreement::OtherKey { found, expected }));
    }
    let connection = connection::read_only(path)?;
    Ok(compare_record(&connection, checkpoint)?)
}

fn compare_record(
    connection: &Connection,
    checkpoint: &Checkpoint,
) -> rusqlite::Result<Result<(), Disagreement>> {
    let (head, made_at) = (checkpoint.head(), checkpoint.made_at());
    let seq = head.seq;
    let chain = connection
        .query_row(
            "SELECT chain FROM chains WHERE uuid = ?1",
            [head.chain.as_bytes().as_slice()],
            |row| row.get::<_, i64>(0),
        )
        .optional()?;
    let Some(chain) = chain else {
        return Ok(Err(Disagreement::OtherChain(head.chain)));
    };
    let found: Option<Hash> = match super::row::checked_key(chain, seq) {
        Some(record) => connection
            .query_row(
                "SELECT chain_hash FROM ledger WHERE record = ?1",
                [record],
                |row| row.get(0),
            )
            .optional()?,
        None => None,
    };
    Ok(match found {
        Some(hash) if hash == head.chain_hash => Ok(()),
        Some(_) => Err(Disagreement::OtherHash { seq, made_at }),
        None => Err(Disagreement::Shorter {
            ends_at: last_seq(connection, chain)?,
            seq,
            made_at,
        }),
    })
}

fn last_seq(connection: &Connection, chain: i64) -> rusqlite::Result<u64> {
    const LAST: &str = "SELECT seq FROM ledger WHERE record < ?1 ORDER BY record DESC LIMIT 1";
    let end = super::row::record_key(chain.saturating_add(1), 0);
    let last = connection
        .query_row(LAST, [end], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}
