#[path = "../../../../../../crates/admin-shell/tests/integration/screen.rs"]
#[expect(dead_code, reason = "it serves shells too")]
mod terminal;

use std::process::Command;

use super::*;

const TEST: &str =
    "cli::top::screen::tests::after_a_bug_the_terminal_is_as_it_was_and_the_bug_is_told";
/// Set where this is the program that comes to a bug.
const ROLE: &str = "SESSION_BUDDY_TEST_COMES_TO_A_BUG";

#[test]
fn after_a_bug_the_terminal_is_as_it_was_and_the_bug_is_told() {
    if std::env::var_os(ROLE).is_some() {
        let _screen = Screen::enter().unwrap();
        panic!("this is the bug");
    }
    let mut program = Command::new(std::env::current_exe().unwrap());
    program
        .args(["--exact", TEST, "--nocapture"])
        .env(ROLE, "1");
    let mut terminal = terminal::Screen::open(program);
    assert_eq!(terminal.left(), Some(101));
    assert!(terminal.is_sane() && !terminal.is_whole());
    let raw = terminal.raw();
    let place = |text: &str| {
        raw.find(text)
            .unwrap_or_else(|| panic!("no {text:?} in {raw:?}"))
    };
    assert!(place("\u{1b}[?1049h") < place("\u{1b}[?1049l"));
    assert!(
        place("\u{1b}[?1049l") < place("this is the bug"),
        "it is seen on the screen that stays"
    );
}
