//! Ids that nobody has used before.

use session_model::{EventId, Timestamp};
use uuid::Builder;

/// Gives an id of version 7 (RFC 9562): the time that it is told, to the millisecond, and 74 bits of chance, so that a test
/// that sets both gets the same ids again.
pub(crate) fn fresh_id(now: Timestamp) -> EventId {
    let millis = u64::try_from(now.as_micros().div_euclid(1000)).unwrap_or_default();
    let chance = fastrand::u128(..).to_le_bytes();
    let (chance, _) = chance.split_first_chunk().expect("16 bytes begin with 10");
    let id = Builder::from_unix_timestamp_millis(millis, chance).into_uuid();
    EventId::new(id).expect("a version 7 UUID is never nil")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_time_and_is_never_the_same() {
        let now: Timestamp = "2026-02-06T22:05:00.123456Z".parse().unwrap();
        let (one, other) = (fresh_id(now).to_string(), fresh_id(now).to_string());
        assert_eq!(one[..15], *"019c34fc-ab5b-7");
        assert_eq!(one[..15], other[..15]);
        assert_ne!(one, other);
    }
}
