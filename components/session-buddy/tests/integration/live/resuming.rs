//! A stream goes on exactly where another one ended.

use serde_json::json;

use super::{at_ten, begin_many, told};
use crate::harness::{Server, end, five_sessions, start, with};

#[test]
fn what_happens_is_told_as_the_session_was_then() {
    let server = Server::start();
    let mut events = server.follow("", &[]);
    let id = server.begin(start(1));
    server.end(&id);
    let begun = events.next().unwrap();
    assert_eq!(
        (&*begun.kind, &begun.data["session_id"]),
        ("start", &json!(id))
    );
    assert_eq!(begun.data["status"], "active");
    assert_eq!(
        begun.data["liveness"],
        json!(null),
        "that is for a list to say"
    );
    let ended = events.next().unwrap();
    assert_eq!(
        (&*ended.kind, &ended.data["status"]),
        ("end", &json!("ended"))
    );
    // Which is the whole record.
    let keys = |record: &serde_json::Value| -> Vec<String> {
        record.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&ended.data), keys(&server.show(&id)));
    assert_eq!(ended.data, server.show(&id));
}

#[test]
fn every_kind_is_told_in_the_order_of_the_ledger() {
    let server = Server::start();
    let mut events = server.follow("", &[]);
    five_sessions(&server);
    let expected = told(&[
        ("start", 1),
        ("start", 2),
        ("start", 3),
        ("start", 4),
        ("start", 5),
        ("end", 1),
        ("closed", 3),
        ("closed", 4),
    ]);
    assert_eq!(events.kinds(8), expected);
}

#[test]
fn a_stream_goes_on_after_any_event_with_the_same_events() {
    let server = Server::start();
    let mut events = server.follow("", &[]);
    let begin = events.last_id.clone();
    five_sessions(&server);
    let all: Vec<_> = (0..8).map(|_| events.next().unwrap()).collect();
    let mut from_begin = server.follow_from(&begin);
    let again: Vec<_> = (0..8).map(|_| from_begin.next().unwrap()).collect();
    assert_eq!(again, all);
    for (number, event) in all.iter().enumerate() {
        let mut rest = server.follow_from(&event.id);
        server.begin(start(u16::try_from(100 + number).unwrap()));
        let expected = all[number + 1..].iter().cloned();
        for expected in expected {
            assert_eq!(rest.next().unwrap(), expected);
        }
        // From there it goes on live, with what was told to nobody yet in between.
        let live = rest.kinds(number + 1);
        assert_eq!(live.last().unwrap().1, u16::try_from(100 + number).unwrap());
    }
}

#[test]
fn nothing_is_missing_and_nothing_comes_twice_over_kills_of_the_server() {
    let mut server = Server::start();
    let mut last_id = server.follow("", &[]).last_id;
    let mut seen = Vec::new();
    for round in 0_u16..4 {
        let numbers = round * 300 + 1..=round * 300 + 300;
        let mut events = server.follow_from(&last_id);
        begin_many(&server, numbers, &json!({}));
        // It dies in the middle of what is told.
        for _ in 0..100 + usize::from(round) * 50 {
            seen.push(events.next().unwrap().number());
        }
        last_id.clone_from(&events.last_id);
        server = server.kill().start();
        // And what was told and taken, but not read yet, is not lost either.
        assert!(!events.last_id.is_empty());
    }
    let mut events = server.follow_from(&last_id);
    while seen.len() < 1_200 {
        seen.push(events.next().unwrap().number());
    }
    assert_eq!(seen, (1..=1_200).collect::<Vec<_>>());
    server.begin(at_ten(1_201));
    assert_eq!(events.kinds(1), told(&[("start", 1_201)]));
}

#[test]
fn a_stream_begins_at_a_time_too() {
    let server = Server::start();
    server.begin(start(1));
    let of_first = server.get("/api/sessions").json()[0]["created_at"]
        .as_str()
        .unwrap()
        .to_owned();
    server.begin(start(2));
    let mut events = server.follow(&format!("?since={of_first}"), &[]);
    assert_eq!(events.kinds(2), told(&[("start", 1), ("start", 2)]));
    // What was seen last counts more: a client sends its query again when it comes back.
    let mut rest = server.follow(
        &format!("?since={of_first}"),
        &[("Last-Event-ID", &events.last_id)],
    );
    server.begin(start(3));
    assert_eq!(rest.kinds(1), told(&[("start", 3)]));
    let mut all = server.follow("?since=2020-01-01", &[]);
    assert_eq!(all.kinds(3).len(), 3);
}

#[test]
fn filters_keep_a_stream_to_what_is_wanted_and_its_place_moves_all_the_same() {
    let server = Server::start();
    let filters = [
        (
            "?component=billing",
            vec![("start", 2), ("start", 4), ("closed", 4)],
        ),
        (
            "?component=billing,crackerjack&user=ana",
            vec![("start", 2), ("start", 5)],
        ),
        ("?type=batch", vec![("start", 4), ("closed", 4)]),
        ("?status=lost", vec![("closed", 3)]),
        (
            "?status=ended&status=lost",
            vec![("end", 1), ("closed", 3), ("closed", 4)],
        ),
    ];
    let mut streams: Vec<_> = filters
        .iter()
        .map(|(query, _)| server.follow(query, &[]))
        .collect();
    five_sessions(&server);
    // A last one that all of them want.
    let everything =
        json!({"component_name": "billing", "session_type": "batch", "user": {"username": "ana"}});
    let id = server.begin(with(start(9), everything));
    let ended = with(end(&id), json!({"exit_reason": "lost"}));
    server.call("track_session_end", ended);
    for (events, (query, expected)) in streams.iter_mut().zip(filters) {
        let kinds = events.kinds(expected.len());
        assert_eq!(kinds, told(&expected), "{query}");
        assert_eq!(events.next().unwrap().number(), 9, "{query}");
    }
}

#[test]
fn what_cannot_be_gone_on_from_is_refused_by_the_name_of_its_field() {
    let server = Server::start();
    let events = server.follow("", &[]);
    let own = events.last_id.clone();
    let foreign = Server::start().follow("", &[]).last_id;
    for id in ["x", "1", &own[1..], &foreign, "é"] {
        let answer = server.follow_refused("", &[("Last-Event-ID", id)]);
        let problem = answer.problem(400, "INVALID_CURSOR");
        assert_eq!(problem["errors"][0]["field"], "Last-Event-ID", "{id}");
    }
    for (query, field) in [
        ("?since=yesterday", "since"),
        ("?status=gone", "status"),
        ("?component=", "component"),
        ("?after=2026-01-01", "after"),
        ("?colour=red", "colour"),
    ] {
        let answer = server.follow_refused(query, &[]);
        let problem = answer.problem(400, "INVALID_PARAMETER");
        assert_eq!(problem["errors"][0]["field"], field, "{query}");
    }
}

#[test]
fn a_ledger_that_was_put_back_is_not_gone_on_with() {
    let server = Server::start();
    server.begin(start(1));
    let home = server.stop();
    let backup = std::fs::read(home.database()).unwrap();
    let server = home.start();
    let mut events = server.follow("", &[]);
    server.begin(start(2));
    let taken = events.next().unwrap().id;
    let home = server.stop();
    std::fs::write(home.database(), backup).unwrap();
    for other in [3, 4] {
        let server = home.clone().start();
        server.begin(start(other));
        let answer = server.follow_refused("", &[("Last-Event-ID", &taken)]);
        answer.problem(400, "INVALID_CURSOR");
        server.stop();
    }
}
