//! Numbers packed into bytes as LEB128: seven bits a byte, the lowest first. Of signed ones the sign is the lowest bit, so
//! that small ones are short.

/// Writes a number.
pub(crate) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7F;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Writes a number that may be negative.
pub(crate) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Reads a number and goes on behind it; `None` where none stands.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    // Most are short.
    if let Some((byte, rest)) = bytes.split_first().filter(|(byte, _)| **byte < 0x80) {
        *bytes = rest;
        return Some(u64::from(*byte));
    }
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let low = u64::from(byte & 0x7F);
        if low << shift >> shift != low {
            return None;
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Reads a number that may be negative.
pub(crate) fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = take(bytes)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

/// Takes as many bytes off the front; `None` where there are fewer.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let count = usize::try_from(count).ok()?;
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_numbers_are_short() {
        let length = |number| {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            bytes.len()
        };
        assert_eq!([0, -1, 63, -64, 64].map(length), [1, 1, 1, 1, 2]);
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(number: i64, unsigned: u64, rest: Vec<u8>) {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            put(&mut bytes, unsigned);
            bytes.extend(&rest);
            let mut left = bytes.as_slice();
            prop_assert_eq!(take_signed(&mut left), Some(number));
            prop_assert_eq!(take(&mut left), Some(unsigned));
            prop_assert_eq!(left, rest);
        }

        #[test]
        fn a_number_that_is_cut_short_or_too_long_is_none(bytes in prop::collection::vec(0x80u8.., 0..12)) {
            prop_assert_eq!(take(&mut bytes.as_slice()), None);
        }
    }
}
