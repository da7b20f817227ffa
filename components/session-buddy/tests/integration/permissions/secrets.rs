//! The secrets of a server, and what is never told of them.

use std::fs;

use serde_json::json;

use super::callers::{EMITTERS_SECRET, Guarded, SECRET, claims, hs256};
use crate::harness::{Home, run, start};

const OWN: &str = "SESSION_BUDDY_SECRET";
const OF_EMITTERS: &str = "MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET";

#[test]
fn a_secret_that_is_none_keeps_the_server_from_starting_and_is_named() {
    let home = Home::new();
    let file = home.root().join("secret");
    fs::write(&file, SECRET).unwrap();
    let file = file.to_str().unwrap();
    for (variables, said) in [
        (
            vec![(OWN, "hunter2")],
            "SESSION_BUDDY_SECRET has a secret of 7 bytes",
        ),
        (
            vec![(OWN, "changeme")],
            "SESSION_BUDDY_SECRET has a secret that everybody knows",
        ),
        (
            vec![(OF_EMITTERS, "short")],
            "MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET has a secret of 5 bytes",
        ),
        (
            vec![(OWN, SECRET), ("SESSION_BUDDY_SECRET_FILE", file)],
            "SESSION_BUDDY_SECRET and SESSION_BUDDY_SECRET_FILE are both set",
        ),
        (
            vec![("SESSION_BUDDY_SECRET_FILE", "/nonexistent")],
            "SESSION_BUDDY_SECRET_FILE names /nonexistent",
        ),
        (
            vec![(OWN, SECRET), (OF_EMITTERS, SECRET)],
            "have a secret in common",
        ),
        (
            vec![("SESSION_BUDDY_TRUST_LOOPBACK", "perhaps")],
            "trust_loopback",
        ),
    ] {
        let mut command = home.command();
        command.envs(variables.clone());
        let ran = home
            .refused_as(command, "--port 0")
            .with_code(5)
            .saying(said);
        assert!(
            !ran.stderr.contains("hunter2") && !ran.stderr.contains(SECRET),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn one_secret_acts_as_both_whichever_it_is() {
    for variable in [OWN, OF_EMITTERS] {
        let server = Guarded::with_environment(&Home::new(), &[(variable, SECRET)]);
        let admin = server.with("admin", json!({"scopes": ["admin"]}));
        assert_eq!(
            admin.send("GET", "/api/audit", &[], "").status,
            200,
            "{variable}"
        );
        let health = server.nobody().send("GET", "/health", &[], "").json();
        assert_eq!(health["auth"], "required");
        let told = server
            .nobody()
            .send("GET", "/api/sessions", &[], "")
            .problem(401, "TOKEN_REQUIRED");
        assert!(told["detail"].as_str().unwrap().contains(variable));
        assert!(
            server
                .cli("mcp health")
                .with_code(0)
                .stdout
                .contains("required")
        );
    }
}

#[test]
fn a_server_without_a_secret_passes_over_tokens() {
    let server = crate::harness::Server::start();
    let headers = [("Authorization", "Bearer x")];
    assert_eq!(
        server.send("GET", "/api/sessions", &headers, "").status,
        200
    );
    let called = server.call("list_sessions", json!({"token": "x"}));
    assert!(!called.is_error, "{called:?}");
    assert_eq!(server.get("/health").json()["auth"], "optional");
}

#[test]
fn other_machines_are_served_with_a_secret_only() {
    let home = Home::new();
    home.refused("--port 0 --host 0.0.0.0")
        .with_code(5)
        .saying("without a secret");
    let mut command = home.command();
    command
        .env(OWN, SECRET)
        .env("SESSION_BUDDY_HOST", "0.0.0.0");
    let server = home.start_as(command);
    let log = server.wait_for_log("plain text");
    assert!(log.contains("TLS"), "{log}");
    server.get("/api/sessions").problem(401, "TOKEN_REQUIRED");
}

#[test]
fn everybody_on_this_machine_is_trusted_where_the_configuration_says_so() {
    let home = Home::new();
    fs::write(home.file("config.yaml"), "trust_loopback: true\n").unwrap();
    let server = home.start();
    server.wait_for_log("trust_loopback: every user of this machine");
    assert_eq!(server.get("/api/audit").status, 200);
}

#[test]
fn a_command_over_tcp_says_who_asks() {
    let server = Guarded::start();
    server.begin_by_hand(start(1));
    let list = |variables: &[(&str, &str)]| {
        let mut command = server.command();
        command.envs(variables.iter().copied());
        command.args(["list-sessions", "--format", "json", "--server"]);
        command.arg(format!("http://{}", server.address()));
        run(command, "")
    };
    list(&[])
        .with_code(1)
        .saying("Token required")
        .saying("hint: set SESSION_BUDDY_TOKEN");
    assert_eq!(
        list(&[(OWN, SECRET)])
            .with_code(0)
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let token = hs256(SECRET, &claims(json!({"scopes": ["read"]})));
    list(&[("SESSION_BUDDY_TOKEN", &token)]).with_code(0);
    list(&[(OF_EMITTERS, EMITTERS_SECRET)]).with_code(0);
    let audit = |secret: &str| {
        let mut command = server.command();
        command.env(OF_EMITTERS, secret).args(["audit", "--server"]);
        command.arg(format!("http://{}", server.address()));
        run(command, "")
    };
    audit(EMITTERS_SECRET)
        .with_code(1)
        .saying("takes scope admin");
}

/// Whatever goes in as a secret or a token is nowhere afterwards.
#[test]
fn no_secret_and_no_token_is_written_anywhere() {
    let home = Home::new();
    let mut command = home.command();
    command.envs([
        (OWN, SECRET),
        (OF_EMITTERS, EMITTERS_SECRET),
        ("RUST_LOG", "trace"),
    ]);
    let server = home.start_as(command);
    let good = hs256(SECRET, &claims(json!({})));
    let bad = hs256(
        "canary-canary-canary-of-another-server",
        &claims(json!({"sub": "canary"})),
    );
    for token in [&good, &bad] {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        server.send("GET", "/api/sessions", &headers, "");
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        server.send("POST", "/mcp", &headers, ping);
        server.send("GET", &format!("/api/sessions?token={token}"), &[], "");
        let mut event = start(1);
        event["token"] = json!(token);
        server.send(
            "POST",
            "/mcp",
            &[],
            &crate::harness::call_body("track_session_start", event.clone()),
        );
        event["event_type"] = json!("session_start");
        let ndjson = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/x-ndjson"),
        ];
        server.send("POST", "/api/events", &ndjson, &event.to_string());
    }
    let log = server.stop_for_log();
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let canaries = [
        SECRET.to_owned(),
        EMITTERS_SECRET.to_owned(),
        signature(&good),
        signature(&bad),
    ];
    for canary in canaries {
        assert!(!log.contains(&canary), "the log has {canary}");
        for entry in fs::read_dir(home.state()).unwrap() {
            let path = entry.unwrap().path();
            let Ok(bytes) = fs::read(&path) else { continue };
            let found = bytes
                .windows(canary.len())
                .any(|window| window == canary.as_bytes());
            assert!(!found, "{} has {canary}", path.display());
        }
    }
}

#[test]
fn a_restart_does_not_lose_the_secret() {
    let background = crate::harness::Background::new();
    let with_secret = |line: &str| {
        let mut command = background.command();
        command.env(OWN, SECRET).args(line.split(' '));
        run(command, "")
    };
    with_secret("mcp start --port 0").with_code(0);
    let pid = background.pid();
    let ran = background.cli("mcp restart").with_code(5);
    let ran = ran.saying("the server had a secret (SESSION_BUDDY_SECRET)");
    assert!(!ran.stderr.contains(SECRET));
    assert_eq!(background.pid(), pid);
    with_secret("mcp restart").with_code(0);
    let info = fs::read_to_string(background.file("server.json")).unwrap();
    assert!(
        info.contains("\"SESSION_BUDDY_SECRET\"") && !info.contains(SECRET),
        "{info}"
    );
}
