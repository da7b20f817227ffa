//! The rules about sessions, over a store of plain memory and over the real one.

mod arrival;
mod desk;
mod happenings;
mod model;

use std::time::Duration;

use serde_json::{Value, json};
use session_buddy::{
    auth::Voice,
    tracker::{Delivery, EndError, Event},
};
use session_model::{
    EndKnownBy, Field, Liveness as Life, SessionEndEvent, SessionEndResult, SessionHeartbeatResult,
    SessionStartEvent, SessionStartResult, SessionStatus,
};

use self::desk::{end_with, ended, heartbeat, tracked};

pub(crate) use desk::{Desk, delivery, desks, end, start, start_json};
pub(crate) use model::{ModelStore, TestClock};

#[test]
fn a_repeated_start_is_tracked_and_one_with_other_content_is_a_conflict() {
    for desk in desks() {
        assert_eq!(desk.start(start(1)), tracked(1));
        // The same instant in another zone, null metadata, another spelling of the id: the same content.
        let mut same = start_json(1);
        same["timestamp"] = json!("2026-02-06T23:04:58.123456789+01:00");
        same["event_id"] = json!(same["event_id"].as_str().unwrap().to_uppercase());
        same["unknown"] = json!(1);
        assert_eq!(
            desk.start(SessionStartEvent::from_json(&same).unwrap()),
            tracked(1)
        );
        let mut other = start_json(1);
        other["pid"] = json!(54321);
        let SessionStartResult::Error(refusal) =
            desk.start(SessionStartEvent::from_json(&other).unwrap())
        else {
            panic!("another content was taken")
        };
        assert_eq!(refusal.error_code.as_deref(), Some("CONFLICT"));
        assert_eq!(desk.record(1).pid, 12345);
    }
}

/// How somebody with a token brings an event, who may speak for its own sessions alone.
fn delivery_of(subject: &str) -> Delivery {
    let subject = Some(subject.to_owned());
    let delivery = delivery();
    Delivery {
        voice: Voice::of_own(subject.clone(), delivery.origin.clone(), None),
        subject,
        ..delivery
    }
}

#[test]
fn only_whoever_began_a_session_keeps_it_alive() {
    for mut desk in desks() {
        let begun = desk.tracker.start(start(1), delivery_of("les"));
        assert_eq!(desk.runtime.block_on(begun).unwrap(), tracked(1));
        let hear = |desk: &Desk, subject, commands| {
            let heard = desk
                .tracker
                .heartbeat(heartbeat(1, commands), delivery_of(subject));
            desk.runtime.block_on(heard).unwrap()
        };
        let alive = SessionHeartbeatResult::Alive {
            session_id: start(1).session_id().to_string(),
            lease_seconds: Some(90),
        };
        // Also for a server that has not heard of the session before.
        for restarted in [false, true] {
            if restarted {
                desk.restart();
            }
            for commands in 3..=5 {
                desk.wait(60);
                assert_eq!(hear(&desk, "les", commands), alive);
                let refused = hear(&desk, "ana", 1_000);
                assert!(
                    matches!(&refused, SessionHeartbeatResult::Error { refusal, .. }
                        if refusal.error_code.as_deref() == Some("FORBIDDEN")),
                    "{refused:?}"
                );
            }
            assert_eq!(desk.record(1).command_count, Some(5));
        }
        for _ in 0..3 {
            desk.wait(60);
            hear(&desk, "ana", 1_000);
        }
        let record = desk.record(1);
        assert_eq!(record.status, SessionStatus::Lost);
        assert_eq!(record.command_count, Some(5));
    }
}

