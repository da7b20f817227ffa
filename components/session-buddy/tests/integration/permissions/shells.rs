//! Shells whose server asks who they are.

use std::{ffi::OsString, fs};

use serde_json::{Map, Value, json};
use session_client::{
    Beginning, Clock, Emitter, Ending, Settings, emitter::Connection, identity::Identity,
};
use session_model::{ExitReason, SessionType};

use super::callers::{EMITTERS_SECRET, Guarded, SECRET, claims, hs256};
use crate::harness::{DEADLINE, Home, Ran, run};

/// Begins a session of a component whose events go to a server over TCP.
fn shell(home: &Home, component: &str, server: &Guarded, variables: &[(&str, &str)]) -> Emitter {
    let endpoint = format!("http://{}/mcp", server.address());
    let variable = |name: &str| match name {
        "SESSION_BUDDY_HOME" => Some(OsString::from(home.state())),
        "SESSION_BUDDY_MCP_ENDPOINT" => Some(OsString::from(&endpoint)),
        _ => variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| OsString::from(value)),
    };
    let component = component.parse().unwrap();
    let (settings, notices) = Settings::from_environment(&component, &variable);
    assert_eq!(notices, [""; 0]);
    let beginning = Beginning {
        component,
        shell_type: "Shell".to_owned(),
        session_type: SessionType::default(),
        reason: Some("rotate password=hunter2-canary now".to_owned()),
        metadata: Map::from_iter([("api_key".to_owned(), json!("canary-of-metadata"))]),
    };
    let identity = Identity::of_this_process(&variable);
    Emitter::begin(&settings, identity, beginning, Clock::system())
}

fn leave(shell: &Emitter) {
    shell.end(Ending {
        reason: ExitReason::Exit,
        exit_code: 0,
    });
}

fn spooled(home: &Home) -> Vec<u8> {
    let files = fs::read_dir(home.file("spool"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .flat_map(|path| fs::read(path).unwrap())
        .collect()
}

fn replay(home: &Home, server: &Guarded, variables: &[(&str, &str)]) -> Ran {
    let mut command = home.command();
    command.env(
        "SESSION_BUDDY_MCP_ENDPOINT",
        format!("http://{}/mcp", server.address()),
    );
    command.envs(variables.iter().copied());
    command.args(["event-buffer", "replay", "--format", "json"]);
    run(command, "")
}

fn record(server: &Guarded, shell: &Emitter) -> Value {
    let path = format!("/api/sessions/{}", shell.session_id());
    server.owner().send("GET", &path, &[], "").json()
}

#[test]
fn a_shell_makes_its_tokens_of_the_secret_in_its_environment() {
    for (variable, secret, claimed) in [
        ("SESSION_BUDDY_SECRET", SECRET, ""),
        (
            "MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET",
            EMITTERS_SECRET,
            "claimed:",
        ),
    ] {
        let (server, home) = (Guarded::start(), Home::new());
        let shell = shell(&home, "billing", &server, &[(variable, secret)]);
        shell.wait_acknowledged(DEADLINE).unwrap();
        assert_eq!(shell.status().advice, None);
        leave(&shell);
        let mut ended = record(&server, &shell);
        let subject = ended["token_subject"].take();
        assert!(subject.as_str().unwrap().starts_with(claimed), "{subject}");
        assert_eq!(ended["reason"], "rotate password=[redacted] now");
        assert_eq!(ended["metadata"]["api_key"], "[redacted]");
    }
}

#[test]
fn a_refused_credential_loses_nothing_and_says_what_to_do() {
    let expired = hs256(SECRET, &claims(json!({"exp": 1})));
    let foreign = hs256(
        "another-secret-of-which-this-server-knows-nothing",
        &claims(json!({})),
    );
    for (variables, advice) in [
        (vec![], "the server wants a token"),
        (
            vec![("SESSION_BUDDY_TOKEN", expired.as_str())],
            "the token has expired",
        ),
        (
            vec![("SESSION_BUDDY_TOKEN", foreign.as_str())],
            "does not know the token",
        ),
    ] {
        let (server, home) = (Guarded::start(), Home::new());
        let shell = shell(&home, "billing", &server, &variables);
        shell.deliver();
        let mut status = shell.status();
        while status.advice.is_none() {
            status = shell
                .wait_changed(&status, DEADLINE)
                .expect("the status says why");
        }
        assert!(status.advice.unwrap().contains(advice), "{status:?}");
        assert!(
            matches!(status.connection, Connection::Offline { .. }),
            "{status:?}"
        );
        leave(&shell);
        drop(shell);
        let spool = spooled(&home);
        for canary in [
            "hunter2-canary",
            "canary-of-metadata",
            SECRET,
            expired.as_str(),
            foreign.as_str(),
        ] {
            let found = spool
                .windows(canary.len())
                .any(|window| window == canary.as_bytes());
            assert!(!found, "the spool has {canary}");
        }
        let listed = home
            .cli("event-buffer list --format json")
            .with_code(0)
            .json();
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(
            (&listed[0]["events"], &listed[0]["acknowledged"]),
            (&json!(2), &json!(0))
        );
        let cause = listed[0]["last_error"].as_str().unwrap();
        assert!(cause.contains("401 Unauthorized, TOKEN_"), "{cause}");
    }
}

#[test]
fn a_deliverer_brings_what_its_own_credential_speaks_for() {
    let (server, home) = (Guarded::start(), Home::new());
    for component in ["billing", "akosha"] {
        let shell = shell(&home, component, &server, &[]);
        leave(&shell);
    }
    let bound = claims(json!({"component": "billing", "scopes": ["emit"]}));
    let token = hs256(SECRET, &bound);
    let ran = replay(&home, &server, &[("SESSION_BUDDY_TOKEN", &token)])
        .with_code(0)
        .json();
    assert_eq!(
        (&ran["delivered"], &ran["elsewhere"]),
        (&json!(1), &json!(1)),
        "{ran}"
    );
    // A secret makes a token for each component.
    let left = shell(&home, "billing", &server, &[]);
    leave(&left);
    drop(left);
    let ran = replay(&home, &server, &[("SESSION_BUDDY_SECRET", SECRET)])
        .with_code(0)
        .json();
    assert_eq!(
        (&ran["delivered"], &ran["waiting"]),
        (&json!(2), &json!(0)),
        "{ran}"
    );
    let none = replay(&home, &server, &[]).with_code(0).json();
    assert_eq!(none["delivered"], 0);
}
