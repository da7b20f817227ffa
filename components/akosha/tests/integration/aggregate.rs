//! Groups: numbers that were counted by hand.

use serde_json::{Value, json};

use crate::harness::{Server, a_week};

#[test]
fn groups_have_the_numbers_that_were_counted_by_hand() {
    let server = Server::with(&a_week());
    assert_eq!(
        server.json(&[
            "aggregate",
            "sessions, users, hosts, active, duration, failed, error rate, lost rate by component"
        ]),
        json!([
            {"component": "billing", "sessions": 3, "users": 2, "hosts": 1, "active": 1, "mean_seconds": 90.0, "median_seconds": 90.0,
             "p95_seconds": 120.0, "failed": 1, "error_rate": 100.0 / 3.0, "lost_rate": 0.0},
            {"component": "vault", "sessions": 2, "users": 2, "hosts": 1, "active": 0, "mean_seconds": 300.0, "median_seconds": 300.0,
             "p95_seconds": 600.0, "failed": 0, "error_rate": 0.0, "lost_rate": 50.0},
            {"component": "akasha", "sessions": 1, "users": 1, "hosts": 1, "active": 0, "mean_seconds": 30.0, "median_seconds": 30.0,
             "p95_seconds": 30.0, "failed": 0, "error_rate": 0.0, "lost_rate": 0.0},
        ])
    );
    assert_eq!(
        server.json(&["aggregate", "sessions by user, host"]),
        json!([
            {"user": "les", "host": "ops-1", "sessions": 2},
            {"user": "ana", "host": "db-1", "sessions": 1},
            {"user": "ana", "host": "ops-1", "sessions": 1},
            {"user": "kim", "host": "ops-2", "sessions": 1},
            {"user": "les", "host": "db-1", "sessions": 1},
        ])
    );
    let all = &server.json(&["aggregate"])[0];
    assert_eq!((&all["sessions"], &all["users"]), (&json!(6), &json!(3)));
}

#[test]
fn time_goes_on_from_top_to_bottom_and_its_end_stays() {
    let server = Server::with(&a_week());
    let days = json!([
        {"day": "2026-11-23", "sessions": 2},
        {"day": "2026-11-24", "sessions": 1},
        {"day": "2026-11-26", "sessions": 3},
    ]);
    assert_eq!(server.json(&["aggregate", "sessions by day"]), days);
    let ran = server
        .run(&["aggregate", "sessions by day", "--limit", "1"])
        .with_code(0);
    assert_eq!(ran.output, "Day         Sessions\n2026-11-26         3\n");
    assert_eq!(
        ran.errors,
        "note: the last 1 of 3 groups are shown; a higher limit shows more\n"
    );
    let weekdays = server
        .run(&["aggregate", "sessions by weekday", "--format", "csv"])
        .with_code(0);
    assert_eq!(weekdays.output, "weekday,sessions\n1,2\n2,1\n4,3\n");
    let berlin = ["aggregate", "sessions by day", "--format", "csv"];
    let mut command = server.command(crate::harness::AKOSHA, &berlin);
    command.env("TZ", "Europe/Berlin");
    let there = crate::harness::Ran::of(command).output;
    assert!(there.contains("2026-11-25,1\n"), "{there}");
}

#[test]
fn filters_are_those_of_lists_and_conditions_go_by_any_field() {
    let server = Server::with(&a_week());
    let count = |arguments: &[&str]| {
        let groups = server.json(&[&["aggregate", "sessions"], arguments].concat());
        groups[0]["sessions"].clone()
    };
    for (arguments, sessions) in [
        (&["--user", "les"] as &[&str], 3),
        (&["--user", "les,ana"], 5),
        (&["--user", "les", "--user", "kim"], 4),
        (&["--component", "vault", "--status", "lost"], 1),
        (&["--component", "akosha"], 1),
        (&["--component", "akasha"], 1),
        (&["--after", "2026-11-24", "--before", "2026-11-26"], 1),
        (&["--incomplete"], 1),
        (&["--type", "admin_shell", "--user", "kim"], 1),
    ] {
        assert_eq!(count(arguments), sessions, "{arguments:?}");
    }
    let of = |query: &str| server.json(&["aggregate", query])[0]["sessions"].clone();
    assert_eq!(of("sessions where host=db-1"), 2);
    assert_eq!(of("sessions where host!=db-1 and user=les"), 2);
    assert_eq!(of("sessions where error_message~\"NO answer\""), 1);
    assert_eq!(of("sessions where project=-"), 5);
}

#[test]
fn what_cannot_be_asked_is_wrong_usage() {
    let server = Server::with(&[]);
    for (arguments, problem) in [
        (
            &["aggregate", "sessions by usr"] as &[&str],
            "error: there is no field \"usr\", did you mean user?\n",
        ),
        (
            &["aggregate", "--status", "gone"],
            "error: status: expected one of active, ended, lost, found \"gone\"\n",
        ),
        (
            &["aggregate", "--limit", "0"],
            "error: limit: 1 to 100000 is expected, found 0\n",
        ),
        (
            &["aggregate", "--server", "ops"],
            "error: server: expected http://HOST:PORT, https://HOST:PORT or unix:PATH, found \"ops\"\n",
        ),
    ] {
        let ran = server.run(arguments).with_code(2);
        assert_eq!((&*ran.output, &*ran.errors), ("", problem));
    }
    let none = server.run(&["aggregate", "sessions by user"]).with_code(0);
    assert_eq!((&*none.output, &*none.errors), ("", "no session matches\n"));
    assert_eq!(
        server.json(&["aggregate", "sessions"]),
        json!([{"sessions": 0}])
    );
    assert_eq!(
        server.json(&["aggregate", "mean duration"])[0]["mean_seconds"],
        Value::Null
    );
}
