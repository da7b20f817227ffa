//! Checkpoints: signed notes of how far a ledger had come.
//!
//! The hashes of a ledger show that something in it was changed. They do not show that its newest records were cut off, or
//! that all of it was written anew. Whoever keeps a checkpoint knows that a record of this number and hash was there.
//!
//! ```text
//! signed bytes = "session-buddy checkpoint 1", 0x00, lp(public key) lp(chain uuid) lp(seq u64) lp(chain_hash)
//!                lp(made_at i64, microseconds since 1970), numbers big-endian, lp as in the ledger
//! signature    = Ed25519 (RFC 8032)
//! ```
//!
//! A checkpoint is no ledger record. As one it would be cut off along with what it is to protect, and each would be news
//! that the next one has to be about.

mod files;
mod key;

use data_encoding::HEXLOWER;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use session_model::Timestamp;
use uuid::Uuid;

pub use files::{CheckpointFiles, ReadError};
pub use key::{Key, KeyError};

use super::ledger::Hash;

/// The version of these bytes.
const FORMAT: u16 = 1;
/// Keeps a signature from meaning anything elsewhere.
const DOMAIN: &[u8] = b"session-buddy checkpoint 1\0";

/// An Ed25519 public key.
pub type PublicKey = [u8; 32];

/// The newest record of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The chain.
    pub chain: Uuid,
    /// The number of the record.
    pub seq: u64,
    /// Its hash, which covers all records before it.
    pub chain_hash: Hash,
}

/// A signed note of how far a ledger had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Checkpoint {
    head: ChainHead,
    made_at: Timestamp,
    public_key: PublicKey,
    signature: [u8; 64],
}

impl Checkpoint {
    /// Signs what the newest record is.
    pub fn sign(head: ChainHead, made_at: Timestamp, key: &Key) -> Self {
        let public_key = key.public();
        Self {
            signature: key.sign(&signed_bytes(&public_key, &head, made_at)),
            head,
            made_at,
            public_key,
        }
    }

    /// Tells whether the key that it names signed it.
    pub fn is_signed(&self) -> bool {
        let bytes = signed_bytes(&self.public_key, &self.head, self.made_at);
        UnparsedPublicKey::new(&ED25519, self.public_key)
            .verify(&bytes, &self.signature)
            .is_ok()
    }

    /// The record that was the newest.
    pub const fn head(&self) -> &ChainHead {
        &self.head
    }

    /// When it was made, by the clock of whoever made it.
    pub const fn made_at(&self) -> Timestamp {
        self.made_at
    }

    /// The key that it says signed it.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Reads a file's content.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Writes a file's content.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("it is plain text and numbers");
        format!("{json}\n")
    }
}

fn signed_bytes(public_key: &PublicKey, head: &ChainHead, made_at: Timestamp) -> Vec<u8> {
    let mut bytes = DOMAIN.to_vec();
    let mut field = |field: &[u8]| {
        let length = u32::try_from(field.len()).expect("no field is over 32 bytes");
        bytes.extend(length.to_be_bytes());
        bytes.extend(field);
    };
    field(public_key);
    field(head.chain.as_bytes());
    field(&head.seq.to_be_bytes());
    field(&head.chain_hash);
    field(&made_at.as_micros().to_be_bytes());
    bytes
}

/// A checkpoint as its file has it. A field that is not known is refused, since nobody signed it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u16,
    chain: String,
    seq: u64,
    chain_hash: String,
    made_at: Timestamp,
    public_key: String,
    signature: String,
}

impl From<Checkpoint> for Written {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            format: FORMAT,
            chain: checkpoint.head.chain.to_string(),
            seq: checkpoint.head.seq,
            chain_hash: HEXLOWER.encode(&checkpoint.head.chain_hash),
            made_at: checkpoint.made_at,
            public_key: HEXLOWER.encode(&checkpoint.public_key),
            signature: HEXLOWER.encode(&checkpoint.signature),
        }
    }
}

impl TryFrom<Written> for Checkpoint {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        if written.format != FORMAT {
            let found = written.format;
            return Err(format!("format: {found} is not known, {FORMAT} is"));
        }
        let chain = Uuid::try_parse(&written.chain).map_err(|_| "chain: no UUID")?;
        Ok(Self {
            head: ChainHead {
                chain,
                seq: written.seq,
                chain_hash: bytes("chain_hash", &written.chain_hash)?,
            },
            made_at: written.made_at,
            public_key: bytes("public_key", &written.public_key)?,
            signature: bytes("signature", &written.signature)?,
        })
    }
}

fn bytes<const LENGTH: usize>(field: &str, text: &str) -> Result<[u8; LENGTH], String> {
    let decoded = HEXLOWER.decode(text.as_bytes()).ok();
    decoded
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("{field}: not {} hexadecimal digits", 2 * LENGTH))
}

