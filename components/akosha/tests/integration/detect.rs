//! What is unusual in what servers know.

use serde_json::{Value, json};

use crate::harness::{Server, Session, session};

/// Les and Ana work on each of 60 days at nine, for some ten minutes; on the last day Les stays for ten hours.
fn habits() -> Vec<Session> {
    let mut sessions = Vec::new();
    for day in 0..60 {
        let (month, day_of_month) = if day < 30 {
            (10, day + 1)
        } else {
            (11, day - 29)
        };
        for (place, user) in ["les", "ana"].into_iter().enumerate() {
            let minute = 5 * place + usize::from(day % 7 == 0);
            let start = format!("2026-{month}-{day_of_month:02}T09:{minute:02}:00Z");
            let number = u32::try_from(sessions.len()).unwrap() + 1;
            let seconds = if number == 119 {
                36_000
            } else {
                500 + number % 9 * 25
            };
            sessions.push(session(number, "billing", user, "ops-1", start).ended_after(seconds));
        }
    }
    sessions
}

#[test]
fn a_session_that_lasts_far_too_long_is_found_with_its_reason() {
    let server = Server::with(&habits());
    let before = ["--before", "2026-12-01"];
    let found = server.json(&[&["detect"], &before[..]].concat());
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let finding = &found[0];
    assert_eq!(finding["metric"], "duration");
    assert_eq!(
        (&finding["user"], &finding["component"]),
        (&json!("les"), &json!("billing"))
    );
    assert_eq!(finding["at"], "2026-11-30T09:00:00.000000Z");
    assert_eq!(finding["observed"], 36_000.0);
    assert!(
        finding["score"]
            .as_f64()
            .is_some_and(|score| score > 0.8 && score <= 1.0)
    );
    let ids = finding["sessions"].as_array().unwrap();
    assert!(
        ids[0]
            .as_str()
            .unwrap()
            .starts_with("billing-20261130-090000-"),
        "{ids:?}"
    );
    let people = server
        .run(&[&["detect"], &before[..]].concat())
        .with_code(0);
    assert!(people.output.contains("lasted 10 h; "), "{people:?}");
}

#[test]
fn filters_choose_findings_and_not_what_is_learned_from() {
    let server = Server::with(&habits());
    let count = |arguments: &[&str]| {
        let found = server.json(&[&["detect", "--before", "2026-12-01"], arguments].concat());
        found.as_array().map(Vec::len)
    };
    for (arguments, findings) in [
        (&["--after", "2026-11-30"] as &[&str], 1),
        (&["--user", "les"], 1),
        (&["--user", "ana"], 0),
        (&["--component", "vault"], 0),
        (&["--duration-greater", "40000"], 0),
    ] {
        assert_eq!(count(arguments), Some(findings), "{arguments:?}");
    }
    let of = |metric: &str| server.json(&["detect", metric, "--before", "2026-12-01"]);
    assert_eq!(of("start_frequency,new_host"), Value::Array(Vec::new()));
    assert_eq!(of("duration").as_array().map(Vec::len), Some(1));
    let ran = server
        .run(&["detect", "--before", "2026-11-30"])
        .with_code(0);
    assert_eq!((&*ran.output, &*ran.errors), ("", "nothing is unusual\n"));
}

#[test]
fn what_cannot_be_looked_for_is_wrong_usage() {
    let server = Server::with(&[]);
    for (arguments, problem) in [
        (
            &["detect", "durations"] as &[&str],
            "error: metric: there is no metric \"durations\", did you mean duration?\n",
        ),
        (
            &["detect", "--threshold", "1.5"],
            "error: threshold: 0 to 1 is expected, found 1.5\n",
        ),
        (
            &["detect", "--window", "0"],
            "error: window: a number of s, m, h or d such as 30d, or of seconds, is expected, found \"0\"\n",
        ),
    ] {
        assert_eq!(server.run(arguments).with_code(2).errors, problem);
    }
}