#[test]
fn the_first_report_of_an_end_stays() {
    for desk in desks() {
        let unknown = SessionEndResult::NotFound {
            session_id: start(1).session_id().to_string(),
        };
        assert_eq!(desk.end(end(1)), unknown);
        desk.start(start(1));
        assert_eq!(desk.end(end(1)), ended(1));
        assert_eq!(
            desk.end(end_with(1, &json!({"timestamp": "2026-02-07T00:00:00Z"}))),
            ended(1)
        );
        let record = desk.record(1);
        assert_eq!(
            (record.status, record.end_known_by),
            (SessionStatus::Ended, Some(EndKnownBy::Reported))
        );
        assert_eq!(record.duration_seconds, Some(3599));
        assert_eq!(
            record.end_time,
            Some("2026-02-06T23:04:58Z".parse().unwrap())
        );
        assert_eq!(
            (record.command_count, record.error_count),
            (Some(7), Some(2))
        );
    }
}

#[test]
fn a_presumption_is_undone_by_the_next_heartbeat_and_leaves_a_gap() {
    for desk in desks() {
        desk.start(start(1));
        let alive = SessionHeartbeatResult::Alive {
            session_id: start(1).session_id().to_string(),
            lease_seconds: Some(90),
        };
        assert_eq!(desk.heartbeat(heartbeat(1, 3)), alive);
        // While the lease runs nobody presumes anything.
        desk.wait(85);
        assert_eq!(desk.record(1).status, SessionStatus::Active);
        for round in 1..=2 {
            desk.expire();
            let lost = desk.record(1);
            assert_eq!(
                (lost.status, lost.end_known_by),
                (SessionStatus::Lost, Some(EndKnownBy::LeaseExpired))
            );
            assert_eq!(
                (lost.end_earliest, lost.end_time),
                (Some(lost.last_seen), Some(lost.last_seen))
            );
            assert_eq!(lost.command_count, Some(3));
            assert_eq!(desk.heartbeat(heartbeat(1, 3)), alive);
            let revived = desk.record(1);
            assert_eq!(
                (revived.status, revived.end_time),
                (SessionStatus::Active, None)
            );
            assert_eq!(revived.gaps.len(), round);
        }
    }
}

#[test]
fn a_proved_loss_is_final_but_for_an_end_or_a_hand() {
    for desk in desks() {
        desk.start(start(1));
        let lost = json!({
            "exit_reason": "lost",
            "last_seen": "2026-02-06T22:50:00Z",
            "reported_by": "mahavishnu",
        });
        assert_eq!(desk.end(end_with(1, &lost)), ended(1));
        let record = desk.record(1);
        assert_eq!(
            (record.status, record.end_known_by),
            (SessionStatus::Lost, Some(EndKnownBy::ProcessGone))
        );
        assert_eq!(
            (record.exit_reason, record.closed_by.as_deref()),
            (None, Some("mahavishnu"))
        );
        assert_eq!(
            record.end_earliest,
            Some("2026-02-06T22:50:00Z".parse().unwrap())
        );
        let answer = desk.heartbeat(heartbeat(1, 9));
        assert!(
            matches!(answer, SessionHeartbeatResult::Ended { .. }),
            "{answer:?}"
        );
        assert_eq!(desk.record(1), record);
        assert_eq!(desk.end(end(1)), ended(1));
        assert_eq!(desk.record(1).end_known_by, Some(EndKnownBy::Reported));
    }
}

#[test]
fn a_host_that_restarted_ends_its_sessions_at_their_last_proof_of_life() {
    for desk in desks() {
        desk.start(start(1));
        let last_seen = "2026-02-06T22:50:00.000000Z";
        let lost =
            json!({"exit_reason": "lost", "lost_cause": "host_restarted", "last_seen": last_seen});
        desk.end(end_with(1, &lost));
        let record = desk.record(1);
        assert_eq!(record.end_known_by, Some(EndKnownBy::HostRestarted));
        assert_eq!(
            record.end_time.map(|at| at.to_string()).as_deref(),
            Some(last_seen)
        );
    }
}

