//! Records as bytes.

/// How a file begins.
pub(super) const MAGIC: &[u8; 8] = b"SBSPOOL1";
/// How a record begins, so that reading can go on after a damaged one.
const MARKER: [u8; 2] = [0xA5, 0x5B];
/// Bytes before the body: marker, length, checksum, kind.
const HEAD: usize = 2 + 4 + 4 + 1;
/// The most bytes of a body: 256 KiB. The longest event is 16 KiB of metadata and less than 5,000 code points of texts,
/// each at most 6 bytes in JSON.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;

/// Writes a record behind `bytes`.
pub(super) fn encode(kind: u8, body: &[u8], bytes: &mut Vec<u8>) {
    let length = u32::try_from(body.len() + 1).expect("no body is over BODY_BYTES_MAX");
    bytes.extend(MARKER);
    bytes.extend(length.to_le_bytes());
    bytes.extend(checksum(length, kind, body).to_le_bytes());
    bytes.push(kind);
    bytes.extend(body);
}

fn checksum(length: u32, kind: u8, body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&length.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &[kind]), body)
}

/// A piece of a file behind its magic.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole record.
    Record {
        kind: u8,
        body: &'a [u8],
        /// Offset of its end.
        end: usize,
    },
    /// Bytes that are no record, with whole records behind them.
    Damage { bytes: usize },
    /// Bytes at the end that are no record.
    Torn { from: usize },
}

/// Reads the pieces of a file that begins with the magic.
pub(super) struct Pieces<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Pieces<'a> {
    /// Begins behind the magic; `None` where there is none.
    pub(super) fn of(file: &'a [u8]) -> Option<Self> {
        file.starts_with(MAGIC).then_some(Self {
            file,
            at: MAGIC.len(),
        })
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let from = self.at;
        if from >= self.file.len() {
            return None;
        }
        if let Some((kind, body, end)) = record_at(self.file, from) {
            self.at = end;
            return Some(Piece::Record { kind, body, end });
        }
        let whole = (from + 1..self.file.len()).find(|&at| record_at(self.file, at).is_some());
        self.at = whole.unwrap_or(self.file.len());
        Some(match whole {
            Some(next) => Piece::Damage { bytes: next - from },
            None => Piece::Torn { from },
        })
    }
}

/// Reads the record that begins at an offset: its kind, its body, and where it ends.
fn record_at(file: &[u8], at: usize) -> Option<(u8, &[u8], usize)> {
    let head = file.get(at..at + HEAD)?;
    if head[..2] != MARKER {
        return None;
    }
    let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let (length, crc, kind) = (number(2)?, number(6)?, head[HEAD - 1]);
    let body_bytes = usize::try_from(length).ok()?.checked_sub(1)?;
    if body_bytes > BODY_BYTES_MAX {
        return None;
    }
    let end = at + HEAD + body_bytes;
    let body = file.get(at + HEAD..end)?;
    (checksum(length, kind, body) == crc).then_some((kind, body, end))
}

/// Tells whether bytes begin like a record that is longer than they are.
pub(super) fn is_cut_short(bytes: &[u8]) -> bool {
    let Some(head) = bytes.get(..HEAD) else {
        return true;
    };
    let length = u32::from_le_bytes([head[2], head[3], head[4], head[5]]);
    usize::try_from(length).is_ok_and(|length| HEAD - 1 + length > bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bodies: &[&str]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        for body in bodies {
            encode(b'T', body.as_bytes(), &mut file);
        }
        file
    }

    fn bodies(file: &[u8]) -> (Vec<String>, usize, Option<usize>) {
        let (mut bodies, mut damage, mut torn) = (Vec::new(), 0, None);
        for piece in Pieces::of(file).unwrap() {
            match piece {
                Piece::Record { body, .. } => {
                    bodies.push(String::from_utf8(body.to_vec()).unwrap());
                }
                Piece::Damage { bytes } => damage += bytes,
                Piece::Torn { from } => torn = Some(from),
            }
        }
        (bodies, damage, torn)
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let written = ["", "one", "\u{a5}[\u{a5}["];
        assert_eq!(
            bodies(&file(&written)),
            (written.map(str::to_owned).to_vec(), 0, None)
        );
        assert!(Pieces::of(b"SBSPOOL2").is_none());
    }

    #[test]
    fn every_cut_leaves_the_whole_records_and_a_torn_tail() {
        let whole = file(&["one", "two"]);
        let first = file(&["one"]).len();
        for cut in first + 1..whole.len() {
            assert_eq!(
                bodies(&whole[..cut]),
                (vec!["one".to_owned()], 0, Some(first)),
                "{cut}"
            );
        }
    }

    #[test]
    fn every_flipped_bit_costs_one_record_and_no_other() {
        let whole = file(&["one", "two", "three"]);
        let (from, to) = (file(&["one"]).len(), file(&["one", "two"]).len());
        for at in from..to {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let expected = vec!["one".to_owned(), "three".to_owned()];
                assert_eq!(
                    bodies(&flipped),
                    (expected, to - from, None),
                    "byte {at}, bit {bit}"
                );
            }
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_damage() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(MARKER);
        bytes.extend(u32::MAX.to_le_bytes());
        bytes.extend([0; 20]);
        assert_eq!(bodies(&bytes), (Vec::new(), 0, Some(MAGIC.len())));
    }
}
