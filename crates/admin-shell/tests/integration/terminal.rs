//! A shell at a terminal, as a person uses it.

use insta::assert_snapshot;
use rustix::process::Signal;

use crate::{harness::Home, screen::Screen};

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const TAB: &str = "\t";
const UP: &str = "\u{1b}[A";
const PROMPT: &str = "Billing>";

impl Home {
    /// Opens a terminal with the example shell, and waits for its prompt.
    fn screen(&self) -> Screen {
        let mut screen = Screen::open(self.command("billing", &[]));
        screen.wait_for_line(PROMPT);
        screen
    }
}

#[test]
fn a_banner_says_what_is_true_and_lines_run() {
    let home = Home::new();
    let mut screen = home.screen();
    screen.type_in("refund(1001)\r");
    screen.wait_for("go back to Ada");
    screen.wait_for_line(PROMPT);
    screen.type_in("exit()\r");
    assert_eq!(screen.left(), Some(0));
    let id = home.session_id();
    let seen = screen.text().replace(&id, "ID");
    // Comes once three calls have failed, which is a matter of seconds.
    let news = "Session Tracking: offline; events wait and are sent later (%status says why)\n";
    assert_snapshot!(seen.replace(news, ""), @"
    Billing, an example 0.1.0
    Adapters: ledger, mailer
    Session Tracking: ✓ Enabled (offline, buffered)
      Session ID: ID
    help() lists what there is, %help_shell the magics; exit() leaves.

    Billing> refund(1001)
    '1250 cents of order 1001 go back to Ada'
    Billing> exit()
    ");
    home.session().assert_ended("exit", 0, 2, 0);
    assert!(screen.is_sane());
}

#[test]
fn names_fields_and_arguments_are_completed() {
    let mut screen = Home::new().screen();
    for (typed, completed) in [
        ("ord", "orders("),
        ("orders(cus", "orders(customer="),
        ("shell.session_tr", "shell.session_tracker"),
        (
            "shell.session_tracker.av",
            "shell.session_tracker.available",
        ),
        ("%hist", "%history"),
        ("cra", "crash()"),
    ] {
        screen.type_in(&format!("{typed}{TAB}"));
        screen.wait_for_line(&format!("{PROMPT} {completed}"));
        screen.type_in(CTRL_C);
        screen.wait_for_line(PROMPT);
    }
}

#[test]
fn what_is_begun_goes_on_on_the_next_line() {
    let mut screen = Home::new().screen();
    screen.type_in("fn twice(x) {\r");
    screen.wait_for_line("...");
    screen.type_in("x * 2 }\r");
    screen.wait_for_line(PROMPT);
    screen.type_in("twice(21)\r");
    screen.wait_for("\n42\n");
}

#[test]
fn lines_are_there_in_the_next_session_unless_a_blank_precedes_them() {
    let home = Home::new();
    let mut screen = home.screen();
    screen.type_in("print('kept')\r");
    screen.wait_for("\nkept");
    screen.wait_for_line(PROMPT);
    screen.type_in(" print('secret')\r");
    screen.wait_for("\nsecret");
    screen.wait_for_line(PROMPT);
    screen.type_in(CTRL_D);
    assert_eq!(screen.left(), Some(0));
    let mut next = home.screen();
    next.type_in(UP);
    next.wait_for_line(&format!("{PROMPT} print('kept')"));
}

#[test]
fn ctrl_c_interrupts_what_runs_and_forgets_what_is_typed() {
    let home = Home::new();
    let mut screen = home.screen();
    for (number, endless) in ["wait(3600)", "loop {}", "sleep(3600)"]
        .into_iter()
        .enumerate()
    {
        screen.type_in(&format!("print('go' + {number}); {endless}\r"));
        let goes = format!("\ngo{number}");
        screen.wait_for(&goes);
        screen.type_in(CTRL_C);
        screen.wait_for(&format!("{goes}\n^Cinterrupted"));
        screen.wait_for_line(PROMPT);
    }
    screen.type_in("nonsense");
    screen.wait_for_line(&format!("{PROMPT} nonsense"));
    screen.type_in(CTRL_C);
    screen.wait_for("exit() or Ctrl-D leaves");
    screen.wait_for_line(PROMPT);
    screen.type_in(CTRL_D);
    assert_eq!(screen.left(), Some(0));
    home.session().assert_ended("eof", 0, 3, 0);
    assert!(screen.is_sane());
}

#[test]
fn an_error_leaves_the_shell_open() {
    let home = Home::new();
    let mut screen = home.screen();
    screen.type_in("refund(7)\r");
    screen.wait_for("error: there is no order 7\nhint: orders() lists them");
    screen.wait_for_line(PROMPT);
    screen.type_in("quit(4)\r");
    assert_eq!(screen.left(), Some(4));
    home.session().assert_ended("exit", 4, 2, 1);
}

#[test]
fn a_signal_leaves_an_end_and_a_sane_terminal() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let home = Home::new();
        let mut screen = home.screen();
        screen.signal(signal);
        assert_eq!(screen.left(), Some(code));
        home.session().assert_ended("signal", code.into(), 0, 0);
        assert!(screen.is_sane());
    }
}

