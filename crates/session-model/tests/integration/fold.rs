//! The fold: a session is the set of its records.

use proptest::prelude::*;
use serde_json::json;
use session_model::{
    ByHand, Counters, EndKnownBy, Fact, Field, Gap, Imported, Loss, LossCause, Origin, Report,
    Revival, Session, SessionEndEvent, SessionHeartbeatEvent, SessionStatus, Started, Timestamp,
    Transport,
    fold::{Accepted, Vitals},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `second` seconds after the start of the session.
fn second(second: i64) -> Timestamp {
    Timestamp::from_micros(crate::start().timestamp.as_micros() + second * 1_000_000).unwrap()
}

fn accepted(received_at: Timestamp, fact: Fact) -> Accepted {
    let origin = Origin {
        transport: Transport::Unix,
        address: None,
        uid: Some(1000),
    };
    Accepted {
        received_at,
        origin: Some(origin),
        subject: None,
        fact,
    }
}

pub(crate) fn started(received_at: &str) -> Accepted {
    let started = Started {
        event: crate::start(),
        skew_micros: Some(1_500),
    };
    accepted(at(received_at), Fact::Start(Box::new(started)))
}

pub(crate) fn vitals(last_seen: &str) -> Vitals {
    Vitals {
        last_seen: at(last_seen),
        counters: Counters::default(),
        lease_expires_at: None,
    }
}

fn counters(count: i64) -> Counters {
    Counters {
        command_count: Some(count),
        error_count: Some(0),
        last_error: None,
    }
}

fn heartbeat() -> SessionHeartbeatEvent {
    let id = crate::start().session_id();
    SessionHeartbeatEvent::from_json(
        &json!({"session_id": id, "timestamp": "2026-02-06T23:00:00Z"}),
    )
    .unwrap()
}

fn end(second_of_end: i64) -> SessionEndEvent {
    let id = crate::start().session_id();
    SessionEndEvent::from_json(&json!({
        "session_id": id,
        "timestamp": second(second_of_end),
        "exit_reason": "exit",
        "command_count": 10,
        "error_count": 5,
        "last_error": "no such order",
    }))
    .unwrap()
}

fn lost(cause: LossCause, round: u32, received: i64) -> Accepted {
    accepted(
        second(received),
        Fact::Lost(Box::new(Loss {
            cause,
            round,
            end_time: second(received - 90),
            last_seen: second(received - 90),
            closed_by: None,
            counters: counters(received),
            event: None,
        })),
    )
}

fn revived(round: u32, received: i64) -> Accepted {
    let gap = Gap {
        from: second(received - 100),
        to: second(received),
    };
    accepted(
        second(received),
        Fact::Revived(Box::new(Revival {
            round,
            gap,
            event: heartbeat(),
        })),
    )
}

fn by_hand(received: i64) -> Accepted {
    accepted(
        second(received),
        Fact::ClosedByHand(Box::new(ByHand {
            by: "les".to_owned(),
            reason: Some("left open".to_owned()),
            last_seen: second(received - 60),
            counters: counters(received),
        })),
    )
}

fn ended(received: i64) -> Accepted {
    let event = end(received - 1);
    accepted(
        second(received),
        Fact::Ended(Box::new(Report {
            counters: Counters::from(&event),
            event,
        })),
    )
}

/// Any set of records that a tracker accepts for one session, and more: each kind or not, in any number of rounds.
fn records() -> impl Strategy<Value = Vec<Accepted>> {
    let rounds = (0_u32..4, any::<bool>());
    let others = prop::collection::vec(any::<bool>(), 4);
    // Receipt times are unordered: the server's clock may be stepped.
    let received = prop::collection::vec(100_i64..10_000, 16);
    (rounds, others, received).prop_map(|((rounds, lost_again), others, received)| {
        let mut received = received.into_iter();
        let mut time = || received.next().unwrap();
        let mut records = vec![started("2026-02-06T22:05:00Z")];
        for round in 0..rounds {
            records.push(lost(LossCause::LeaseExpired, round, time()));
            records.push(revived(round, time()));
        }
        if lost_again {
            records.push(lost(LossCause::LeaseExpired, rounds, time()));
        }
        let optional = [
            lost(LossCause::ProcessGone, rounds, time()),
            by_hand(time()),
            ended(time()),
            ended(time()),
        ];
        records.extend(
            optional
                .into_iter()
                .zip(others)
                .filter_map(|(record, there)| there.then_some(record)),
        );
        records
    })
}

proptest! {
    #[test]
    fn the_fold_does_not_depend_on_order(
        (records, shuffled) in records().prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
    ) {
        prop_assert_eq!(Session::fold(records), Session::fold(shuffled));
    }

    #[test]
    fn the_fold_does_not_depend_on_repetition(records in records()) {
        let twice = records.iter().chain(&records).cloned();
        prop_assert_eq!(Session::fold(twice), Session::fold(records.clone()));
    }

    /// However a session came to stand as it does, its record alone tells all of that.
    #[test]
    fn a_session_that_is_told_by_its_record_has_that_record(records in records()) {
        let session = Session::fold(records).unwrap();
        let record = session.record(&vitals("2026-02-06T22:05:00Z"));
        let imported = Imported::of(&record).unwrap();
        prop_assert_eq!(&imported.record(), &record);
        let told = accepted(second(20_000), Fact::Imported(Box::new(imported)));
        let payload = told.payload();
        let back = Accepted::from_payload(told.fact.kind(), told.received_at, &payload).unwrap();
        prop_assert_eq!(&back, &told);
        let again = Session::begin(back).unwrap();
        prop_assert!(again.is_imported() && !session.is_imported());
        prop_assert_eq!(again.rounds(), session.rounds());
        prop_assert_eq!(again.strength(), session.strength());
        prop_assert_eq!(again.record(&vitals("2026-02-06T22:05:00Z")), record);
    }

    #[test]
    fn a_payload_reads_back_as_the_record_that_it_was(records in records()) {
        for record in records {
            let payload = record.payload();
            let back = Accepted::from_payload(record.fact.kind(), record.received_at, &payload).unwrap();
            prop_assert_eq!(&back, &record);
            prop_assert_eq!(back.payload(), payload);
        }
    }
}

#[test]
fn the_strongest_claim_stands() {
    let vitals = vitals("2026-02-06T22:05:00Z");
    let start = || started("2026-02-06T22:05:00Z");
    let known_by = |records: Vec<Accepted>| {
        let record = Session::fold(records).unwrap().record(&vitals);
        (record.status, record.end_known_by)
    };
    use SessionStatus::{Active, Ended, Lost};
    assert_eq!(known_by(vec![start()]), (Active, None));
    let presumed = lost(LossCause::LeaseExpired, 0, 200);
    assert_eq!(
        known_by(vec![start(), presumed.clone()]),
        (Lost, Some(EndKnownBy::LeaseExpired))
    );
    let mut records = vec![presumed, start(), revived(0, 300)];
    assert_eq!(known_by(records.clone()), (Active, None));
    for (record, expected) in [
        (
            lost(LossCause::LeaseExpired, 1, 400),
            (Lost, Some(EndKnownBy::LeaseExpired)),
        ),
        (
            lost(LossCause::HostRestarted, 1, 350),
            (Lost, Some(EndKnownBy::HostRestarted)),
        ),
        (by_hand(150), (Ended, Some(EndKnownBy::ByHand))),
        (ended(120), (Ended, Some(EndKnownBy::Reported))),
        (
            lost(LossCause::ProcessGone, 1, 900),
            (Ended, Some(EndKnownBy::Reported)),
        ),
    ] {
        records.push(record);
        assert_eq!(known_by(records.clone()), expected);
    }
}

#[test]
fn the_record_of_an_estimate_names_its_bounds_and_the_record_of_a_report_does_not() {
    let vitals = vitals("2026-02-06T22:05:00Z");
    let mut session = Session::fold([
        started("2026-02-06T22:05:00Z"),
        lost(LossCause::LeaseExpired, 0, 690),
    ])
    .unwrap();
    let estimate = session.record(&vitals);
    assert_eq!(
        (estimate.end_earliest, estimate.end_latest),
        (Some(second(600)), Some(second(690)))
    );
    assert!(estimate.end_estimated);
    assert_eq!(
        (estimate.end_time, estimate.duration_seconds),
        (Some(second(600)), Some(600))
    );
    // Not reported, 30 off; 90 of 600 seconds wide, 4.5 off.
    assert_eq!(
        estimate.quality_score.map(session_model::Number::get),
        Some(65.5)
    );

    session.accept(ended(700));
    let report = session.record(&vitals);
    assert_eq!(
        (report.end_earliest, report.end_latest, report.end_estimated),
        (None, None, false)
    );
    assert_eq!(
        (report.end_time, report.duration_seconds),
        (Some(second(699)), Some(699))
    );
    assert_eq!(
        (report.error_occurred, report.error_message.as_deref()),
        (true, Some("no such order"))
    );
    // Half of the commands failed.
    assert_eq!(
        report.quality_score.map(session_model::Number::get),
        Some(80.0)
    );
}

#[test]
fn an_active_session_has_run_since_its_start_by_the_servers_clock() {
    use session_model::record::{ProofOfLife, STALE_AFTER};
    let none = ProofOfLife::None {
        stale_after: STALE_AFTER,
    };
    let received = second(60);
    let mut start = started("2026-02-06T22:05:00Z");
    start.received_at = received;
    let Fact::Start(started) = &mut start.fact else {
        unreachable!()
    };
    // The sender's clock is 50 s slow: the event was 10 s old when it came.
    started.skew_micros = Some(50_000_000);
    let record = Session::begin(start)
        .unwrap()
        .record(&vitals("2026-02-06T22:05:58.123456Z"));
    assert_eq!(record.duration_seconds, None);
    let now = received.saturating_add(jiff::SignedDuration::from_secs(5));
    let shown = record.clone().as_of(now, ProofOfLife::Given);
    assert_eq!(
        (shown.duration_seconds, shown.liveness.map(|l| l.as_str())),
        (Some(15), Some("live"))
    );
    // A clock that was stepped back never makes it negative.
    let shown = record.clone().as_of(at("2020-01-01T00:00:00Z"), none);
    assert_eq!(
        (shown.duration_seconds, shown.liveness.map(|l| l.as_str())),
        (Some(10), Some("unknown"))
    );
    let shown = record.as_of(at("2026-02-07T22:05:58.123456Z"), none);
    assert_eq!(shown.liveness.map(|l| l.as_str()), Some("stale"));
}

proptest! {
    #[test]
    fn counters_join_in_any_order(counts in prop::collection::vec((0_i64..5, 0_i64..5, 0_u8..3), 3)) {
        let [a, b, c]: [Counters; 3] = counts
            .into_iter()
            .map(|(commands, errors, error)| Counters {
                command_count: Some(commands),
                error_count: Some(errors),
                last_error: (error > 0).then(|| error.to_string()),
            })
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let one = a.clone().join(b.clone()).join(c.clone());
        prop_assert_eq!(&one, &c.clone().join(a.clone()).join(b.clone()));
        prop_assert_eq!(&one, &a.join(b.join(c)));
    }
}