#[test]
fn closing_what_is_proved_alive_takes_force_and_gives_way_to_its_own_report() {
    for desk in desks() {
        desk.start(start(1));
        assert!(matches!(
            desk.close_by_hand(1, false),
            Err(EndError::Alive(_))
        ));
        let closed = desk.close_by_hand(1, true).unwrap();
        assert_eq!(
            (closed.status, closed.end_known_by),
            (SessionStatus::Ended, Some(EndKnownBy::ByHand))
        );
        assert_eq!(
            (closed.end_estimated, closed.closed_by.as_deref()),
            (true, Some("uid 0"))
        );
        // Closing it again changes nothing.
        desk.clock.advance(60);
        assert_eq!(desk.close_by_hand(1, false).unwrap(), closed);
        let answer = desk.heartbeat(heartbeat(1, 9));
        assert!(
            matches!(answer, SessionHeartbeatResult::Ended { .. }),
            "{answer:?}"
        );
        desk.end(end(1));
        let reported = desk.record(1);
        assert_eq!(
            (reported.end_known_by, reported.closed_by),
            (Some(EndKnownBy::Reported), None)
        );
        assert_eq!(
            desk.close_by_hand(1, true).unwrap().end_known_by,
            Some(EndKnownBy::Reported)
        );
    }
}

#[test]
fn an_end_without_counters_keeps_those_of_the_last_heartbeat() {
    for desk in desks() {
        desk.start(start(1));
        desk.heartbeat(heartbeat(1, 5));
        // One that was overtaken takes nothing back.
        desk.heartbeat(heartbeat(1, 4));
        let bare =
            json!({"session_id": start(1).session_id(), "timestamp": "2026-02-06T23:04:58Z"});
        desk.end(SessionEndEvent::from_json(&bare).unwrap());
        assert_eq!(desk.record(1).command_count, Some(5));
    }
}

fn lease_ends(desk: &Desk, number: u32) -> bool {
    desk.expire();
    desk.record(number).end_known_by == Some(EndKnownBy::LeaseExpired)
}

#[test]
fn a_wall_clock_that_is_stepped_closes_nothing_and_keeps_nothing_open() {
    const HOUR: i64 = 3_600;
    const YEARS: i64 = 10 * 365 * 24 * HOUR;
    for step in [HOUR, -HOUR, YEARS, -YEARS] {
        for desk in desks() {
            desk.start(start(1));
            desk.heartbeat(heartbeat(1, 3));
            desk.clock.step(step);
            desk.wait(60);
            let record = desk.record(1);
            assert_eq!(record.liveness, Some(Life::Live), "{step}");
            desk.heartbeat(heartbeat(1, 4));
            desk.clock.step(-step);
            desk.wait(60);
            assert_eq!(desk.record(1).liveness, Some(Life::Live), "{step}");
            desk.clock.step(step);
            assert!(lease_ends(&desk, 1), "{step}");
            let record = desk.record(1);
            assert!(record.end_earliest <= record.end_time, "{record:?}");
            assert!(record.end_time <= record.end_latest, "{record:?}");
        }
    }
}

#[test]
fn a_server_that_was_suspended_gives_every_lease_a_full_term() {
    for desk in desks() {
        desk.start(start(1));
        desk.wait(60);
        // Stopped for ten minutes, in which no heartbeat was heard.
        desk.clock.advance(600);
        desk.wait(85);
        assert_eq!(desk.record(1).status, SessionStatus::Active);
        assert!(lease_ends(&desk, 1));
    }
}

#[test]
fn a_restarted_server_gives_every_lease_a_full_term_and_remembers_what_heartbeats_said() {
    for mut desk in desks() {
        desk.start(start(1));
        desk.heartbeat(heartbeat(1, 5));
        let before = desk.record(1);
        desk.runtime.block_on(desk.tracker.write_signs()).unwrap();
        desk.restart();
        let after = desk.record(1);
        assert_eq!(
            (after.liveness, after.last_seen, after.command_count),
            (Some(Life::Live), before.last_seen, Some(5))
        );
        desk.wait(85);
        assert_eq!(desk.record(1).status, SessionStatus::Active);
        assert!(lease_ends(&desk, 1));
        let lost = desk.record(1);
        assert_eq!(
            (lost.end_time, lost.command_count),
            (Some(before.last_seen), Some(5))
        );
    }
}

