//! Who began a session in a quarter of an hour: all that unique users need, in any zone, in two bytes for a session.
//!
//! Packed are the series, each with how many bytes follow for its users; of a number the distance from the one before.

use super::Presence;
use crate::analytics::packed::{put, take, take_bytes};

pub(super) fn pack(presence: &Presence) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 * presence.len());
    let mut series_before = 0;
    let mut members = presence.iter().peekable();
    while let Some((series, _)) = members.peek() {
        let (series, mut users, mut user_before) = (*series, Vec::new(), 0);
        while let Some((_, user)) = members.next_if(|(of, _)| *of == series) {
            put(&mut users, (user - user_before).unsigned_abs());
            user_before = *user;
        }
        put(&mut bytes, (series - series_before).unsigned_abs());
        put(&mut bytes, users.len() as u64);
        bytes.extend(users);
        series_before = series;
    }
    bytes
}

/// Visits the users of those series that are wanted; `None` where it is not packed so.
pub(super) fn visit(
    mut bytes: &[u8],
    wanted: impl Fn(i64) -> bool,
    mut each: impl FnMut(i64, i64),
) -> Option<()> {
    let mut series = 0;
    while !bytes.is_empty() {
        series = next(series, &mut bytes)?;
        let length = take(&mut bytes)?;
        let mut users = take_bytes(&mut bytes, length)?;
        if !wanted(series) {
            continue;
        }
        let mut user = 0;
        while !users.is_empty() {
            user = next(user, &mut users)?;
            each(series, user);
        }
    }
    Some(())
}

fn next(number: i64, bytes: &mut &[u8]) -> Option<i64> {
    number.checked_add_unsigned(take(bytes)?)
}

/// Reads all of it; `None` where it is not packed so.
pub(super) fn unpack(bytes: &[u8]) -> Option<Presence> {
    let mut presence = Presence::new();
    visit(
        bytes,
        |_| true,
        |series, user| {
            presence.insert((series, user));
        },
    )?;
    Some(presence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_read(presence in prop::collection::btree_set((1i64..5, 1i64..5_000), 0..60)) {
            prop_assert_eq!(unpack(&pack(&presence)), Some(presence));
        }

        #[test]
        fn other_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            unpack(&bytes);
        }
    }

    #[test]
    fn a_session_takes_two_bytes_or_less() {
        let presence: Presence = (1..=6)
            .flat_map(|series| (0..16).map(move |n| (series, n * 100)))
            .collect();
        assert!(pack(&presence).len() <= 2 * presence.len());
    }
}
