//! The record of a session is a function of what happened to it, not of the order in which that arrived.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use session_buddy::tracker::Tracker;
use session_model::SessionRecord;

use super::{
    desk::{Desk, desks, end, end_with, ended, heartbeat, start, tracked},
    happenings::happenings,
    model::ModelStore,
};

/// What can happen to a session between its start and the acknowledgement of its end.
#[derive(Clone, Copy, Debug)]
enum Step {
    Start,
    End,
    Heartbeat,
    Expire,
    ByHand,
    LostReport,
    ClockBack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::{ByHand, ClockBack, End, Expire, Heartbeat, LostReport, Start};
    let step = prop::sample::select(vec![
        Start, End, Heartbeat, Expire, ByHand, LostReport, ClockBack,
    ]);
    prop::collection::vec(step, 0..14)
}

/// What must be equal, however the events came: all but gaps, receipt times and skew.
fn essence(mut record: SessionRecord) -> SessionRecord {
    let fixed = record.start_time;
    record.gaps.clear();
    record.created_at = fixed;
    record.last_seen = fixed;
    record.skew_seconds = None;
    record
}

fn perform(desk: &Desk, number: u32, step: Step) {
    match step {
        Step::Start => drop(desk.start(start(number))),
        Step::End => drop(desk.end(end(number))),
        Step::Heartbeat => drop(desk.heartbeat(heartbeat(number, 3))),
        Step::Expire => desk.expire(),
        Step::ByHand => drop(desk.close_by_hand(number, true)),
        Step::LostReport => drop(desk.end(end_with(number, &json!({"exit_reason": "lost"})))),
        Step::ClockBack => desk.clock.step(-3_600),
    }
}

/// The client's side of the bargain: each event until it is acknowledged, the start again after `not_found`.
fn deliver_until_acknowledged(desk: &Desk, number: u32) {
    assert_eq!(desk.start(start(number)), tracked(number));
    assert_eq!(desk.end(end(number)), ended(number));
}

/// Lists whose answers differ by what became of a session.
const LISTS: [&[(&str, &str)]; 8] = [
    &[],
    &[("status", "lost,active")],
    &[("incomplete", "true")],
    &[("user", "les"), ("component", "mahavishnu")],
    &[("search", "mahavishnu \"such order\"")],
    &[("search", "les mbp-lo"), ("status", "ended")],
    &[("search", "nowhere")],
    &[("component", "mahavishnu,billing,mahavishnu")],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Late, repeated and reordered events never make the record less true. Heartbeats are not delivered again, so what
    /// they alone say is outside this law: the ends here carry their counters, as those of a sender that counts do.
    #[test]
    fn every_way_of_delivery_ends_in_the_same_record(
        // Copies of earlier deliveries arrive at any time, also after the end was acknowledged.
        before in steps(),
        after in steps(),
        neighbour in steps(),
    ) {
        let straight = ModelStore::default();
        let [model, sqlite] = desks();
        let in_order = Desk {
            tracker: Tracker::new(Arc::new(straight), model.clock.clock()),
            ..desks().into_iter().next().unwrap()
        };
        deliver_until_acknowledged(&in_order, 1);
        let expected = essence(in_order.record(1));
        for desk in [model, sqlite] {
            let mut neighbours = neighbour.iter();
            for step in &before {
                perform(&desk, 1, *step);
                if let Some(step) = neighbours.next() {
                    perform(&desk, 2, *step);
                }
            }
            deliver_until_acknowledged(&desk, 1);
            for step in &after {
                perform(&desk, 1, *step);
            }
            prop_assert_eq!(essence(desk.record(1)), expected.clone());
        }
    }

    /// The real store is the model.
    #[test]
    fn both_stores_agree_after_every_step(steps in steps()) {
        let [model, sqlite] = desks();
        for desk in [&model, &sqlite] {
            desk.start(start(1));
        }
        for step in steps {
            perform(&model, 1, step);
            perform(&sqlite, 1, step);
            prop_assert_eq!(model.record(1), sqlite.record(1), "after {:?}", step);
            for pairs in LISTS {
                prop_assert_eq!(model.listed(pairs), sqlite.listed(pairs), "{:?} after {:?}", pairs, step);
            }
        }
        prop_assert_eq!(happenings(&model, 3), happenings(&sqlite, 2));
    }
}
