//! What people and programs are answered, at each of the doors.

use std::fs;

use serde_json::{Value, json};
use session_model::Timestamp;

use crate::harness::{Home, Server, end, five_sessions, start, with};

/// Five sessions of a moment ago, each with a length, an error count and an error text.
fn recent_sessions(server: &Server) {
    let now: Timestamp = {
        server.begin(with(start(9), json!({"component_name": "oneiric"})));
        server.show("oneiric")["created_at"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    let started = Timestamp::from_micros(now.as_micros() - 60_000_000).unwrap();
    for (number, component, seconds, errors, error) in [
        (1, "mahavishnu", 10, 0, json!(null)),
        (2, "mahavishnu", 20, 1, json!("disk full")),
        (
            3,
            "mahavishnu",
            60,
            2,
            json!("no such order; it was looked for in every place that there is, twice"),
        ),
        (4, "mahavishnu", 110, 0, json!("disk full")),
        (5, "akosha", 5_400, 0, json!(null)),
    ] {
        let more = json!({"component_name": component, "timestamp": started});
        let id = server.begin(with(start(number), more));
        let ended = json!({
            "timestamp": now, "duration_seconds": seconds, "command_count": 4, "error_count": errors, "last_error": error,
        });
        let called = server.call("track_session_end", with(end(&id), ended));
        assert_eq!(called.content["status"], "ended", "{called:?}");
    }
}

fn rows(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/api/analytics?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()["rows"].clone()
}

#[test]
fn every_metric_is_told_of_the_sessions_that_are_meant() {
    let server = Server::start();
    recent_sessions(&server);
    let of = |metric: &str, more: &str| {
        rows(
            &server,
            &format!("metric={metric}&component=mahavishnu{more}"),
        )
    };
    assert_eq!(
        of("duration", ""),
        json!([{
            "component_name": "mahavishnu", "sessions": 4, "mean_seconds": 50.0, "median_seconds": 40.0, "p95_seconds": 110.0,
        }])
    );
    assert_eq!(
        of("error_rate", ""),
        json!([{
            "component_name": "mahavishnu", "sessions": 4, "failed": 2, "error_rate": 50.0, "most_common_error": "disk full",
        }])
    );
    assert_eq!(
        of("lost", "&component=oneiric"),
        json!([
            {"component_name": "mahavishnu", "sessions": 4, "lost": 0, "active": 0},
            {"component_name": "oneiric", "sessions": 1, "lost": 0, "active": 1},
        ])
    );
    // 100, 90, 80 and 100: a share of the commands failed in two, and all ends were reported.
    let listed = server.get("/api/sessions?component=mahavishnu").json();
    let scores = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["quality_score"].as_f64().unwrap());
    assert_eq!(scores.sum::<f64>(), 370.0);
    assert_eq!(
        of("quality", ""),
        json!([{"component_name": "mahavishnu", "sessions": 4, "score": 92.5}])
    );
    assert_eq!(
        of("unique_users", ""),
        json!([{"bucket": null, "users": 1}])
    );
    assert_eq!(
        of("unique_users", "&user=ana"),
        json!([{"bucket": null, "users": 0}])
    );
    assert_eq!(of("duration", "&before=2026-02-06"), json!([]));
}

#[test]
fn sessions_are_counted_in_the_zone_that_is_named() {
    let server = Server::start();
    five_sessions(&server);
    server.begin(with(
        start(6),
        json!({"timestamp": "2026-02-06T18:20:00Z", "user": {"username": "bo"}}),
    ));
    let bucket = |bucket: &str, sessions: u64| json!({"bucket": bucket, "sessions": sessions});
    assert_eq!(
        rows(&server, "metric=count"),
        json!([bucket("2026-02-06", 6)])
    );
    let kathmandu = "tz=Asia/Kathmandu";
    assert_eq!(
        rows(&server, &format!("metric=count&{kathmandu}")),
        json!([bucket("2026-02-06", 5), bucket("2026-02-07", 1)])
    );
    assert_eq!(
        rows(
            &server,
            &format!("metric=unique_users&period=hourly&{kathmandu}")
        ),
        json!([
            {"bucket": "2026-02-06T15:00:00+05:45", "users": 2},
            {"bucket": "2026-02-07T00:00:00+05:45", "users": 1},
        ])
    );
    assert_eq!(
        rows(&server, "metric=count&period=weekly"),
        json!([bucket("2026-W06", 6)])
    );
    assert_eq!(
        rows(
            &server,
            "metric=count&after=2026-02-06T10:02:00Z&before=2026-02-06T10:04:00Z"
        ),
        json!([bucket("2026-02-06", 2)])
    );
    let hours = rows(&server, "metric=peak_hours");
    assert_eq!(hours.as_array().unwrap().len(), 168);
    assert_eq!(
        hours[4 * 24 + 10],
        json!({"weekday": 5, "hour": 10, "sessions": 5})
    );
}

#[test]
fn every_door_gives_the_same_answer() {
    let server = Server::start();
    five_sessions(&server);
    let over_rest = server
        .get("/api/analytics?metric=count&period=hourly&type=admin_shell&user=les&user=ana&tz=Europe/Berlin")
        .json();
    let arguments = json!({
        "metric": "count", "period": "hourly", "type": "admin_shell", "user": ["les", "ana"], "tz": "Europe/Berlin",
        "component": null,
    });
    let over_mcp = server.call("session_analytics", arguments);
    let line = "analytics --metric count --period hourly --type admin_shell --user les,ana --tz Europe/Berlin --format json";
    assert_eq!(
        over_rest,
        json!({
            "metric": "count", "period": "hourly", "after": null, "before": null, "tz": "Europe/Berlin",
            "filters": {"type": ["admin_shell"], "user": ["les", "ana"]},
            "rows": [{"bucket": "2026-02-06T11:00:00+01:00", "sessions": 4}],
        })
    );
    assert_eq!(over_mcp.content, over_rest);
    assert_eq!(server.cli(line).with_code(0).json(), over_rest);
    let home = server.stop();
    let ran = home.cli(line).with_code(0);
    assert_eq!(ran.json(), over_rest);
    assert!(ran.stderr.contains("server not running"), "{}", ran.stderr);
}

#[test]
fn views_have_the_shapes_that_are_known() {
    let server = Server::start();
    recent_sessions(&server);
    let view = |path: &str| {
        let answer = server.get(&format!("/api/analytics/{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    };
    assert_eq!(
        view("sessions").json(),
        json!([
            {"component_name": "mahavishnu", "total_sessions": 4, "avg_duration": 50.0, "active_sessions": 0,
             "error_rate": 50.0, "date_range": "Last 7 days"},
            {"component_name": "akosha", "total_sessions": 1, "avg_duration": 5400.0, "active_sessions": 0,
             "error_rate": 0.0, "date_range": "Last 7 days"},
        ])
    );
    assert_eq!(
        view("duration").text(),
        r#"{"akosha":5400.0,"mahavishnu":50.0}"#,
        "longest first"
    );
    let components = view("components?limit=1").json();
    let last_active = components[0]["last_active"].clone();
    assert_eq!(
        components,
        json!([{"component_name": "mahavishnu", "session_count": 4, "total_duration": 200, "avg_quality_score": 92.5,
                "last_active": last_active}])
    );
    assert_eq!(
        last_active,
        server.get("/api/sessions?component=mahavishnu").json()[0]["start_time"]
    );
    assert_eq!(
        view("errors?component=mahavishnu").json(),
        json!({"mahavishnu": {"error_rate": 50.0, "total_sessions": 4, "failed_sessions": 2,
                              "most_common_error": "disk full"}})
    );
    let active = view("active").json();
    assert_eq!(active[0]["component_name"], "oneiric");
    assert_eq!(active[0]["start_time"], "2026-02-06T10:09:00.000000Z");
    assert!(
        active[0]["duration_seconds"].is_i64() && active[0]["project"].is_null(),
        "{active}"
    );
    for name in ["sessions", "duration", "components", "errors"] {
        let shown = server
            .cli(&format!("analytics {name} -d 7 --json"))
            .with_code(0);
        assert_eq!(shown.json(), view(name).json(), "{name}");
    }
}

#[test]
fn the_printed_sql_says_what_the_views_say() {
    let server = Server::start();
    recent_sessions(&server);
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let ask = |name: &str| {
        let sql = server
            .cli(&format!("analytics sql {name} --days 7"))
            .with_code(0)
            .stdout;
        let mut statement = database.prepare(&sql).unwrap();
        let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
        let row = |row: &rusqlite::Row<'_>| {
            let value = |place: usize| match row.get_ref(place).unwrap() {
                rusqlite::types::ValueRef::Null => json!(null),
                rusqlite::types::ValueRef::Integer(number) => json!(number),
                rusqlite::types::ValueRef::Real(number) => json!(number),
                other => json!(other.as_str().unwrap()),
            };
            Ok(columns
                .iter()
                .enumerate()
                .map(|(place, name)| (name.clone(), value(place)))
                .collect())
        };
        let rows: Vec<Value> = statement
            .query_map([], row)
            .unwrap()
            .map(Result::unwrap)
            .map(Value::Object)
            .collect();
        rows
    };
    let view = |name: &str| server.get(&format!("/api/analytics/{name}")).json();
    let same = |mut rows: Vec<Value>, more: &[(&str, Value)]| {
        for row in &mut rows {
            for (key, value) in more {
                row[*key] = value.clone();
            }
        }
        Value::from(rows)
    };
    let range = [("date_range", json!("Last 7 days"))];
    assert_eq!(same(ask("session_stats"), &range), view("sessions"));
    assert_eq!(same(ask("most_active"), &[]), view("components"));
    let durations = ask("average_duration");
    assert_eq!(
        durations[0],
        json!({"component_name": "akosha", "avg_duration": 5400.0})
    );
    for mut row in ask("error_rate") {
        let name = row
            .as_object_mut()
            .unwrap()
            .remove("component_name")
            .unwrap();
        assert_eq!(row, view("errors")[name.as_str().unwrap()]);
    }
    assert_eq!(
        ask("active_sessions")[0]["session_id"],
        view("active")[0]["session_id"]
    );
    server.cli("analytics sql everything").with_code(2);
}

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    let server = Server::start();
    let clap = "For more information";
    for (line, code, problem) in [
        ("", 2, "give --metric, or one of sessions"),
        (
            "--metric speed",
            2,
            "possible values: duration, count, unique_users, peak_hours",
        ),
        ("--metric count --period yearly", 2, "--period"),
        (
            "--metric lost --period daily",
            2,
            "--period: lost goes by no period",
        ),
        (
            "--metric count --tz Mars/Olympus",
            2,
            "--tz: expected a zone",
        ),
        (
            "--metric count --after yesterday",
            2,
            "--after: expected a date",
        ),
        ("--metric count --after 1d --before 2d", 2, "--after: "),
        ("--metric count --status lost", 2, clap),
        (
            "--metric count --output /nowhere/x.csv",
            1,
            "--output /nowhere/x.csv could not be written",
        ),
        ("sessions --days 0", 2, "days must be at least 1"),
        ("sessions --days -3", 2, "days must be at least 1"),
        ("errors --days 366", 2, "days cannot exceed 365"),
        ("components --limit 101", 2, "limit cannot exceed 100"),
        (
            "report --output /nowhere/report.html",
            1,
            "Error saving report to /nowhere/report.html",
        ),
    ] {
        let line = format!("analytics {line}");
        let ran = server.cli(line.trim_end()).with_code(code);
        assert!(ran.stderr.contains(problem), "{line}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{line}");
    }
    for (query, problem) in [
        ("?metric=count&limit=3", "limit: unknown; known are metric"),
        (
            "?metric=count&status=lost",
            "status: no filter of analytics",
        ),
        ("/sessions?days=0", "days: days must be at least 1"),
        ("/active?days=3", "days: unknown; none is known"),
    ] {
        let answer = server.get(&format!("/api/analytics{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json()["code"], "INVALID_PARAMETER", "{query}");
        assert!(
            answer.json()["detail"]
                .as_str()
                .unwrap()
                .starts_with(problem),
            "{}",
            answer.text()
        );
    }
    let called = server.call("session_analytics", json!({}));
    assert!(called.is_error, "{called:?}");
    assert_eq!(called.content["error_code"], "INVALID_PARAMETER");
    Home::new().cli("analytics --metric count").with_code(3);
}

#[test]
fn nothing_is_an_answer_too() {
    let server = Server::start();
    for (line, said) in [
        ("sessions", "No session data found.\n"),
        ("duration", "No duration data found.\n"),
        ("components", "No component usage data found.\n"),
        ("errors", "No error data found.\n"),
        ("active", "No active sessions found.\n"),
        ("--metric duration", "no session matches\n"),
    ] {
        let ran = server.cli(&format!("analytics {line}")).with_code(0);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("", said),
            "{line}"
        );
    }
    assert_eq!(
        server.cli("analytics sessions --json").with_code(0).json(),
        json!([])
    );
    assert_eq!(
        server.cli("analytics errors --json").with_code(0).json(),
        json!({})
    );
    let report = server.cli("analytics report").with_code(0);
    assert!(
        report.stdout.ends_with("No session data found.\n"),
        "{}",
        report.stdout
    );
}

#[test]
fn people_get_tables_and_charts() {
    let server = Server::start();
    five_sessions(&server);
    let show = |line: &str| server.cli(&format!("analytics {line}")).with_code(0).stdout;
    insta::assert_snapshot!(show("--metric lost --tz UTC"), @r"
    mahavishnu   1  ############################################################
    billing      0
    crackerjack  0

    Component    Sessions  Lost  Active
    mahavishnu          2     1       0
    billing             2     0       1
    crackerjack         1     0       1
    ");
    insta::assert_snapshot!(show("--metric count --period hourly --tz Asia/Kathmandu"), @r"
    From                       Sessions
    2026-02-06T15:00:00+05:45         5
    ");
    insta::assert_snapshot!(show("--metric peak_hours --tz UTC"), @r"
        0           6           12          18
    Mon
    Tue
    Wed
    Thu
    Fri                     ##
    Sat
    Sun
    darkest: 5 sessions
    ");
    insta::assert_snapshot!(show("--metric duration --component mahavishnu --tz UTC"), @r"
    Component   Sessions  Mean     Median   95 %
    mahavishnu         2  45m 30s  45m 30s  1h 30m
    ");
    insta::assert_snapshot!(show("--metric count --tz UTC --format csv"), @r"
    bucket,sessions
    2026-02-06,5
    ");
}

#[test]
fn a_report_is_written_as_its_file_says_and_nothing_in_it_acts() {
    let server = Server::start();
    recent_sessions(&server);
    let now = server.show("akosha")["start_time"].clone();
    let id = server.begin(with(
        start(7),
        json!({"timestamp": now, "component_name": "billing"}),
    ));
    let evil = "<script>alert(1)</script> | \u{1b}[31m";
    server.call(
        "track_session_end",
        with(
            end(&id),
            json!({"error_count": 1, "last_error": evil, "timestamp": now}),
        ),
    );
    for (name, found) in [
        ("report.html", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("report.md", r"&lt;script\>alert\(1\)&lt;\/script\> \|"),
        ("report.txt", "<script>alert(1)</script> |"),
    ] {
        let path = server.file(name);
        let ran = server
            .cli(&format!(
                "analytics report --days 30 --output {}",
                path.display()
            ))
            .with_code(0);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("report saved to"), "{}", ran.stderr);
        let report = fs::read_to_string(path).unwrap();
        assert!(report.contains(found), "{report}");
        assert!(!report.contains('\u{1b}'), "{report}");
        assert!(
            report.contains("last 30 days") && report.contains("mahavishnu"),
            "{report}"
        );
    }
    let page = fs::read_to_string(server.file("report.html")).unwrap();
    assert!(
        !page.contains("<script") && !page.contains("src=") && !page.contains("href="),
        "it needs nothing else"
    );
    assert_eq!(page.matches("<svg").count(), 3);
}