/// Why a checkpoint and a ledger do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// It is not as it was signed.
    #[error("its signature is wrong: it was edited")]
    Signature,
    /// Somebody else signed it.
    #[error("it was signed with key {}, and checkpoint.key is {}", short(.found), short(.expected))]
    OtherKey {
        /// The key that signed it.
        found: PublicKey,
        /// The key that should have.
        expected: PublicKey,
    },
    /// It is about another ledger.
    #[error(
        "it is of chain {0}, which is not in this database: the ledger was begun anew, or it is another one's"
    )]
    OtherChain(Uuid),
    /// The ledger is shorter than it was.
    #[error(
        "the ledger ends at record {ends_at}, and record {seq} was there at {made_at}: its newest records were cut off, or an \
         older copy was put back"
    )]
    Shorter {
        /// Where the ledger ends now.
        ends_at: u64,
        /// What was its newest record.
        seq: u64,
        /// When.
        made_at: Timestamp,
    },
    /// Another record stands in its place.
    #[error("record {seq} is not the one that was there at {made_at}: the ledger was written anew")]
    OtherHash {
        /// The number of the record.
        seq: u64,
        /// When the other one was there.
        made_at: Timestamp,
    },
}

/// Writes as much of a key as people compare.
pub fn short(key: &PublicKey) -> String {
    HEXLOWER.encode(&key[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of RFC 8032, section 7.1, test 1.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    fn checkpoint() -> Checkpoint {
        let head = ChainHead {
            chain: Uuid::from_u128(0x0192_e4a0_0000_7000_8000_0000_0000_00aa),
            seq: 4711,
            chain_hash: [7; 32],
        };
        let key = Key::from_pem(PEM).unwrap();
        let made_at = Timestamp::from_micros(1_770_415_498_123_456).unwrap();
        Checkpoint::sign(head, made_at, &key)
    }

    /// Computed with Python's struct and `openssl pkeyutl -sign -rawin` from the description above.
    #[test]
    fn golden_vector() {
        let checkpoint = checkpoint();
        let bytes = signed_bytes(&checkpoint.public_key, &checkpoint.head, checkpoint.made_at);
        assert_eq!(
            HEXLOWER.encode(&bytes),
            "73657373696f6e2d627564647920636865636b706f696e7420310000000020d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a000000100192e4a00000700080000000000000aa0000000800000000000012670000002007070707070707070707070707070707070707070707070707070707070707070000000800064a2efaded8c0"
        );
        insta::assert_snapshot!(checkpoint.to_json(), @r#"
        {
          "format": 1,
          "chain": "0192e4a0-0000-7000-8000-0000000000aa",
          "seq": 4711,
          "chain_hash": "0707070707070707070707070707070707070707070707070707070707070707",
          "made_at": "2026-02-06T22:04:58.123456Z",
          "public_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
          "signature": "e70b73b77e861b7ccccd50019be9223785ab176e19c22a625e4d2a0c301afdaab83c4902c340f30e908a5cff1259778a81cc461c33f82dee3ec3ee5b23e65c05"
        }
        "#);
    }

    #[test]
    fn a_checkpoint_that_is_read_is_the_one_that_was_written() {
        let read = Checkpoint::read(checkpoint().to_json().as_bytes()).unwrap();
        assert_eq!(read, checkpoint());
        assert!(read.is_signed());
    }

    #[test]
    fn every_field_is_signed() {
        let json = serde_json::to_value(checkpoint()).unwrap();
        for (field, value) in [
            ("chain", "0192e4a0-0000-7000-8000-0000000000ab".into()),
            ("seq", 4712.into()),
            ("chain_hash", "08".repeat(32).into()),
            ("made_at", "2026-02-06T22:04:58.123457Z".into()),
            (
                "public_key",
                HEXLOWER.encode(&Key::generate().public()).into(),
            ),
            ("signature", "00".repeat(64).into()),
        ] {
            let mut edited = json.clone();
            edited[field] = value;
            let read: Checkpoint = serde_json::from_value(edited).unwrap();
            assert!(!read.is_signed(), "{field}");
        }
    }

    #[test]
    fn what_is_no_checkpoint_is_told_by_field() {
        let json = serde_json::to_value(checkpoint()).unwrap();
        for (field, value, told) in [
            ("format", 2.into(), "format: 2 is not known"),
            ("chain", "x".into(), "chain: no UUID"),
            (
                "chain_hash",
                "07".into(),
                "chain_hash: not 64 hexadecimal digits",
            ),
            (
                "signature",
                "Ff".repeat(64).into(),
                "signature: not 128 hexadecimal digits",
            ),
            ("note", "unsigned".into(), "unknown field `note`"),
        ] {
            let mut edited = json.clone();
            edited[field] = value;
            let error = serde_json::from_value::<Checkpoint>(edited).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
