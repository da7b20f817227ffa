//! The shell: the same helpers, and who it is.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{AKOSHA, Ran, Server, a_week};

/// How long a session may take to be known: the server adopts what a shell that left at once has spooled.
const DEADLINE: Duration = Duration::from_secs(30);
const AKASHA: &str = env!("CARGO_BIN_EXE_akasha");

#[test]
fn helpers_give_what_the_commands_give() {
    let server = Server::with(&a_week());
    for (command, script) in [
        (&["aggregate"] as &[&str], "aggregate()"),
        (
            &["aggregate", "sessions by user,day", "--component", "vault"],
            "aggregate('sessions by user,day', #{component: 'vault'})",
        ),
        (
            &[
                "aggregate",
                "sessions",
                "--user",
                "les",
                "--after",
                "2026-11-26",
            ],
            "aggregate('sessions', filters='user=les after=2026-11-26')",
        ),
        (
            &["search", "timeout", "--limit", "2"],
            "search('timeout', limit=2)",
        ),
        (&["graph", "les", "--depth", "1"], "graph('les', depth=1)"),
        (&["graph", "les", "--dot"], "graph('les', dot=true)"),
        (
            &[
                "trends",
                "users",
                "--before",
                "2026-11-27",
                "--window",
                "259200",
            ],
            "trends('users', window=259200, filters=#{before: '2026-11-27'})",
        ),
        (
            &[
                "detect",
                "duration",
                "--threshold",
                "0.5",
                "--window",
                "10m",
            ],
            "detect('duration', 0.5, '10m')",
        ),
        (&["adapters"], "adapters()"),
        (&["version"], "version()"),
    ] {
        for format in ["table", "json", "csv"] {
            let by_command = server.run(&[command, &["--format", format]].concat());
            let by_shell = server.run(&["shell", "--format", format, "-c", script]);
            assert_eq!(
                (by_command.output, by_command.errors, by_command.code),
                (by_shell.output, by_shell.errors, by_shell.code),
                "{script}"
            );
        }
    }
}

#[test]
fn scripts_go_on_with_what_helpers_give() {
    let server = Server::with(&a_week());
    let script = "let g = graph('kim', depth=1); print(g.edges.len()); print(aggregate('sessions by user')[0].user); print(to_csv(graph('kim', depth=1)))";
    let ran = server.run(&["shell", "-c", script]).with_code(0);
    assert!(ran.output.starts_with("3\nles\nfrom_type,from,"), "{ran:?}");
}

#[test]
fn a_session_says_what_akosha_is_and_which_servers_answer() {
    for program in [AKOSHA, AKASHA] {
        let server = Server::with(&[]);
        let mut command = server.command(program, &["shell", "-c", "print(1)"]);
        // That would be where the session is sent.
        command.env_remove("SESSION_BUDDY_PATH");
        command.env_remove("AKOSHA_SESSION_ENABLED");
        Ran::of(command).with_code(0);
        let session = own_session(&server);
        assert_eq!(session["component_name"], "akosha");
        assert_eq!(session["shell_type"], "AkoshaShell");
        // Under load no server may answer before the prompt is there.
        let adapters = session["metadata"]["adapters"].clone();
        assert!(
            adapters == json!(["local"]) || adapters == json!([]),
            "{adapters}"
        );
        assert_eq!(
            session["metadata"],
            json!({
                "adapters": adapters,
                "cli_enabled": true,
                "component_type": "diviner",
                "component_version": env!("CARGO_PKG_VERSION"),
            })
        );
    }
}

#[test]
fn tracking_is_switched_off_under_both_names() {
    for variable in ["AKOSHA_SESSION_ENABLED", "AKASHA_SESSION_ENABLED"] {
        let server = Server::with(&[]);
        let mut command = server.command(AKOSHA, &["shell", "-c", "print(shell.session_id)"]);
        command
            .env_remove("AKOSHA_SESSION_ENABLED")
            .env(variable, "false");
        assert_eq!(Ran::of(command).with_code(0).output, "None\n", "{variable}");
        assert_eq!(
            server.json(&["aggregate", "sessions"]),
            json!([{"sessions": 0}])
        );
    }
}

/// Gives the record of the one session that a server knows, once it does.
fn own_session(server: &Server) -> Value {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let ran = Ran::of(server.list());
        let sessions: Value = serde_json::from_str(&ran.output).unwrap();
        if let Some([session]) = sessions.as_array().map(Vec::as_slice) {
            return session.clone();
        }
        assert!(Instant::now() < deadline, "{ran:?}");
    }
}
