//! What `config.yaml` asks of a shell before it opens.

use std::fs;

use crate::{
    harness::{Home, Ran},
    screen::Screen,
};

impl Home {
    fn with_policy(yaml: &str) -> Self {
        let home = Self::new();
        fs::write(home.path().join("config.yaml"), yaml).unwrap();
        home
    }
}

const REASON: &str = "components:\n  billing:\n    reason_required: true\n";

#[test]
fn a_script_needs_its_reason_on_the_command_line() {
    let home = Home::with_policy(REASON);
    for arguments in [
        &["-c", "orders()"][..],
        &["--reason", "  ", "-c", "orders()"],
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.output, "");
        assert_eq!(
            ran.failed(2),
            "error: billing is opened for a reason only, and none was given\nhint: say it with --reason TEXT\n"
        );
    }
    assert!(
        home.spooled().is_empty(),
        "a shell that did not open is no session"
    );
    home.run(&["--reason", "month end", "-c", "exit()"])
        .succeeded();
    assert_eq!(home.session().start["reason"], "month end");
}

#[test]
fn a_person_is_asked_until_there_is_a_reason() {
    let home = Home::with_policy(REASON);
    let mut screen = Screen::open(home.command("billing", &[]));
    screen.wait_for("Why do you open billing?");
    assert!(
        home.spooled().is_empty(),
        "nothing begins before the answer"
    );
    screen.type_in("  \r");
    screen.wait("a second question", |seen| {
        seen.matches("Why do you").count() == 2
    });
    screen.type_in("the ledger is off by a cent\r");
    screen.wait_for_line("Billing>");
    screen.type_in("exit()\r");
    assert_eq!(screen.left(), Some(0));
    assert_eq!(
        home.session().start["reason"],
        "the ledger is off by a cent"
    );
    assert!(screen.is_sane());
}

#[test]
fn a_person_who_gives_no_reason_stays_outside() {
    for (typed, questions) in [("\r\r\r", 3), ("\u{4}", 1)] {
        let home = Home::with_policy(REASON);
        let mut screen = Screen::open(home.command("billing", &[]));
        screen.wait_for("Why do you open billing?");
        screen.type_in(typed);
        assert_eq!(screen.left(), Some(2));
        let seen = screen.text();
        assert_eq!(seen.matches("Why do you").count(), questions, "{seen}");
        assert!(seen.contains("hint: say it with --reason TEXT"), "{seen}");
        assert!(home.spooled().is_empty());
    }
}

#[test]
fn the_default_is_for_every_component_and_a_component_overrules_it() {
    let yaml = "components: {default: {fail_closed: true}, vault: {fail_closed: false}}";
    let home = Home::with_policy(yaml);
    let errors = home.script("exit()").failed(69);
    assert!(
        errors.starts_with("error: this shell must be tracked, and is not: "),
        "{errors}"
    );
    // What its own author wants stays.
    Ran::of(home.command("vault", &["-c", "seal()"])).failed(69);
}

#[test]
fn only_those_who_may_open_it() {
    let home =
        Home::with_policy("components: {billing: {allowed_subjects: [uid 4294967294, ops]}}");
    let uid = rustix::process::geteuid();
    let errors = home.script("exit()").failed(77);
    let refusal = format!(
        "error: the policy of billing does not let in uid {}\n",
        uid.as_raw()
    );
    assert!(errors.starts_with(&refusal), "{errors}");
    assert!(home.spooled().is_empty());
    let allowed = format!(
        "components: {{billing: {{allowed_subjects: [uid {}]}}}}",
        uid.as_raw()
    );
    Home::with_policy(&allowed).script("exit()").succeeded();
}

#[test]
fn a_policy_that_cannot_be_read_lets_nobody_in_and_says_where() {
    for (yaml, says) in [
        (
            "port: 1\ncomponents:\n  billing: {reason_requird: yes}\n",
            "config.yaml:3: unknown key components.billing.reason_requird, did you mean components.billing.reason_required?",
        ),
        ("components: {billing: [\n", "config.yaml:2: "),
    ] {
        let errors = Home::with_policy(yaml).script("exit()").failed(78);
        assert!(errors.contains(says), "{errors}");
    }
    Home::with_policy("port: [\n").script("exit()").succeeded();
}
