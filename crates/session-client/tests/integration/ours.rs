//! Delivery to a server of ours.

use std::time::{Duration, Instant};

use serde_json::Value;
use session_client::{
    delivery::adoption::Report,
    spool::{Refused, look},
};

use crate::harness::*;

#[test]
fn each_event_of_a_shell_is_one_request_over_the_socket() {
    let home = Home::new();
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    wait_status(&shell, "the start", |status| status.acknowledged);
    shell.count_command();
    leave(&shell);

    let requests = server.requests();
    let sent: Vec<_> = requests.iter().map(event_types).collect();
    assert_eq!(sent, [["session_start"], ["session_end"]]);
    assert_eq!(server.connections(), 1);
    for request in &requests {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/api/events")
        );
        let media_type = ("content-type".to_owned(), "application/x-ndjson".to_owned());
        assert!(
            request.headers.contains(&media_type),
            "{:?}",
            request.headers
        );
        assert_eq!(events(request)[0]["sent_at"], now().to_string());
    }
    let session = record.session(shell.session_id().as_str());
    let end = session.end.unwrap();
    assert_eq!(end["exit_reason"], "exit");
    assert_eq!(end["command_count"], 1);
    assert_eq!(home.waiting(), [""; 0]);
}

#[test]
fn what_waits_together_goes_together() {
    let home = Home::new();
    let shell = home.begin();
    leave(&shell);
    assert_eq!(home.waiting(), [shell.session_id().as_str()]);

    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    shell.deliver();
    wait_until("an empty spool", || home.waiting().is_empty());
    let sent: Vec<_> = server.requests().iter().map(event_types).collect();
    assert_eq!(sent, [["session_start", "session_end"]]);
    assert_eq!(
        record.session(shell.session_id().as_str()).end.unwrap()["exit_reason"],
        "exit"
    );
}

/// A delay that no test lives to see.
const NEVER: Duration = Duration::from_hours(1);

#[test]
fn an_end_does_not_wait_for_the_first_delivery() {
    let mut home = Home::new();
    home.settings.timing.delivery_delay = NEVER;
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.begin();
    shell.deliver();
    leave(&shell);
    let sent: Vec<_> = server.requests().iter().map(event_types).collect();
    assert_eq!(sent, [["session_start", "session_end"]]);
    assert_eq!(home.waiting(), [""; 0]);
}

#[test]
fn who_waits_for_a_server_does_not_wait_for_the_first_delivery() {
    let mut home = Home::new();
    home.settings.timing.delivery_delay = NEVER;
    let record = Record::default();
    let _server = Server::unix(&home.socket(), record.server());
    let shell = home.begin();
    assert_eq!(shell.wait_acknowledged(DEADLINE), Ok(()));
}

#[test]
fn a_backlog_goes_in_batches_of_256_events() {
    let home = Home::new();
    let mut dead: Vec<_> = (0..300).map(|_| home.dead_shell()).collect();
    dead.sort();
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let report = home.replay();

    assert_eq!(
        report,
        Report {
            delivered: 300,
            ..Report::default()
        }
    );
    let sizes: Vec<_> = server
        .requests()
        .iter()
        .map(|request| events(request).len())
        .collect();
    assert_eq!(sizes, [256, 256, 88]);
    let sessions = record.sessions();
    assert!(sessions.keys().eq(&dead));
    for session in sessions.values() {
        let end = session.end.as_ref().unwrap();
        assert_eq!(
            (&end["exit_reason"], &end["lost_cause"]),
            (&"lost".into(), &"process_gone".into())
        );
        assert_eq!(end["reported_by"], "replay");
    }
    assert_eq!(home.waiting(), [""; 0]);
}

/// A shell that lives looks after those that died, too.
#[test]
fn a_shell_brings_what_dead_ones_left() {
    let mut home = Home::new();
    let dead = home.dead_shell();
    home.settings.timing.adoption_delay = Duration::ZERO;
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    server.wait("the end of the dead shell", |_| {
        record.sessions().get(&dead)?.end.clone().map(drop)
    });
    let end = record.session(&dead).end.unwrap();
    assert_eq!(
        end["reported_by"],
        format!("session {}", shell.session_id())
    );
    assert_eq!(record.session(shell.session_id().as_str()).end, None);
    leave(&shell);
}