#[test]
fn a_silent_sender_is_never_closed_and_stale_after_a_day() {
    let mut silent = start_json(1);
    silent["heartbeat_interval_seconds"] = Value::Null;
    let silent = SessionStartEvent::from_json(&silent).unwrap();
    for mut desk in desks() {
        desk.start(silent.clone());
        assert_eq!(desk.record(1).liveness, Some(Life::Unknown));
        desk.clock.advance(24 * 3_600 - 5);
        assert_eq!(desk.record(1).liveness, Some(Life::Unknown));
        desk.wait(5);
        let record = desk.record(1);
        assert_eq!(
            (record.status, record.liveness),
            (SessionStatus::Active, Some(Life::Stale))
        );
        // A heartbeat that nobody promised is a sign of life and no lease.
        let answer = desk.heartbeat(heartbeat(1, 1));
        let alive = SessionHeartbeatResult::Alive {
            session_id: silent.session_id().to_string(),
            lease_seconds: None,
        };
        assert_eq!(answer, alive);
        assert_eq!(desk.record(1).liveness, Some(Life::Unknown));
        desk.tracker = desk
            .tracker
            .clone()
            .with_stale_after(Duration::from_secs(60));
        desk.wait(60);
        assert_eq!(desk.record(1).liveness, Some(Life::Stale));
    }
}

/// The shortest promise has a lease of five seconds, so that one late heartbeat closes nothing.
#[test]
fn a_lease_is_three_heartbeats_and_never_shorter_than_five_seconds() {
    for (interval, seconds) in [(1, 5), (2, 6), (30, 90), (3_600, 10_800)] {
        for desk in desks() {
            let mut json = start_json(1);
            json["heartbeat_interval_seconds"] = interval.into();
            desk.start(SessionStartEvent::from_json(&json).unwrap());
            let alive = SessionHeartbeatResult::Alive {
                session_id: start(1).session_id().to_string(),
                lease_seconds: Some(seconds),
            };
            assert_eq!(desk.heartbeat(heartbeat(1, 1)), alive);
        }
    }
}

/// A batch is made in the order of its lines: what comes behind an end is too late.
#[test]
fn a_heartbeat_behind_an_end_in_one_batch_is_too_late() {
    for desk in desks() {
        desk.start(start(1));
        let events = vec![
            (Event::Heartbeat(Box::new(heartbeat(1, 3))), delivery()),
            (Event::End(Box::new(end(1))), delivery()),
            (Event::Heartbeat(Box::new(heartbeat(1, 4))), delivery()),
        ];
        let answers = desk.runtime.block_on(desk.tracker.take(events)).unwrap();
        let statuses: Vec<_> = answers
            .into_iter()
            .map(|answer| serde_json::to_value(answer.unwrap()).unwrap()["status"].clone())
            .collect();
        assert_eq!(statuses, ["alive", "ended", "ended"]);
        assert_eq!(desk.tracker.liveness().counts(), (0, 0));
    }
}

/// Whoever sent a start may hang up before the answer; it is made all the same, and so its lease runs.
#[test]
fn a_start_whose_sender_has_gone_is_known_all_the_same() {
    for desk in desks() {
        desk.runtime.block_on(async {
            let taken = desk
                .tracker
                .take(vec![(Event::Start(Box::new(start(2))), delivery())]);
            {
                let mut taken = std::pin::pin!(taken);
                let once = std::future::poll_fn(|context| {
                    let _ = taken.as_mut().poll(context);
                    std::task::Poll::Ready(())
                });
                once.await;
            }
            // The store makes changes in their order, so what was handed over before is made when this is.
            desk.tracker.start(start(3), delivery()).await.unwrap();
            tokio::task::yield_now().await;
        });
        assert_eq!(desk.tracker.liveness().counts(), (0, 2));
        assert_eq!(desk.record(2).liveness, Some(Life::Live));
    }
}
