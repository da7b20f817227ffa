//! Payloads of the ledger as they lie in the database.
//!
//! What is hashed and what leaves the store are a payload's own bytes, compact JSON. Most of that is the same in every payload:
//! keys, and what hardly differs from one shell to the next. So most payloads lie packed: the byte [`PACKED`], their length as
//! u32, little-endian, and an LZ4 block with [`DICTIONARY`]. A start of 614 bytes lies in 246 (the one of the tests below), which
//! a commit does not have to write either. A payload that lies as it is begins with a brace, as every one did before this.

use std::borrow::Cow;

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_into_with_dict};
use rusqlite::Row;

/// The first byte of what is packed with [`DICTIONARY`]; no JSON begins with it.
const PACKED: u8 = 1;

/// What payloads have in common. It can never be changed: what was packed with it can only be unpacked with it. Another
/// dictionary needs another first byte.
const DICTIONARY: &[u8] = include_bytes!("payload/dictionary-1.txt");

/// No byte of an LZ4 block stands for more bytes than this (LZ4 block format: a byte of a length adds 255 at most), so
/// a damaged length takes no more memory than the block could fill.
const LARGEST_RATIO: usize = 255;

/// Gives a payload as it is put down: packed where that is shorter.
pub(super) fn pack(payload: Vec<u8>) -> Vec<u8> {
    let block = compress_prepend_size_with_dict(&payload, DICTIONARY);
    if block.len() + 1 >= payload.len() && payload.first() != Some(&PACKED) {
        return payload;
    }
    let mut packed = Vec::with_capacity(block.len() + 1);
    packed.push(PACKED);
    packed.extend(block);
    packed
}

/// Reads a payload from a column, as [`unpack`] gives it. What cannot be unpacked is no JSON and fits no commitment, which is
/// what the one who reads it has to say anyway.
pub(super) fn read<'row>(row: &'row Row<'_>, column: usize) -> rusqlite::Result<Cow<'row, [u8]>> {
    Ok(unpack(row.get_ref(column)?.as_blob()?))
}

/// Gives the payload, the bytes that are hashed, of what lies in the column of that name: of what cannot be unpacked, what
/// lies there.
pub fn unpack(stored: &[u8]) -> Cow<'_, [u8]> {
    unpacked(stored).map_or(Cow::Borrowed(stored), Cow::Owned)
}

fn unpacked(stored: &[u8]) -> Option<Vec<u8>> {
    let (&[PACKED, ref length @ ..], block) = stored.split_first_chunk::<5>()? else {
        return None;
    };
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > block.len().saturating_mul(LARGEST_RATIO) {
        return None;
    }
    let mut payload = vec![0; length];
    let filled = decompress_into_with_dict(block, &mut payload, DICTIONARY).ok()?;
    (filled == length).then_some(payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    /// A start as a shell of ours sends it.
    const START: &str = r#"{"event":{"component_name":"billing","emitter_id":"01a21f0b-0c6e-7f7b-b0bc-550d42d05ea9","environment":{"cwd":"/srv/billing","platform":"Linux-6.12.48-x86_64","python_version":""},"event_id":"01a21f0b-0c6e-72e2-aedb-9b16368db5e2","event_type":"session_start","event_version":"1.0","heartbeat_interval_seconds":30,"hostname":"web-3","metadata":{},"pid":11742,"runtime":"rust 1.95.0","sequence":0,"session_type":"admin_shell","shell_type":"BillingShell","timestamp":"2026-11-27T22:05:47.502949Z","user":{"home":"/home/les","username":"les"}},"judgement":{"skew_micros":1547},"origin":{"transport":"unix","uid":1000}}"#;

    #[test]
    fn the_dictionary_is_the_one_of_all_databases() {
        let hash = Sha256::digest(DICTIONARY);
        assert_eq!(
            data_encoding::HEXLOWER.encode(&hash),
            "7c2724b2371b8e7a33ea4c055417d2bb146a4e85213d88c450b61b3e2e249380"
        );
    }

    #[test]
    fn what_was_packed_once_is_unpacked() {
        let packed = data_encoding::HEXLOWER.decode(b"016602000007e1050d14057062696c6c696e6739040b6707f01332316630622d306336652d376637622d623062632d35353064343264303565613922260d0f2f0501467372762f58000f2705032334382005003c030cf304000a0102c80400c600009b05088d00f0063265322d616564622d396231363336386462356532c100010b05038702040f030ffa042f0012028a223a227765622d33dc04147da10c4f31373432a7033e12429a010484030d0d03f00631312d32375432323a30353a34372e3530323934390d03000b0c00160200f20205230c206c654807001b0003d0000011000fc4020c3f35343767021260313030307d7d").unwrap();
        assert_eq!(unpack(&packed), START.as_bytes());
    }

    #[test]
    fn a_start_takes_less_than_half() {
        let packed = pack(START.into());
        assert!(packed.len() < START.len() / 2, "{}", packed.len());
    }

    #[test]
    fn what_is_short_or_old_lies_as_it_is() {
        for payload in ["", "{}", START] {
            assert_eq!(unpack(payload.as_bytes()), payload.as_bytes());
        }
        assert_eq!(pack(b"{}".into()), b"{}");
    }

    #[test]
    fn a_length_beyond_all_bounds_takes_no_memory() {
        let mut packed = pack(START.into());
        packed[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(unpack(&packed), packed);
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(payload in prop::collection::vec(any::<u8>(), 0..2_000), first in 0..3_u8) {
            let payload = [vec![first], payload].concat();
            let packed = pack(payload.clone());
            prop_assert_eq!(unpack(&packed).into_owned(), payload);
        }

        #[test]
        fn text_comes_back(text in "[a-z\":{},0-9]{0,400}", times in 1..50_usize) {
            let payload = text.repeat(times).into_bytes();
            let packed = pack(payload.clone());
            prop_assert_eq!(unpack(&packed).into_owned(), payload);
        }

        #[test]
        fn anything_is_unpacked_or_lies_as_it_is(stored in prop::collection::vec(any::<u8>(), 0..300), length in 0..2_000_u32) {
            let stored = [vec![PACKED], length.to_le_bytes().to_vec(), stored].concat();
            let payload = unpack(&stored);
            prop_assert!(payload.len() == usize::try_from(length).unwrap() || payload.as_ref() == stored);
        }
    }
}
