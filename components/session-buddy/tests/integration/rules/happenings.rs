//! What happened is told as it was, to whoever reads the ledger.

use serde_json::json;
use session_buddy::store::{
    checkpoint::ChainHead,
    happening::{Mark, Sought},
};
use session_model::{SessionRecord, SessionStatus, Timestamp, fold::Kind};

use super::desk::{Desk, desks, end_with, start};

/// Gives all that happened, read some records at a time.
pub(super) fn happenings(desk: &Desk, limit: usize) -> Vec<(Kind, Timestamp, SessionRecord)> {
    let head = desk.tracker.head().borrow().unwrap();
    let (mut place, mut all) = (ChainHead { seq: 0, ..head }, Vec::new());
    while place.seq < head.seq {
        let read = desk.tracker.happenings(place, head, limit);
        let read = desk.runtime.block_on(read).unwrap();
        assert!(read.read_to.seq > place.seq, "it comes on");
        place = read.read_to;
        let told = read.found.into_iter();
        all.extend(told.map(|told| (told.kind, told.received_at, told.session)));
    }
    all
}

#[test]
fn what_happened_is_told_as_it_left_its_session_whenever_it_is_read() {
    for desk in desks() {
        desk.start(start(1));
        let begun = happenings(&desk, 256);
        desk.clock.advance(60);
        desk.end(end_with(1, &json!({})));
        let all = happenings(&desk, 256);
        assert_eq!(all[..1], begun[..], "the past does not change");
        let told: Vec<_> = all
            .iter()
            .map(|(kind, _, session)| (*kind, session.status, session.duration_seconds))
            .collect();
        let expected = [
            (Kind::Start, SessionStatus::Active, Some(1)),
            (Kind::End, SessionStatus::Ended, Some(3_599)),
        ];
        assert_eq!(told, expected);
        assert_eq!(begun[0].2.liveness, None);
    }
}

#[test]
fn a_reader_goes_on_after_a_record_or_from_a_time_and_only_in_the_ledger_that_it_read() {
    for desk in desks() {
        for number in 1..=5 {
            desk.start(start(number));
            desk.clock.advance(60);
        }
        let head = desk.tracker.head().borrow().unwrap();
        let locate = |sought| {
            let found = desk.runtime.block_on(desk.tracker.locate(sought, head));
            found.unwrap().map(|place| place.seq)
        };
        let mark = Mark::from(head);
        assert_eq!(locate(Sought::Mark(mark)), Some(5));
        let foreign = Mark {
            chain: uuid::Uuid::from_u128(7),
            ..mark
        };
        assert_eq!(locate(Sought::Mark(foreign)), None);
        assert_eq!(locate(Sought::Mark(Mark { seq: 6, ..mark })), None);
        let times = ["22:04:59", "22:05:00", "22:05:01", "22:08:00", "22:09:30"];
        let found = times.map(|time| {
            let time = format!("2026-02-06T{time}Z").parse().unwrap();
            locate(Sought::Before(time))
        });
        assert_eq!(found, [0, 0, 1, 3, 5].map(Some));
    }
}

#[test]
fn a_ledger_that_was_put_back_and_went_on_otherwise_is_another_one() {
    let [_, sqlite] = desks();
    sqlite.start(start(1));
    let head = sqlite.tracker.head().borrow().unwrap();
    let other = Mark {
        hash: [7; 8],
        ..Mark::from(head)
    };
    let locate = sqlite.tracker.locate(Sought::Mark(other), head);
    assert_eq!(sqlite.runtime.block_on(locate).unwrap(), None);
}
