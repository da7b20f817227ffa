//! The bytes of the ledger and their hashes, version 1.
//!
//! ```text
//! lp(x)              = length as u32, big-endian, then the bytes; null = length 0xFFFFFFFF
//! header             = lp(chain uuid) lp(seq u64) lp(format u16) lp(kind) lp(session_id)
//!                      lp(received_at i64, microseconds since 1970) lp(payload_commitment), numbers big-endian
//! payload_commitment = SHA-256(0x10 ‖ salt ‖ payload)
//! leaf_hash          = SHA-256(0x00 ‖ header)                       (an RFC 6962 leaf)
//! chain_hash         = SHA-256(0x02 ‖ previous chain_hash ‖ leaf_hash)
//! ```
//!
//! Seq 0 is a row of kind `genesis` without session and payload; its previous hash is 32 zero bytes. So it commits to
//! the chain's id and format. The payload can be erased later without breaking a hash: only its commitment is hashed,
//! and the salt keeps the commitment from being guessed back.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The version of these bytes.
pub const FORMAT: u16 = 1;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Random bytes that keep a commitment from being guessed back.
pub type Salt = [u8; 32];

/// The kind of the first record of a chain.
pub const GENESIS: &str = "genesis";
/// The kind of a record of an act that is about no session.
pub const ADMIN: &str = "admin";

/// What the hash of a record covers.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The chain.
    pub chain: Uuid,
    /// Place in the chain, without gaps.
    pub seq: u64,
    /// Version of the bytes.
    pub format: u16,
    /// What kind of record it is.
    pub kind: &'a str,
    /// The session that it is about.
    pub session_id: Option<&'a str>,
    /// When it was received, microseconds since 1970.
    pub received_at: i64,
    /// What its payload is committed to by.
    pub payload_commitment: Option<&'a Hash>,
}

impl Header<'_> {
    /// Gives the hash of the record.
    pub fn leaf_hash(&self) -> Hash {
        let mut hasher = Sha256::new_with_prefix([0x00]);
        let mut field = |bytes: Option<&[u8]>| {
            // No field comes near 4 GiB: a session id has at most 200 code points.
            let length = bytes.map_or(u32::MAX, |bytes| {
                u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1)
            });
            hasher.update(length.to_be_bytes());
            hasher.update(bytes.unwrap_or_default());
        };
        field(Some(self.chain.as_bytes()));
        field(Some(&self.seq.to_be_bytes()));
        field(Some(&self.format.to_be_bytes()));
        field(Some(self.kind.as_bytes()));
        field(self.session_id.map(str::as_bytes));
        field(Some(&self.received_at.to_be_bytes()));
        field(self.payload_commitment.map(Hash::as_slice));
        hasher.finalize().into()
    }
}

/// Commits to a payload.
pub fn payload_commitment(salt: &Salt, payload: &[u8]) -> Hash {
    Sha256::new_with_prefix([0x10])
        .chain_update(salt)
        .chain_update(payload)
        .finalize()
        .into()
}

/// Links a record to the one before it; the first one to 32 zero bytes.
pub fn chain_hash(previous: &Hash, leaf: &Hash) -> Hash {
    Sha256::new_with_prefix([0x02])
        .chain_update(previous)
        .chain_update(leaf)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    const CHAIN: Uuid = Uuid::from_u128(0x0192_e4a0_0000_7000_8000_0000_0000_00aa);

    /// Computed with Python's hashlib and struct from the description above.
    #[test]
    fn golden_vectors() {
        let genesis = Header {
            chain: CHAIN,
            seq: 0,
            format: FORMAT,
            kind: GENESIS,
            session_id: None,
            received_at: 1_770_415_498_123_456,
            payload_commitment: None,
        };
        let leaf = genesis.leaf_hash();
        assert_eq!(
            HEXLOWER.encode(&leaf),
            "4e0106942edabfca9e9e18c068cd84ec244809faad7f1d7ca3cfa1ced4262375"
        );
        let chain = chain_hash(&[0; 32], &leaf);
        assert_eq!(
            HEXLOWER.encode(&chain),
            "88d0104021f55d23ba08ffeffe6e998466576d6115847ea9b4ee7ab5b86a2469"
        );

        let commitment = payload_commitment(&[7; 32], br#"{"event":null}"#);
        assert_eq!(
            HEXLOWER.encode(&commitment),
            "83fcc61ae5b5147d00e4312b62e704cb371ca7f2e294deeaf3b3e211b610816f"
        );
        let start = Header {
            seq: 1,
            kind: "start",
            session_id: Some("mahavishnu-20260206-220458-z3ucgb7g"),
            received_at: -1,
            payload_commitment: Some(&commitment),
            ..genesis
        };
        let leaf = start.leaf_hash();
        assert_eq!(
            HEXLOWER.encode(&leaf),
            "90eead4aa1854f64f51861e3cf18ae986f07b6f9677a2bd5eca407a579dc3d9d"
        );
        assert_eq!(
            HEXLOWER.encode(&chain_hash(&chain, &leaf)),
            "1d49bde5a60b49832db82bc3520f70dea47571a0a464d3db278c3abe114313fd"
        );
    }
}
