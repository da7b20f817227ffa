//! That a shell is tracked, and how it looks from inside.

use insta::assert_snapshot;
use serde_json::json;

use crate::harness::{Home, Ran};

#[test]
fn a_shell_is_tracked_without_a_word_of_its_author() {
    let home = Home::new();
    home.run(&["--reason", "month end", "-c", "exit()"])
        .succeeded();
    let start = home.session().start;
    assert_eq!(start["component_name"], "billing");
    assert_eq!(start["shell_type"], "BillingShell");
    assert_eq!(start["reason"], "month end");
    let metadata =
        json!({"component_version": env!("CARGO_PKG_VERSION"), "adapters": ["ledger", "mailer"]});
    assert_eq!(start["metadata"], metadata);
}

#[test]
fn a_script_sees_its_session_and_so_do_its_children() {
    let home = Home::new();
    let script = "
print(shell.session_id)
!echo $SESSION_BUDDY_PARENT_SESSION_ID
print(shell.session_tracker.available)
";
    let output = home.script(script).succeeded();
    let start = home.session().start;
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], lines[1]);
    assert!(lines[0].starts_with("billing-"), "{output}");
    assert_eq!(lines[2], "False");
    assert_eq!(start["metadata"]["adapters"], json!(["ledger", "mailer"]));
}

#[test]
fn a_shell_in_a_shell_names_its_parent() {
    let home = Home::new();
    let parent = "mahavishnu-20260206-220458-z3ucgb7g";
    let mut command = home.command("billing", &["-c", "exit()"]);
    command.env("SESSION_BUDDY_PARENT_SESSION_ID", parent);
    Ran::of(command).succeeded();
    assert_eq!(home.session().start["parent_session_id"], parent);
}

#[test]
fn tracking_can_be_switched_off_and_the_shell_says_so() {
    let home = Home::new();
    let status = |command: std::process::Command| Ran::of(command).succeeded();
    assert_snapshot!(status(home.command("billing", &["--no-tracking", "-c", "%status"])), @"
    Component: billing
    Tracking:  off: --no-tracking
    ");
    for variable in ["MAHAVISHNU_SESSION_ENABLED", "BILLING_SESSION_ENABLED"] {
        let mut command = home.command("billing", &["-c", "print(shell.session_id)\n%status"]);
        command.env(variable, "false");
        let expected = format!("None\nComponent: billing\nTracking:  off: {variable}=false\n");
        assert_eq!(status(command), expected);
    }
    assert!(home.spooled().is_empty());
}

#[test]
fn what_cannot_be_used_is_said_once_and_the_shell_works() {
    let home = Home::new();
    let mut command = home.command("billing", &["-c", "refund(1001)"]);
    command
        .env("SESSION_BUDDY_HOME", "/dev/null/state")
        .env_remove("XDG_RUNTIME_DIR")
        .env("ONEIRIC_EVENT_BUFFER_MAX_SIZE", "many");
    let ran = Ran::of(command);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.output, "'1250 cents of order 1001 go back to Ada'\n");
    assert_snapshot!(ran.errors, @r#"
    note: ONEIRIC_EVENT_BUFFER_MAX_SIZE is "many", and must be an integer from 1 to 100000000; it is not used
    note: cannot use folder /dev/null/state: Not a directory (os error 20)
    note: events wait in memory, and are lost if no server takes them in time
    "#);
}

#[test]
fn a_shell_that_must_be_tracked_does_not_open_without_a_server() {
    let home = Home::new();
    let errors = Ran::of(home.command("vault", &["-c", "seal()"])).failed(69);
    assert!(
        errors.starts_with("error: this shell must be tracked, and is not: "),
        "{errors}"
    );
    home.session().assert_ended("error", 69, 0, 0);
    let off = Ran::of(home.command("vault", &["--no-tracking", "-c", "seal()"])).failed(69);
    assert!(off.contains("tracking is off (--no-tracking)"), "{off}");
}
