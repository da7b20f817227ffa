//! What is to be had at `/metrics`: it means what its help says, after a crash too, and stays within its bounds.

mod counting;
mod places;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use session_buddy::metrics::{COMPONENTS_MAX, OTHER, SHELL_TYPES_MAX};

use crate::harness::{Answer, Home, Server, end, five_sessions, start, with};

/// The samples of a scrape, each by its name and labels as they are written.
pub(crate) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    pub(crate) fn of(server: &Server) -> Self {
        let answer = server.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self::read(answer.text())
    }

    #[track_caller]
    pub(crate) fn read(text: &str) -> Self {
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples: BTreeMap<_, _> = lines.clone().map(sample).collect();
        assert_eq!(samples.len(), lines.count(), "a sample stands there twice");
        Self(samples)
    }

    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| {
            let family = name.split('{').next().unwrap();
            let near: Vec<_> = self
                .0
                .keys()
                .filter(|key| key.starts_with(family))
                .collect();
            panic!("no {name}; there are {near:#?}")
        })
    }

    /// Gives what a family has for one component.
    #[track_caller]
    pub(crate) fn of_component(&self, family: &str, component: &str) -> f64 {
        self.value(&format!("{family}{{component_name=\"{component}\"}}"))
    }

    /// Gives the sum over all samples of a family.
    fn sum(&self, family: &str) -> f64 {
        let of_family = self.0.iter().filter(|(name, _)| name.starts_with(family));
        of_family.map(|(_, value)| value).sum()
    }

    /// Gives all values of a label in a family.
    fn labels(&self, family: &str, label: &str) -> BTreeSet<&str> {
        let of_family = self.0.keys().filter(|name| name.starts_with(family));
        of_family
            .filter_map(|name| {
                let from = name.split_once(&format!("{label}=\""))?.1;
                Some(from.split_once('"')?.0)
            })
            .collect()
    }
}

/// Closes what `five_sessions` leaves open; 2 and 5 report errors.
fn end_with_error(server: &Server, id: &str) {
    let failed = json!({"error_count": 1, "last_error": "no such order", "exit_reason": "error"});
    let called = server.call("track_session_end", with(end(id), failed));
    assert_eq!(called.content["status"], "ended", "{called:?}");
}

