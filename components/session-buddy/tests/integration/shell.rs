//! The shell of Session-Buddy itself.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::harness::{Background, Home, Server, run, start, with};

#[test]
fn a_shell_starts_a_server_where_none_runs_and_is_on_its_record() {
    let home = Background::new();
    let mut command = home.command();
    command
        .args(["shell", "-c", "active()"])
        .env("SESSION_BUDDY_PORT", "0");
    let ran = run(command, "").with_code(0);
    assert!(
        ran.stderr.starts_with("note: started the server, process "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("session-buddy mcp stop"), "{ran:?}");
    assert_eq!(home.status()["status"], "running");
    let listed = home.cli("show-session session-buddy --format json");
    let session = listed.with_code(0).json();
    assert_eq!(session["component_name"], "session-buddy");
    assert_eq!(session["shell_type"], "SessionBuddyShell");
    let again = home.cli("shell -c ps()").with_code(0);
    assert_eq!(again.stderr, "");
    assert!(again.stdout.contains("session-buddy-20"), "{again:?}");
}

#[test]
fn a_shell_can_do_without_a_server() {
    let home = Home::new();
    let ran = home.cli("shell --no-server -c ps()").with_code(1);
    assert!(
        ran.stderr
            .contains("error: no server runs, and there is no database"),
        "{ran:?}"
    );
    assert!(!home.state().join("server.json").exists());
}

#[test]
fn helpers_show_what_the_commands_show() {
    let server = Server::start();
    let id = server.begin(with(start(1), json!({"component_name": "mahavishnu"})));
    server.begin(with(start(2), json!({"component_name": "akosha"})));
    let shell = |script: &str| {
        let mut command = server.command();
        command.args([
            "shell",
            "--no-server",
            "--no-tracking",
            "--format",
            "json",
            "-c",
            script,
        ]);
        run(command, "").with_code(0).json()
    };
    assert_eq!(shell("ps(1)").as_array().unwrap().len(), 1);
    assert_eq!(shell("%sessions mahavishnu")[0]["session_id"], id);
    assert_eq!(
        shell("active().filter(|s| s.component_name == 'akosha').len()"),
        1
    );
    let shown = shell(&format!("%session {id}"));
    assert_eq!(shown["event_id"], server.show(&id)["event_id"]);
    let mut command = server.command();
    command.args(["shell", "--no-server", "--no-tracking", "-c", "ps(0)"]);
    let refused = run(command, "").with_code(1);
    assert!(
        refused
            .stderr
            .contains("limit: 1 to 10000 is expected, found 0"),
        "{refused:?}"
    );
}

#[test]
fn a_server_that_is_silent_does_not_hold_a_helper() {
    let server = Server::start();
    server.signal(Signal::STOP);
    let mut command = server.command();
    command.args([
        "shell",
        "--no-server",
        "--no-tracking",
        "-c",
        "print('here'); ps()",
    ]);
    let mut shell = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = shell.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    assert_eq!(line, "here\n");
    kill_process(Pid::from_child(&shell), Signal::INT).unwrap();
    assert_eq!(shell.wait().unwrap().code(), Some(130));
    server.signal(Signal::CONT);
}
