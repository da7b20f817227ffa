//! How good the sessions of components are, and what is unusual about some: as helpers and as commands.

use jiff::SignedDuration;
use serde_json::{Value, json};
use session_buddy::clock::Clock;

use crate::harness::{Ran, Server, run, start, with};

const DAY: i64 = 24 * 60 * 60;
const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");
/// The most lines of a batch.
const LINES_MAX: usize = 256;

/// The start of a session so many seconds ago. Both commands look back from now.
fn ago(number: u16, seconds: i64, changes: Value) -> Value {
    let at = Clock::system()
        .now()
        .saturating_add(-SignedDuration::from_secs(seconds));
    with(
        with(start(number), json!({"timestamp": at.to_string()})),
        changes,
    )
}

/// The end of a session that ran so long, of ten commands.
fn after(id: &str, seconds: i64, errors: i64) -> Value {
    json!({
        "session_id": id, "timestamp": Clock::system().now().to_string(), "event_type": "session_end",
        "duration_seconds": seconds, "exit_reason": "exit", "command_count": 10, "error_count": errors,
    })
}

fn send(server: &Server, events: &[Value]) -> Vec<Value> {
    let mut results = Vec::new();
    for batch in events.chunks(LINES_MAX) {
        let lines: Vec<_> = batch.iter().map(Value::to_string).collect();
        let answer = server.send("POST", "/api/events", &[NDJSON], &lines.join("\n"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        results.extend(answer.json().as_array().unwrap().iter().cloned());
    }
    results
}

/// Puts sessions on record: of each its start, how long it ran, and how many of its ten commands failed. Gives their ids.
fn record(server: &Server, sessions: &[(Value, i64, i64)]) -> Vec<String> {
    let starts: Vec<_> = sessions.iter().map(|(start, ..)| start.clone()).collect();
    let ids: Vec<_> = send(server, &starts)
        .iter()
        .map(|result| {
            result["session_id"]
                .as_str()
                .unwrap_or_else(|| panic!("{result}"))
                .to_owned()
        })
        .collect();
    let ends: Vec<_> = ids
        .iter()
        .zip(sessions)
        .map(|(id, (_, seconds, errors))| after(id, *seconds, *errors))
        .collect();
    for result in send(server, &ends) {
        assert_eq!(result["status"], "ended", "{result}");
    }
    ids
}

fn helper(server: &Server, format: &str, script: &str) -> Ran {
    let mut command = server.command();
    command.args([
        "shell",
        "--no-server",
        "--no-tracking",
        "--format",
        format,
        "-c",
        script,
    ]);
    run(command, "")
}

#[test]
fn quality_tells_each_component_worst_first_with_its_trend() {
    let server = Server::start();
    let of = |number, days: i64, component: &str| {
        ago(number, days * DAY, json!({"component_name": component}))
    };
    record(
        &server,
        &[
            (of(1, 2, "billing"), 600, 0),
            (of(2, 1, "vault"), 100, 5),
            (of(3, 2, "vault"), 300, 0),
            (of(4, 9, "vault"), 300, 0),
            (of(5, 9, "depot"), 300, 0),
        ],
    );
    let lost = server.begin(of(6, 1, "billing"));
    let end = with(after(&lost, 60, 0), json!({"exit_reason": "lost"}));
    assert_eq!(
        server.call("track_session_end", end).content["status"],
        "ended"
    );

    let rows = server
        .cli("quality --days 7 --format json")
        .with_code(0)
        .json();
    let by_name = |name: &str| {
        let rows = rows.as_array().unwrap().iter();
        rows.clone()
            .find(|row| row["component_name"] == name)
            .cloned()
    };
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    assert_eq!(
        by_name("vault").unwrap(),
        json!({"component_name": "vault", "sessions": 2, "error_rate": 50.0, "lost_rate": 0.0, "mean_seconds": 200.0,
            "score": 90.0, "trend": -10.0})
    );
    let billing = by_name("billing").unwrap();
    assert_eq!(
        (&billing["lost_rate"], &billing["trend"]),
        (&json!(50.0), &Value::Null)
    );
    assert!(
        rows[0]["score"].as_f64() < rows[1]["score"].as_f64(),
        "{rows}"
    );
    assert_eq!(
        helper(&server, "json", "quality(7)").with_code(0).json(),
        rows
    );

    let people = server.cli("quality --days 7").with_code(0).stdout;
    let vault = people
        .lines()
        .find(|line| line.starts_with("vault"))
        .unwrap();
    let cells: Vec<_> = vault.split_whitespace().collect();
    assert_eq!(
        cells,
        ["vault", "2", "50.0%", "0.0%", "3m", "20s", "90.0", "-10.0"]
    );
}

#[test]
fn insights_finds_what_is_unusual_on_any_page() {
    let server = Server::start();
    let user = |name: &str| json!({"component_name": "billing", "user": {"username": name}});
    let mut sessions: Vec<_> = (1..=60_u16)
        .map(|number| {
            let days = i64::from(61 - number);
            (
                ago(number, days * DAY, user("les")),
                600 + i64::from(number % 7) * 30,
                0,
            )
        })
        .collect();
    sessions[59].1 = 9 * 3600;
    // More than a page of people who come once, all newer.
    sessions.extend((0..1100_u16).map(|number| {
        let name = format!("guest-{number}");
        (ago(100 + number, 3600, user(&name)), 60, 0)
    }));
    let ids = record(&server, &sessions);

    let found = server.cli("insights --format json").with_code(0).json();
    let [finding] = found.as_array().unwrap().as_slice() else {
        panic!("{found}");
    };
    assert_eq!(finding["metric"], "duration");
    assert_eq!(finding["sessions"], json!([ids[59]]));
    assert_eq!(
        finding["reason"],
        "les's session in billing lasted 9 h; of 59 before it half were between 10 min and 12 min, the longest 13 min"
    );
    assert_eq!(
        helper(&server, "json", "insights()").with_code(0).json(),
        found
    );
    let people = server.cli("insights --limit 1").with_code(0).stdout;
    assert!(
        people.contains("les's session in billing lasted 9 h; "),
        "{people}"
    );
    // What began before is not looked at, and of one session nothing is unusual.
    let lately = server.cli("insights --days 3").with_code(0);
    assert_eq!(
        (&*lately.stdout, &*lately.stderr),
        ("", "nothing is unusual\n")
    );
}

#[test]
fn limits_and_days_have_bounds() {
    let server = Server::start();
    for (arguments, problem) in [
        ("insights --limit 0", "limit must be at least 1"),
        ("insights --days 366", "days cannot exceed 365"),
        ("quality --days 0", "days must be at least 1"),
    ] {
        let refused = server.cli(arguments).with_code(2);
        assert!(refused.stderr.contains(problem), "{refused:?}");
    }
    for (script, problem) in [
        ("insights(0)", "limit must be at least 1"),
        ("insights(3, 366)", "days cannot exceed 365"),
        ("quality(0)", "days must be at least 1"),
    ] {
        let refused = helper(&server, "table", script).with_code(1);
        assert!(refused.stderr.contains(problem), "{refused:?}");
    }
    let empty = server.cli("quality").with_code(0);
    assert_eq!(
        (&*empty.stdout, &*empty.stderr),
        ("", "no sessions in that time\n")
    );
}
