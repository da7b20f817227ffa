//! Each way of leaving a shell, and what the spool says of it.

use rustix::process::Signal;

use crate::harness::{Home, Ran};

#[test]
fn exit_and_quit_leave_with_their_code() {
    for (script, code) in [
        ("exit()", 0),
        ("quit()", 0),
        ("exit(3)", 3),
        ("orders()\nquit(255)", 255),
    ] {
        let home = Home::new();
        assert_eq!(home.script(script).code, Some(code), "{script}");
        let commands = i64::try_from(script.lines().count()).unwrap();
        home.session()
            .assert_ended("exit", code.into(), commands, 0);
    }
}

#[test]
fn the_end_of_a_script_is_an_exit_and_that_of_the_input_is_not() {
    let home = Home::new();
    assert_eq!(home.script("1\n\n# nothing\n2").succeeded(), "1\n2\n");
    home.session().assert_ended("exit", 0, 2, 0);
    let home = Home::new();
    assert_eq!(home.pipe("1\n").succeeded(), "1\n");
    home.session().assert_ended("eof", 0, 1, 0);
    let home = Home::new();
    assert_eq!(home.pipe("1\nexit()\n2\n").succeeded(), "1\n");
    home.session().assert_ended("exit", 0, 2, 0);
}

#[test]
fn an_error_ends_a_script_and_is_kept_where_the_component_wants_it() {
    let home = Home::new();
    home.pipe("orders()\nrefund(7)\nexit()\n").failed(1);
    let session = home.session();
    session.assert_ended("error", 1, 2, 1);
    assert_eq!(session.end.unwrap()["last_error"], "there is no order 7");
}

#[test]
fn a_bug_ends_the_shell_with_a_word() {
    let home = Home::new();
    let errors = home.script("crash()").failed(101);
    assert!(errors.contains("billing has a bug"), "{errors}");
    home.session().assert_ended("panic", 101, 1, 0);
}

#[test]
fn signals_end_the_shell_with_a_word() {
    for (signal, reason, code) in [
        (Signal::TERM, "signal", 143),
        (Signal::HUP, "signal", 129),
        (Signal::QUIT, "signal", 131),
        (Signal::INT, "interrupt", 130),
    ] {
        for script in ["loop {}", "wait(3600)", "sleep(3600)"] {
            let home = Home::new();
            let mut shell = home.open(&["-c", &format!("print('here'); {script}")]);
            assert_eq!(shell.read_line(), "here\n");
            shell.signal(signal);
            assert_eq!(shell.leave().code, Some(code), "{signal:?} in {script}");
            home.session().assert_ended(reason, code.into(), 1, 0);
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let home = Home::new();
    let mut shell = home.open(&["-c", "loop { print('again') }"]);
    assert_eq!(shell.read_line(), "again\n");
    let expected = Ran {
        output: String::new(),
        errors: String::new(),
        code: Some(0),
    };
    assert_eq!(shell.stop_reading(), expected);
    home.session().assert_ended("exit", 0, 1, 0);
}

#[test]
fn a_signal_that_is_ignored_stays_so() {
    let home = Home::new();
    let billing = home.command("billing", &[]);
    let script = format!(
        "trap '' HUP; exec {} -c \"print('here'); loop {{}}\"",
        billing.get_program().display()
    );
    let mut shell = home.open_command(home.command_of("/bin/sh", &["-c", &script]));
    assert_eq!(shell.read_line(), "here\n");
    shell.signal(Signal::HUP);
    shell.signal(Signal::TERM);
    assert_eq!(shell.leave().code, Some(143));
    home.session().assert_ended("signal", 143, 1, 0);
}
