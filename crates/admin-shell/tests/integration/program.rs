//! A program around a shell: helpers as commands.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open},
};

use crate::{
    harness::{Home, Ran},
    screen::Screen,
};

fn depot(arguments: &[&str]) -> Ran {
    Ran::of(Home::new().command("depot", arguments))
}

fn json(ran: Ran) -> serde_json::Value {
    serde_json::from_str(&ran.succeeded()).unwrap()
}

#[test]
fn a_helper_is_a_command_with_the_same_output() {
    for (arguments, script) in [
        (
            vec!["pack", "7", "--count", "3", "--fast"],
            "pack(7, 3, true)",
        ),
        (vec!["pack", "7"], "pack(7)"),
        (vec!["list-shelves"], "list_shelves()"),
        (vec!["shelf", "list", "--count", "4"], "list_shelves(4)"),
        (
            vec!["stock", "--shelf", "7", "--shelf", "8", "--fresh"],
            "stock(only=#{shelf: ['7', '8'], fresh: true})",
        ),
    ] {
        for format in ["table", "json", "csv"] {
            let command: Vec<_> = arguments
                .iter()
                .copied()
                .chain(["--format", format])
                .collect();
            let by_shell = ["shell", "--no-tracking", "--format", format, "-c", script];
            assert_eq!(depot(&command).succeeded(), depot(&by_shell).succeeded());
        }
    }
    assert_eq!(
        depot(&["list-shelves", "--count", "0"]).errors,
        "no shelves\n"
    );
}

#[test]
fn a_report_is_another_thing_for_people_programs_and_spreadsheets() {
    let stock = |format| depot(&["stock", "--format", format]).succeeded();
    assert_eq!(stock("table"), "a box and tape\n");
    assert_eq!(stock("csv"), "thing\nbox\ntape\n");
    let read: serde_json::Value = serde_json::from_str(&stock("json")).unwrap();
    assert_eq!(
        read,
        serde_json::json!({"only": null, "things": ["box", "tape"]})
    );
    let script = [
        "shell",
        "--no-tracking",
        "-c",
        "let s = stock(); print(s.things[1])",
    ];
    assert_eq!(depot(&script).succeeded(), "tape\n");
}

#[test]
fn what_was_found_wrong_is_the_exit_code_and_the_result_stays() {
    let ran = depot(&["inspect", "--format", "json"]);
    assert_eq!((ran.code, &*ran.errors), (Some(1), "looking\n"));
    assert_eq!(ran.output, "{\n  \"broken\": 1\n}\n");
    let by_shell = |script| depot(&["shell", "--no-tracking", "-c", script]).code;
    assert_eq!(by_shell("inspect()"), Some(1));
    assert_eq!(by_shell("inspect(); exit(0)"), Some(0));
}

#[test]
fn exit_codes_tell_failure_usage_and_an_unreachable_server_apart() {
    let ran = depot(&["call-truck"]);
    assert_eq!(ran.failed(3), "error: no truck answers\nhint: call later\n");
    let script = ["shell", "--no-tracking", "-c", "call_truck()"];
    assert_eq!(depot(&script).code, Some(1));
    assert_eq!(depot(&["clear"]).failed(1), "error: nobody can be asked\n");
    for wrong in [
        &["pack"] as &[&str],
        &["pack", "x"],
        &["pak"],
        &[],
        &["shelf"],
    ] {
        assert_eq!(depot(wrong).code, Some(2), "{wrong:?}");
    }
    assert!(
        depot(&["pack", "x"])
            .errors
            .starts_with("error: order: invalid type")
    );
    assert!(
        depot(&["--help"])
            .succeeded()
            .contains("depot pack 1001 --count 3")
    );
}

#[test]
fn a_person_is_asked_and_long_output_is_paged() {
    let home = Home::new();
    for (typed, said) in [("y\r", "thrown away"), ("\r", "kept")] {
        let mut screen = Screen::open(home.command("depot", &["clear"]));
        screen.wait_for("Throw it away? [y/N]");
        screen.type_in(typed);
        screen.wait_for(said);
        assert_eq!(screen.left(), Some(0));
    }
    let mut screen = Screen::open(home.command("depot", &["clear"]));
    screen.wait_for("[y/N]");
    screen.type_in("\u{3}");
    assert_eq!(screen.left(), Some(130));
    for (count, paged) in [(10, false), (100, true)] {
        let count = count.to_string();
        let mut command = home.command("depot", &["list-shelves", "--count", &count]);
        command
            .env("PAGER", "sed -n 's/^/paged /p'")
            .env("TERM", "xterm");
        let mut screen = Screen::open(command);
        assert_eq!(screen.left(), Some(0));
        assert_eq!(screen.raw().contains("paged"), paged);
        assert!(screen.raw().contains(&format!("{count}\r\n")));
    }
}

#[test]
fn who_ends_takes_along_what_it_has_started() {
    for (arguments, signal, code) in [
        (&["load", "--seconds", "1000"] as &[&str], Signal::INT, 130),
        (&["load", "--seconds", "1000"], Signal::TERM, 143),
        (
            &["shell", "--no-tracking", "-c", "load(1000)"],
            Signal::TERM,
            143,
        ),
    ] {
        let home = Home::new();
        let mut screen = Screen::open(home.command("depot", arguments));
        screen.wait("the number of a process", |text| {
            text.contains(|c: char| c.is_ascii_digit())
        });
        let pid = screen
            .raw()
            .trim()
            .parse()
            .ok()
            .and_then(Pid::from_raw)
            .unwrap();
        let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        screen.signal(signal);
        assert_eq!(screen.left(), Some(code), "{arguments:?}");
        let limit = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        let mut watched = [PollFd::new(&process, PollFlags::IN)];
        assert_eq!(poll(&mut watched, Some(&limit)), Ok(1), "{pid:?} lives");
    }
}

#[test]
fn values_are_written_as_json_and_csv() {
    let shell = |script| depot(&["shell", "--no-tracking", "-c", script]).succeeded();
    assert_eq!(shell("to_csv(list_shelves(2))"), "shelf\n1\n2\n");
    assert_eq!(shell("to_json(#{a: 1})"), "{\n  \"a\": 1\n}\n");
    assert_eq!(shell("print(to_json([1]))"), "[\n  1\n]\n");
    let refused = depot(&["shell", "--no-tracking", "-c", "to_json()"]).failed(1);
    assert!(refused.contains("one value is expected"), "{refused}");
    let text = json(depot(&["pack", "7", "--format", "json"]));
    assert_eq!(text["order"], 7);
}
