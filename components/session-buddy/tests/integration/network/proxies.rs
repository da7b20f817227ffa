//! Names beyond this machine, and what comes by way of a proxy.

use super::{SECRET, guarded, with_config};
use crate::harness::{Server, request};

const NAMES: &str = "allowed_hosts: [buddy.example.org]\n\
    allowed_origins: [https://buddy.example.org]\n\
    trusted_proxies: [127.0.0.1]\n";

fn status(server: &Server, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = server.send("GET", "/api/sessions", headers, "");
    let code = answer.json()["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, code)
}

#[test]
fn a_public_name_is_served_where_it_was_told_of() {
    let server = guarded(NAMES);
    let public = ("Host", "buddy.example.org");
    assert_eq!(
        status(&server, &[public]),
        (401, "TOKEN_REQUIRED".to_owned())
    );
    let other = ("Host", "evil.example.org");
    assert_eq!(status(&server, &[other]), (403, "HOST_REFUSED".to_owned()));
    let page = ("Origin", "https://buddy.example.org");
    assert_eq!(status(&server, &[public, page]).0, 401);
    for origin in [
        "https://evil.example.org",
        "http://buddy.example.org.evil",
        "null",
    ] {
        let refused = status(&server, &[public, ("Origin", origin)]);
        assert_eq!(refused, (403, "ORIGIN_REFUSED".to_owned()), "{origin}");
    }
}

#[test]
fn without_a_secret_nothing_that_came_by_a_proxy_is_served() {
    let server = with_config(NAMES);
    assert_eq!(status(&server, &[]).0, 200);
    for by_proxy in [
        ("Host", "buddy.example.org"),
        ("X-Forwarded-For", "192.0.2.7"),
    ] {
        assert_eq!(
            status(&server, &[by_proxy]),
            (403, "FORBIDDEN".to_owned()),
            "{by_proxy:?}"
        );
    }
}

#[test]
fn only_a_trusted_proxy_is_believed() {
    let server = with_config("allowed_hosts: [buddy.example.org]\n");
    assert_eq!(status(&server, &[("X-Forwarded-For", "192.0.2.7")]).0, 200);
}

#[test]
fn clients_behind_a_proxy_are_bounded_one_by_one() {
    let config = format!("{NAMES}requests_per_second: 1\nrequests_burst: 2\nrefusal_delay: 0s\n");
    let server = guarded(&config);
    let health = |client: &str| {
        let headers = [("Host", "buddy.example.org"), ("X-Forwarded-For", client)];
        server.send("GET", "/health", &headers, "").status
    };
    assert!((0..1000).any(|_| health("192.0.2.7") == 429));
    assert_eq!(health("192.0.2.8"), 200);
    // What a client writes itself, the proxy leaves to the left of what it saw.
    assert_eq!(health("192.0.2.8, 192.0.2.7"), 429);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn the_ledger_says_for_whom_a_proxy_asked() {
    let server = guarded(NAMES);
    let mut command = server.command();
    command
        .args([
            "token",
            "create",
            "--subject",
            "ci",
            "--scope",
            "emit,read",
            "--ttl",
            "1h",
        ])
        .env("SESSION_BUDDY_SECRET", SECRET);
    let token = crate::harness::run(command, "").with_code(0).stdout;
    let bearer = format!("Bearer {}", token.trim());
    let headers = [
        ("Host", "buddy.example.org"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("Authorization", &*bearer),
    ];
    let body = crate::harness::call_body("track_session_start", crate::harness::start(1));
    assert_eq!(server.send("POST", "/mcp", &headers, &body).status, 200);
    let list = server
        .raw_unix(&request("GET", "/api/sessions", &[], ""))
        .json();
    assert_eq!(list[0]["origin_address"], "192.0.2.7");
    assert_eq!(list[0]["token_subject"], "ci");
}