#[test]
fn each_session_counts_once_by_what_became_of_it() {
    let server = Server::start();
    let ids = five_sessions(&server);
    // Repeated, they change nothing.
    five_sessions(&server);
    end_with_error(&server, &ids[1]);
    // The true end of one that was lost, and of one that was closed by hand.
    server.call("track_session_end", end(&ids[2]));
    end_with_error(&server, &ids[3]);
    let scrape = Scrape::of(&server);
    let value = |name: &str| scrape.value(name);

    let start = |component: &str| {
        format!(
            "session_start_total{{component_name=\"{component}\",shell_type=\"MahavishnuShell\"}}"
        )
    };
    assert_eq!(value(&start("mahavishnu")), 2.0);
    assert_eq!(value(&start("billing")), 2.0);
    assert_eq!(value(&start("crackerjack")), 1.0);
    let ended = |component: &str, status: &str| {
        value(&format!(
            "session_end_total{{component_name=\"{component}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(
        [ended("mahavishnu", "success"), ended("mahavishnu", "error")],
        [2.0, 0.0]
    );
    assert_eq!(
        [ended("billing", "success"), ended("billing", "error")],
        [0.0, 2.0]
    );
    let closed = |cause: &str, component: &str| {
        value(&format!(
            "session_closed_total{{cause=\"{cause}\",component_name=\"{component}\"}}"
        ))
    };
    assert_eq!(closed("reported", "mahavishnu"), 1.0);
    assert_eq!(closed("process_gone", "mahavishnu"), 1.0);
    assert_eq!(closed("by_hand", "billing"), 1.0);
    assert_eq!(closed("reported", "billing"), 1.0);
    assert_eq!(
        scrape.of_component("session_end_replaced_total", "mahavishnu"),
        1.0
    );
    assert_eq!(
        scrape.of_component("session_end_replaced_total", "billing"),
        1.0
    );
    for (component, active) in [("mahavishnu", 0.0), ("billing", 0.0), ("crackerjack", 1.0)] {
        assert_eq!(scrape.of_component("active_sessions", component), active);
    }

    // Lengths are those of sessions, each observed once, at the first close: 5,400 s and 60 s.
    assert_eq!(
        scrape.of_component("session_duration_seconds_count", "mahavishnu"),
        2.0
    );
    assert_eq!(
        scrape.of_component("session_duration_seconds_sum", "mahavishnu"),
        5460.0
    );
    let upto = |le: &str| {
        value(&format!(
            "session_duration_seconds_bucket{{component_name=\"mahavishnu\",le=\"{le}\"}}"
        ))
    };
    let buckets = [
        "60", "300", "900", "1800", "3600", "7200", "14400", "28800", "+Inf",
    ];
    assert_eq!(
        buckets.map(upto),
        [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    );
}

#[test]
fn emissions_are_counted_where_they_are_answered() {
    let server = Server::start();
    server.begin(start(1));
    server.begin(start(1));
    let conflict = with(start(1), json!({"pid": 7}));
    server.call("track_session_start", conflict);
    server.call("track_session_start", with(start(2), json!({"pid": 0})));
    server.call(
        "track_session_end",
        end("mahavishnu-20260206-104200-aaaaaaaa"),
    );
    server.call("track_session_end", end("nobody-20260206-104200-aaaaaaaa"));
    let unread = [("Content-Type", "application/x-ndjson")];
    server.send("POST", "/api/events", &unread, "what\n{}");
    let scrape = Scrape::of(&server);
    let labels = |component: &str, event: &str| {
        format!("component_name=\"{component}\",event_type=\"{event}\"")
    };
    let failed = |component: &str, error: &str, event: &str| {
        scrape.value(&format!(
            "mcp_event_emit_failure_total{{component_name=\"{component}\",error_type=\"{error}\",event_type=\"{event}\"}}"
        ))
    };
    let started = labels("mahavishnu", "session_start");
    let taken = scrape.value(&format!("mcp_event_emit_success_total{{{started}}}"));
    assert_eq!(taken, 2.0);
    assert_eq!(failed("mahavishnu", "conflict", "session_start"), 1.0);
    assert_eq!(failed("mahavishnu", "invalid_event", "session_start"), 1.0);
    assert_eq!(
        failed("mahavishnu", "session_not_found", "session_end"),
        1.0
    );
    // What is refused makes no label of its own.
    assert_eq!(failed(OTHER, "session_not_found", "session_end"), 1.0);
    assert_eq!(failed(OTHER, "invalid_event", OTHER), 2.0);
    let measured = scrape.value(&format!(
        "mcp_event_emit_duration_seconds_count{{{started}}}"
    ));
    assert_eq!(measured, 4.0);
    let buckets = scrape.labels("mcp_event_emit_duration_seconds_bucket", "le");
    let expected = [
        "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
        "+Inf",
    ];
    assert_eq!(buckets, BTreeSet::from(expected));
    let not_found = "session_end_total{component_name=\"mahavishnu\",status=\"not_found\"}";
    assert_eq!(scrape.value(not_found), 1.0);
}

#[test]
fn a_refused_token_is_a_failed_emission_and_a_refusal() {
    let home = Home::new();
    let mut command = home.command();
    command.env(
        "SESSION_BUDDY_SECRET",
        "a-secret-of-this-test-0123456789abcdef",
    );
    let server = home.start_as(command);
    let called = server.call("track_session_start", start(1));
    assert_eq!(called.content["error_code"], "TOKEN_REQUIRED");
    let scrape = Scrape::of(&server);
    let failed = "mcp_event_emit_failure_total{component_name=\"other\",error_type=\"token_required\",event_type=\"session_start\"}";
    assert_eq!(scrape.value(failed), 1.0);
    let refused = "session_buddy_auth_refusals_total{code=\"TOKEN_REQUIRED\"}";
    assert_eq!(scrape.value(refused), 1.0);
}

#[test]
fn gauges_are_right_after_a_crash_and_never_negative() {
    let server = Server::start();
    let ids: Vec<_> = (1..=3).map(|number| server.begin(start(number))).collect();
    server.call("track_session_end", end(&ids[0]));
    let server = server.kill().start();
    assert_eq!(
        Scrape::of(&server).of_component("active_sessions", "mahavishnu"),
        2.0
    );
    for id in &ids {
        server.call("track_session_end", end(id));
        server.call("end_session", json!({"session_id": id, "force": true}));
    }
    let scrape = Scrape::of(&server);
    assert_eq!(scrape.of_component("active_sessions", "mahavishnu"), 0.0);
    // Counters begin anew, and only what this server has seen is counted.
    assert_eq!(scrape.sum("session_closed_total"), 2.0);
    assert_eq!(scrape.sum("session_start_total"), 0.0);
}

fn begin_many(server: &Server, count: usize, of: impl Fn(usize) -> serde_json::Value) {
    let headers = [("Content-Type", "application/x-ndjson")];
    let numbers: Vec<usize> = (0..count).collect();
    for numbers in numbers.chunks(256) {
        let lines: Vec<_> = numbers
            .iter()
            .map(|number| of(*number).to_string())
            .collect();
        let answer: Answer = server.send("POST", "/api/events", &headers, &lines.join("\n"));
        let results = answer.json();
        let tracked = |result: &serde_json::Value| result["status"] == "tracked";
        assert!(results.as_array().unwrap().iter().all(tracked), "{results}");
    }
}

#[test]
fn a_flood_of_names_ends_in_other() {
    let server = Server::start();
    let many = COMPONENTS_MAX + 44;
    begin_many(&server, many, |number| {
        let number = u16::try_from(number).unwrap();
        with(
            start(number),
            json!({"component_name": format!("c-{number:03}")}),
        )
    });
    begin_many(&server, SHELL_TYPES_MAX + 3, |number| {
        let shell = json!({"component_name": "c-000", "shell_type": format!("Shell{number}")});
        with(start(u16::try_from(400 + number).unwrap()), shell)
    });
    let look = |server: &Server| {
        let scrape = Scrape::of(server);
        let components = scrape.labels("active_sessions", "component_name");
        assert_eq!(components.len(), COMPONENTS_MAX + 1);
        assert!(components.contains("c-000") && components.contains(OTHER));
        assert_eq!(scrape.of_component("active_sessions", OTHER), 44.0);
        assert_eq!(scrape.of_component("active_sessions", "c-000"), 12.0);
        scrape
    };
    let scrape = look(&server);
    let rest = "session_start_total{component_name=\"c-000\",shell_type=\"other\"}";
    assert_eq!(scrape.value(rest), 4.0);
    // The same ones have labels after a restart.
    look(&server.kill().start());
}

#[test]
fn labels_hold_nothing_that_acts_and_nobody() {
    let server = Server::start();
    let hostile = "a\u{1b}[31m\"b\\c\nd\u{202e}e";
    let user = json!({"username": "who-is-this", "home": "/home/who-is-this"});
    let event = json!({"shell_type": hostile, "user": user, "hostname": "which-host-is-this"});
    let id = server.begin(with(start(1), event));
    let text = server.get("/metrics").text().to_owned();
    // Escaped so that it does not act, and then as the format wants it.
    let label = r#"shell_type="a\\u{1b}[31m\"b\\c\\nd\\u{202e}e""#;
    assert!(text.contains(label), "{text}");
    for personal in ["who-is-this", "which-host", &id] {
        assert!(!text.contains(personal), "{personal}");
    }
}
