//! Words that are found, and how they are ranked.

use serde_json::{Value, json};

use crate::harness::{Server, a_week, session};

fn names(found: &Value) -> Vec<(String, String)> {
    let text = |hit: &Value, key: &str| hit[key].as_str().unwrap().to_owned();
    let found = found.as_array().unwrap().iter();
    found
        .map(|hit| (text(hit, "kind"), text(hit, "name")))
        .collect()
}

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[test]
fn sessions_are_found_by_all_their_texts() {
    let server = Server::with(&a_week());
    for (query, session) in [
        ("timeout", "billing-20261123-100000-"),
        ("OPS-7", "billing-20261123-090000-"),
        ("user:les error:db", "billing-20261123-100000-"),
        ("status:lost", "vault-20261126-100000-"),
        ("les -billing", "vault-20261126-100000-"),
        ("\"no answer\"", "billing-20261123-100000-"),
        ("20261124", "vault-20261124-233000-"),
    ] {
        let found = names(&server.json(&["search", query, "--index", "sessions"]));
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        assert!(found[0].1.starts_with(session), "{query}: {found:?}");
    }
}

#[test]
fn what_fits_best_stands_first_and_the_text_shows_why() {
    let sessions = [
        session(1, "billing", "les", "ops-1", "2026-11-23T09:00:00Z").ended_after(60),
        session(2, "billing", "ana", "ops-1", "2026-11-23T10:00:00Z")
            .failed_after(60, "les has no right"),
        session(3, "billing", "kim", "lesotho", "2026-11-23T11:00:00Z").ended_after(60),
    ];
    let server = Server::with(&sessions);
    let found = server.json(&["search", "les", "--index", "sessions"]);
    let shown: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| (hit["fields"].as_str(), hit["snippet"].as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (Some("user"), Some("«les»")),
            (Some("host"), Some("«les»otho")),
            (Some("error"), Some("«les» has no right")),
        ]
    );
    let scores: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["score"].as_f64().unwrap())
        .collect();
    assert!(
        scores[0] == 1.0 && scores.is_sorted_by(|one, other| one > other),
        "{scores:?}"
    );
}

#[test]
fn people_hosts_projects_and_errors_are_found_too() {
    let server = Server::with(&a_week());
    for (index, query, kind, name, sessions) in [
        ("users", "le", "user", "les", 3),
        ("hosts", "kim", "host", "ops-2", 1),
        ("projects", "site", "project", "site", 1),
        ("components", "vau", "component", "vault", 2),
        (
            "errors",
            "timeout",
            "error",
            "TimeoutError: no answer from db-1",
            1,
        ),
    ] {
        let found = server.json(&["search", query, "--index", index]);
        assert_eq!(names(&found), [pair(kind, name)], "{index}");
        assert_eq!(found[0]["sessions"], sessions, "{index}");
    }
    let all = names(&server.json(&["search", "kim"]));
    assert_eq!(all[0], pair("user", "kim"));
    assert!(all.contains(&pair("host", "ops-2")), "{all:?}");
    assert!(all.iter().any(|(kind, _)| kind == "session"), "{all:?}");
}

#[test]
fn a_word_that_is_nowhere_is_told_and_the_others_are_looked_for() {
    let server = Server::with(&a_week());
    let ran = server
        .run(&[
            "search",
            "biling kim",
            "--index",
            "users",
            "--format",
            "json",
        ])
        .with_code(0);
    assert_eq!(
        ran.errors,
        "note: \"biling\" is nowhere, did you mean billing?\nnote: nothing has all of these words; these have some of them\n"
    );
    let found: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(names(&found), [pair("user", "kim")]);
    let ran = server.run(&["search", "zzz"]).with_code(0);
    assert_eq!((&*ran.output, &*ran.errors), ("", "nothing is found\n"));
    assert_eq!(server.json(&["search", "zzz"]), json!([]));
    let ran = server.run(&["search", "x", "--index", "usrs"]).with_code(2);
    assert_eq!(
        ran.errors,
        "error: index: there is no index \"usrs\", did you mean users?\n"
    );
    let ran = server.run(&["search", ""]).with_code(2);
    assert!(
        ran.errors
            .starts_with("error: a word to look for is missing"),
        "{ran:?}"
    );
}

#[test]
fn what_acts_on_a_terminal_does_not() {
    let sessions = [session(
        1,
        "billing",
        "les\u{1b}[2J",
        "ops-1",
        "2026-11-23T09:00:00Z",
    )
    .failed_after(60, "bad\u{202e}thing")];
    let server = Server::with(&sessions);
    for arguments in [
        &["search", "les bad"] as &[&str],
        &["graph", "billing"],
        &["graph", "billing", "--dot"],
        &["aggregate", "sessions by user,error_message"],
        &["trends", "--by", "user", "--before", "2026-11-24"],
    ] {
        for format in ["table", "json", "csv"] {
            let ran = server
                .run(&[arguments, &["--format", format]].concat())
                .with_code(0);
            assert!(!ran.output.contains(['\u{1b}', '\u{202e}']), "{ran:?}");
            assert!(
                ran.output.contains("les") || arguments[0] == "trends",
                "{ran:?}"
            );
        }
    }
}