#[test]
fn a_refused_event_sets_only_its_own_file_aside() {
    for code in ["INVALID_EVENT", "CONFLICT"] {
        for refused_type in ["session_start", "session_end"] {
            let home = Home::new();
            let mut dead: Vec<_> = (0..3).map(|_| home.dead_shell()).collect();
            dead.sort();
            let record = Record::default();
            let server = Server::unix(&home.socket(), {
                let (record, bad) = (record.clone(), dead[1].clone());
                move |request| {
                    let result_of = |event: &Value| {
                        if session_of(event) == bad && event["event_type"] == refused_type {
                            refusal(
                                (refused_type == "session_end").then_some(bad.as_str()),
                                code,
                            )
                        } else {
                            record.take(event)
                        }
                    };
                    results(request, result_of)
                }
            });
            let report = home.replay();
            assert_eq!(
                report,
                Report {
                    delivered: 2,
                    refused: 1,
                    ..Report::default()
                },
                "{code} {refused_type}"
            );
            assert_eq!(home.set_aside(), [dead[1].as_str()]);
            let path = home.spool().refused().unwrap().remove(0);
            let contents = look(&path).unwrap().unwrap().contents.unwrap();
            let refused = Refused {
                error: "no, for this reason".to_owned(),
                error_code: Some(code.to_owned()),
            };
            assert_eq!(contents.refused, Some(refused));
            for neighbour in [&dead[0], &dead[2]] {
                assert!(record.session(neighbour).end.is_some());
            }

            // It is final: nobody sends it again.
            server.become_(record.server());
            let before = server.requests().len();
            assert_eq!(home.replay(), Report::default());
            assert_eq!(server.requests().len(), before);
        }
    }
}

#[test]
fn a_shell_that_was_refused_says_so_and_is_set_aside_when_it_ends() {
    let home = Home::new();
    let server = Server::unix(&home.socket(), |_| {
        Reply::json(Value::from(vec![refusal(None, "CONFLICT")]))
    });
    let shell = home.shell();
    let status = wait_status(&shell, "the refusal", |status| status.refused.is_some());
    assert_eq!(status.refused.as_deref(), Some("no, for this reason"));
    assert!(!status.acknowledged);
    assert_eq!(home.waiting(), [shell.session_id().as_str()]);
    leave(&shell);
    assert_eq!(home.set_aside(), [shell.session_id().as_str()]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_may_succeed_later_is_kept_with_its_cause_and_arrives_once() {
    for status in [401, 403, 404, 408, 413, 429, 500, 502, 503] {
        let home = Home::new();
        let dead = home.dead_shell();
        let server = Server::unix(&home.socket(), move |_| Reply::status(status));
        let report = home.replay();
        assert_eq!(
            report,
            Report {
                waiting: 1,
                ..Report::default()
            },
            "{status}"
        );
        assert_eq!(server.requests().len(), 1, "{status}");
        let cause = home.problem();
        assert!(
            cause.starts_with(&format!("it answered {status}")),
            "{cause}"
        );

        let record = Record::default();
        server.become_(record.server());
        assert_eq!(home.replay().delivered, 1, "{status}");
        assert!(record.session(&dead).end.is_some());
        assert_eq!(home.waiting(), [""; 0]);
    }
}

#[test]
fn a_problem_document_is_told_in_its_own_words() {
    let home = Home::new();
    home.dead_shell();
    let _server = Server::unix(&home.socket(), |_| Reply::Http {
        status: 401,
        headers: String::new(),
        body: r#"{"code": "TOKEN_EXPIRED", "detail": "make a\u001b[31m new one", "status": 401}"#
            .to_owned(),
    });
    home.replay();
    assert_eq!(
        home.problem(),
        "it answered 401 Unauthorized, TOKEN_EXPIRED: make a [31m new one"
    );
}

#[test]
fn a_server_gets_the_time_that_it_asks_for() {
    for (status, asked, given) in [
        (429, "3600", 3_600),
        (503, "3600", 3_600),
        (503, "999999999", 7_200),
    ] {
        let mut home = Home::new();
        home.settings.timing.cooldown = Duration::from_hours(2);
        home.dead_shell();
        let _server = Server::unix(&home.socket(), move |_| Reply::Http {
            status,
            headers: format!("Retry-After: {asked}\r\n"),
            body: String::new(),
        });
        let mut courier = home.courier();
        let before = Instant::now();
        home.replay_by(&mut courier);
        let wait = courier.silent_until(before).unwrap() - before;
        let given = Duration::from_secs(given);
        assert!(
            wait >= given && wait < given + DEADLINE,
            "{asked}: {wait:?}"
        );
    }
}

#[test]
fn a_live_shell_survives_each_failure_and_arrives_once() {
    let home = Home::new();
    let server = Server::unix(&home.socket(), |_| Reply::status(500));
    let shell = home.shell();
    wait_status(&shell, "an open circuit", |status| {
        status.circuit_open_until.is_some()
    });
    leave(&shell);
    let record = Record::default();
    server.become_(record.server());
    wait_until("an empty spool", || home.waiting().is_empty());
    let session = record.session(shell.session_id().as_str());
    assert_eq!(session.end.unwrap()["exit_reason"], "exit");
    assert_eq!(record.sessions().len(), 1);
}

#[test]
fn a_server_that_forgot_the_session_gets_its_start_again_and_then_its_end() {
    let home = Home::new();
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    wait_status(&shell, "the start", |status| status.acknowledged);
    let start = record.session(shell.session_id().as_str()).start;
    record.forget();
    leave(&shell);

    let sent: Vec<_> = server.requests().iter().map(event_types).collect();
    assert_eq!(
        sent,
        [
            vec!["session_start"],
            vec!["session_end"],
            vec!["session_start", "session_end"]
        ]
    );
    let session = record.session(shell.session_id().as_str());
    assert_eq!(session.start["event_id"], start["event_id"]);
    assert_eq!(session.end.unwrap()["exit_reason"], "exit");
}

#[test]
fn a_server_that_forgot_the_session_gets_its_start_again_after_a_heartbeat() {
    let mut home = Home::new();
    home.settings.timing.heartbeat = Duration::from_millis(20);
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    wait_status(&shell, "the start", |status| status.acknowledged);
    record.forget();
    server.wait("the session", |_| {
        record
            .sessions()
            .contains_key(shell.session_id().as_str())
            .then_some(())
    });
    leave(&shell);
    assert!(record.session(shell.session_id().as_str()).end.is_some());
}

#[test]
fn a_server_that_never_knows_what_it_took_is_not_asked_for_ever() {
    let home = Home::new();
    home.dead_shell();
    let server = Server::unix(&home.socket(), |request| {
        let answer = |event: &Value| match event["event_type"].as_str() {
            Some("session_start") => result(&session_of(event), "tracked"),
            _ => result(&session_of(event), "not_found"),
        };
        results(request, answer)
    });
    assert_eq!(
        home.replay(),
        Report {
            waiting: 1,
            ..Report::default()
        }
    );
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        home.problem(),
        "it took the start of the session and does not know the session"
    );
}

/// Another session's answer says nothing of this one, whatever it says.
#[test]
fn a_result_for_another_session_is_no_result() {
    let other = "billing-20260206-220458-aaaaaaaa";
    for answer in [
        result(other, "tracked"),
        refusal(Some(other), "INVALID_EVENT"),
    ] {
        let home = Home::new();
        let dead = home.dead_shell();
        let server = Server::unix(&home.socket(), move |request| {
            Reply::json(Value::from(vec![answer.clone(); events(request).len()]))
        });
        assert_eq!(
            home.replay(),
            Report {
                waiting: 1,
                ..Report::default()
            }
        );
        assert_eq!(
            home.problem(),
            format!("it answered for another session, {other}")
        );

        let record = Record::default();
        server.become_(record.server());
        assert_eq!(home.replay().delivered, 1);
        assert!(record.session(&dead).end.is_some());
    }
}

#[test]
fn a_server_of_ours_is_recognised_at_its_url() {
    let record = Record::default();
    let server = Server::tcp(record.server());
    let home = Home::with_url(server.url());
    let shell = home.shell();
    wait_status(&shell, "the start", |status| status.acknowledged);
    leave(&shell);
    let paths: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.path.clone())
        .collect();
    assert_eq!(paths, ["/health", "/api/events", "/api/events"]);
    assert!(record.session(shell.session_id().as_str()).end.is_some());
}

