//! What `config.yaml` asks of the shells of a component, and sessions that break it all the same.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Home, Server, start, with};

const POLICY: &str = "
components:
  default: {max_duration: 8h}
  billing: {reason_required: true, max_duration: 36500d}
  vault: {allowed_subjects: [ops], max_duration: 36500d}
  free: {max_duration: 36500d}
";

fn server() -> Server {
    let home = Home::new();
    fs::write(home.file("config.yaml"), POLICY).unwrap();
    home.start()
}

fn begin(server: &Server, number: u16, changes: Value) -> String {
    server.begin(with(start(number), changes))
}

fn rules(violations: &Value, id: &str) -> Option<Value> {
    let list = violations.as_array().unwrap();
    let found = list.iter().find(|session| session["session_id"] == id);
    found.map(|session| session["rules"].clone())
}

#[test]
fn a_session_that_breaks_a_policy_is_recorded_flagged_and_on_record_as_such() {
    let server = server();
    let silent = begin(&server, 1, json!({"component_name": "billing"}));
    let reasoned = json!({"component_name": "billing", "reason": "on call"});
    let reasoned = begin(&server, 2, reasoned);
    let stranger = begin(&server, 3, json!({"component_name": "vault"}));
    // It began long ago.
    let long = begin(&server, 4, json!({}));
    let free = begin(&server, 5, json!({"component_name": "free"}));

    let violations = server.get("/api/violations").json();
    assert_eq!(
        rules(&violations, &silent),
        Some(json!(["reason_required"]))
    );
    assert_eq!(
        rules(&violations, &stranger),
        Some(json!(["allowed_subjects"]))
    );
    assert_eq!(rules(&violations, &long), Some(json!(["max_duration"])));
    assert_eq!(rules(&violations, &reasoned), None);
    assert_eq!(rules(&violations, &free), None);
    assert_eq!(
        server.cli("violations --format json").with_code(0).json(),
        violations
    );
    let table = server.cli("violations").with_code(0);
    assert!(
        table.stdout.contains("it was opened without a reason"),
        "{}",
        table.stdout
    );

    // A start that is repeated is no second violation.
    begin(&server, 1, json!({"component_name": "billing"}));
    let acts = server.cli("audit --format json").with_code(0).json();
    let acts: Vec<_> = acts.as_array().unwrap().iter().collect();
    let broken: Vec<_> = acts
        .iter()
        .map(|act| (&act["act"], &act["what"], &act["code"]))
        .collect();
    let act = json!("policy_violated");
    assert_eq!(
        broken,
        [
            (&act, &json!(stranger), &json!("allowed_subjects")),
            (&act, &json!(silent), &json!("reason_required")),
        ]
    );
    let told = server.wait_for_log(&stranger);
    assert!(
        told.contains("WARN") && told.contains("breaks the policy of `vault`"),
        "{told}"
    );
    server.cli("verify").with_code(0);

    // What has ended is flagged no longer; that it was begun against the policy stays on record.
    server.call("end_session", json!({"session_id": silent, "force": true}));
    assert_eq!(rules(&server.get("/api/violations").json(), &silent), None);
}

#[test]
fn a_batch_of_starts_is_judged_one_by_one() {
    let server = server();
    let lines: Vec<_> = [("billing", 1), ("free", 2), ("billing", 3)]
        .map(|(component, number)| {
            let changes = json!({"component_name": component, "sent_at": "2026-02-06T12:00:00Z"});
            with(start(number), changes).to_string()
        })
        .into();
    let headers = [("Content-Type", "application/x-ndjson")];
    let answers = server
        .send("POST", "/api/events", &headers, &lines.join("\n"))
        .json();
    let tracked: Vec<_> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| &answer["status"])
        .collect();
    assert_eq!(tracked, ["tracked"; 3]);
    let acts = server.cli("audit --format json").with_code(0).json();
    assert_eq!(acts.as_array().unwrap().len(), 2, "{acts}");
}

#[test]
fn without_a_server_the_database_is_judged_by_the_same_file() {
    let server = server();
    let silent = begin(&server, 1, json!({"component_name": "billing"}));
    let home = server.clone();
    drop(server.stop_for_log());
    let violations = home.cli("violations --format json").with_code(0).json();
    assert_eq!(
        rules(&violations, &silent),
        Some(json!(["reason_required"]))
    );
    fs::remove_file(home.file("config.yaml")).unwrap();
    let none = home.cli("violations").with_code(0);
    assert!(
        none.stderr.contains("no open session breaks a policy"),
        "{}",
        none.stderr
    );
}

#[test]
fn a_policy_that_is_not_understood_keeps_the_server_from_starting() {
    let home = Home::new();
    fs::write(
        home.file("config.yaml"),
        "port: 0\ncomponents:\n  billing: {max_duratoin: 8h}\n",
    )
    .unwrap();
    home.refused("").with_code(5).saying(
        "config.yaml:3: unknown key components.billing.max_duratoin, did you mean components.billing.max_duration?",
    );
}
