//! What happened to sessions, in the order of the ledger.

use std::fmt;

use session_model::{SessionRecord, Timestamp, fold::Kind};
use uuid::Uuid;

use super::checkpoint::ChainHead;

/// What one record of the ledger did to its session.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// The ledger's record.
    pub place: ChainHead,
    /// Its kind.
    pub kind: Kind,
    /// When the server received it.
    pub received_at: Timestamp,
    /// The session as that left it: the fold of its records so far, without what heartbeats fed. So it is the same whenever
    /// it is read.
    pub session: SessionRecord,
}

/// Some happenings, and how far the ledger was read for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Happenings {
    /// What happened, oldest first. Records that are about no session, or can no longer be read, are left out.
    pub found: Vec<Happening>,
    /// The last record that was looked at.
    pub read_to: ChainHead,
}

/// After which record to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// After this one.
    Mark(Mark),
    /// After the last one before receipts reach this time.
    Before(Timestamp),
}

/// A place in a ledger as a reader keeps it, to go on from there. Part of the hash tells a ledger that was put back and
/// written anew from the one that it was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The chain.
    pub chain: Uuid,
    /// The number of the record.
    pub seq: u64,
    /// The first bytes of the record's hash.
    pub hash: [u8; 8],
}

impl Mark {
    /// Tells whether it stands for this record.
    pub fn is_of(&self, place: &ChainHead) -> bool {
        *self == Self::from(*place)
    }
}

impl From<ChainHead> for Mark {
    fn from(place: ChainHead) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = place.chain_hash;
        Self {
            chain: place.chain,
            seq: place.seq,
            hash: [a, b, c, d, e, f, g, h],
        }
    }
}

impl fmt::Display for Mark {
    /// Writes the mark as an opaque text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.chain.as_bytes().as_slice(),
            &self.seq.to_be_bytes(),
            &self.hash,
        ];
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&parts.concat()))
    }
}

impl std::str::FromStr for Mark {
    type Err = InvalidMark;

    fn from_str(text: &str) -> Result<Self, InvalidMark> {
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| InvalidMark)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| InvalidMark)?;
        let (chain, rest) = bytes.split_at(16);
        let (seq, hash) = rest.split_at(8);
        Ok(Self {
            chain: Uuid::from_slice(chain).map_err(|_| InvalidMark)?,
            seq: u64::from_be_bytes(seq.try_into().map_err(|_| InvalidMark)?),
            hash: hash.try_into().map_err(|_| InvalidMark)?,
        })
    }
}

/// A text that is no [`Mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an id of an event of this server; take it from the last event, or leave it out to begin with what happens now"
)]
pub struct InvalidMark;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_from_its_text_and_fits_one_record_alone() {
        let place = ChainHead {
            chain: Uuid::from_u128(7),
            seq: 4711,
            chain_hash: [9; 32],
        };
        let mark: Mark = Mark::from(place).to_string().parse().unwrap();
        assert!(mark.is_of(&place));
        let others = [
            ChainHead { seq: 4710, ..place },
            ChainHead {
                chain: Uuid::from_u128(8),
                ..place
            },
            ChainHead {
                chain_hash: [8; 32],
                ..place
            },
        ];
        assert!(!others.iter().any(|other| mark.is_of(other)));
    }

    #[test]
    fn what_is_no_mark_is_refused() {
        for wrong in ["", "x", "!", "AAAA", &"A".repeat(44), "é"] {
            assert_eq!(wrong.parse::<Mark>(), Err(InvalidMark), "{wrong}");
        }
    }
}