#[test]
fn a_terminal_that_is_closed_leaves_an_end() {
    let home = Home::new();
    assert_eq!(home.screen().close(), Some(129));
    home.session().assert_ended("signal", 129, 0, 0);
}

#[test]
fn a_terminal_that_goes_without_a_signal_leaves_an_end_too() {
    let home = Home::new();
    let mut screen = Screen::of_nobody(home.command("billing", &[]));
    screen.wait_for_line(PROMPT);
    assert_eq!(screen.close(), Some(129));
    home.session().assert_ended("signal", 129, 0, 0);
}

#[test]
fn a_terminal_without_an_editor_gets_plain_lines() {
    let silent = |home: &Home| Screen::of(home.command("billing", &[]), 80, false);
    let dumb = |home: &Home| {
        let mut command = home.command("billing", &[]);
        command.env("TERM", "dumb");
        Screen::open(command)
    };
    for open in [silent as fn(&Home) -> Screen, dumb] {
        let home = Home::new();
        let mut screen = open(&home);
        screen.wait_for_line(PROMPT);
        screen.type_in("print('wo' + 'rks')\n");
        screen.wait_for("\nworks");
        screen.wait_for_line(PROMPT);
        screen.type_in("fn twice(x) {\n");
        screen.wait_for_line("...");
        screen.type_in("x * 2 }\n");
        screen.wait_for_line(PROMPT);
        screen.type_in("twice(21)\n");
        screen.wait_for("42");
        screen.wait_for_line(PROMPT);
        screen.type_in(CTRL_D);
        assert_eq!(screen.left(), Some(0));
        home.session().assert_ended("eof", 0, 3, 0);
    }
}

#[test]
fn what_is_typed_before_the_prompt_is_run() {
    let home = Home::new();
    let mut screen = Screen::open(home.command("billing", &[]));
    screen.type_in("print('ear' + 'ly')\rexit()\r");
    assert_eq!(screen.left(), Some(0));
    assert!(screen.text().contains("\nearly"), "{}", screen.text());
    home.session().assert_ended("exit", 0, 2, 0);
}

#[test]
fn no_colour_is_used_where_none_is_wanted() {
    let home = Home::new();
    let mut command = home.command("billing", &[]);
    command.env("NO_COLOR", "1");
    let mut screen = Screen::open(command);
    screen.wait_for_line(PROMPT);
    screen.type_in("orders('Ada') # a remark\r");
    screen.wait_for("1250");
    screen.type_in("exit()\r");
    screen.left();
    let colours = |text: &str| text.matches("\u{1b}[3").count();
    assert_eq!(colours(&screen.raw()), 0, "{:?}", screen.raw());
    let mut coloured = home.screen();
    coloured.type_in("orders()");
    coloured.wait_for_line(&format!("{PROMPT} orders()"));
    assert!(colours(&coloured.raw()) > 0);
}

#[test]
fn a_narrow_terminal_and_one_that_changes_are_kept_to() {
    let home = Home::new();
    let mut screen = Screen::of(home.command("billing", &[]), 20, true);
    screen.wait_for_line(PROMPT);
    screen.type_in("help()\r");
    screen.wait_for("orders(c…  list ord…");
    screen.wait_for_line(PROMPT);
    screen.resize(70);
    screen.type_in("help()\r");
    screen.wait_for("orders(customer=None)  list orders");
}

#[test]
fn the_log_is_shown_above_the_prompt_once_it_is_asked_for() {
    let home = Home::new();
    let mut screen = home.screen();
    screen.type_in("%log verbose\r");
    screen.wait_for("error: %log takes off, error, warn, info, debug or trace");
    screen.wait_for_line(PROMPT);
    screen.type_in("%log DEBUG\r");
    screen.wait_for("session_client::delivery: Session-Buddy");
    screen.wait_for_line(PROMPT);
}