#[test]
fn an_end_waits_no_longer_than_its_budget() {
    for black_hole in [Reply::Never, Reply::Drip(vec![b'x'; 1_000_000])] {
        let mut home = Home::new();
        home.settings.timing.exit_max = Duration::from_millis(10);
        let server = Server::unix(&home.socket(), move |_| black_hole.clone());
        let shell = home.shell();
        server.wait_requests(1);
        let before = Instant::now();
        leave(&shell);
        // The call itself may take 20 s; what is over the budget is the machine's.
        assert!(before.elapsed() < DEADLINE / 2, "{:?}", before.elapsed());
        assert_eq!(home.waiting(), [shell.session_id().as_str()]);
        let path = home.spool().files().unwrap().next().unwrap();
        let contents = look(&path).unwrap().unwrap().contents.unwrap();
        assert!(contents.has_ended());
    }
}

#[test]
fn the_first_end_stays() {
    let home = Home::new();
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    leave(&shell);
    shell.end(session_client::Ending {
        reason: session_model::ExitReason::Panic,
        exit_code: 101,
    });
    let ends = server
        .requests()
        .iter()
        .flat_map(events)
        .filter(|event| event["event_type"] == "session_end")
        .count();
    assert_eq!(ends, 1);
    assert_eq!(
        record.session(shell.session_id().as_str()).end.unwrap()["exit_reason"],
        "exit"
    );
}

fn event_types(request: &Request) -> Vec<String> {
    let types = events(request)
        .into_iter()
        .map(|event| event["event_type"].as_str().unwrap().to_owned());
    types.collect()
}

fn session_of(event: &Value) -> String {
    match event["session_id"].as_str() {
        Some(id) => id.to_owned(),
        None => id_of_start(event),
    }
}
