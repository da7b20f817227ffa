//! `session-buddy top`, as a person sees it.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;
use session_buddy::clock::Clock;

use super::screen::Screen;
use crate::{
    harness::{Home, Server, start, with},
    permissions::callers::{Guarded, SECRET, claims, hs256},
};

fn command(home: &Home) -> Command {
    let mut command = home.command();
    command.args(["top", "--tz", "UTC"]).env("LANG", "C.UTF-8");
    command
}

/// The last part of an id, by which a session is named where there is little room.
fn last(id: &str) -> &str {
    id.rsplit('-').next().unwrap()
}

fn open(server: &Server) -> Screen {
    let mut screen = Screen::sized(command(server), 120, 12);
    screen.wait_for("q leave");
    screen
}

/// Leaves a terminal as it was: no other screen, which shows and echoes what is typed.
#[track_caller]
fn assert_left(screen: &mut Screen, code: i32) {
    assert_eq!(screen.left(), Some(code), "{}", screen.text());
    assert!(!screen.is_whole() && screen.is_sane());
    let raw = screen.raw();
    let (shown, hidden) = (raw.rfind("\u{1b}[?25h"), raw.rfind("\u{1b}[?25l"));
    assert!(shown > hidden, "the cursor is there again");
}

#[test]
fn sessions_come_and_go_within_a_second() {
    let server = Server::start();
    let mut screen = open(&server);
    screen.wait_for("no session is open");
    assert!(screen.is_whole());
    let id = server.begin(start(1));
    screen.wait_for(&id);
    screen.wait_for("1 active");
    let ended = Instant::now();
    server.end(&id);
    screen.wait_for("no session is open");
    assert!(
        ended.elapsed() < Duration::from_secs(1),
        "{:?}",
        ended.elapsed()
    );
    // What happened is told.
    screen.wait_for("end");
    screen.type_in("q");
    assert_left(&mut screen, 0);
}

#[test]
fn sums_are_those_of_today() {
    let server = Server::start();
    let now = Clock::system().now().to_string();
    let this = |number: u16, more| with(with(start(number), json!({"timestamp": now})), more);
    let id = server.begin(this(1, json!({})));
    let end = json!({"session_id": id, "timestamp": now, "event_type": "session_end", "command_count": 2, "error_count": 1});
    server.call("track_session_end", end);
    let id = server.begin(this(2, json!({})));
    let lost = json!({"session_id": id, "timestamp": now, "event_type": "session_end", "exit_reason": "lost"});
    server.call("track_session_end", lost);
    server.begin(this(3, json!({})));
    let mut screen = open(&server);
    screen.wait_for("1 active   3 started in the last hour   today 1 with errors, 1 lost");
}

#[test]
fn it_filters_shows_and_closes() {
    let server = Server::start();
    let billing = server.begin(with(
        start(1),
        json!({"component_name": "billing", "reason": "refund 4711"}),
    ));
    let mahavishnu = server.begin(start(2));
    let mut screen = open(&server);
    screen.wait_for(last(&billing));
    screen.wait_for(last(&mahavishnu));
    screen.type_in("/bill");
    screen.wait("the filter", |seen| {
        seen.contains("/bill_") && !seen.contains("mahavishnu")
    });
    screen.type_in("\r");
    screen.wait_for("/bill  (Esc: no filter)");
    screen.type_in("\r");
    screen.wait_for(&format!("Session:      {billing}"));
    screen.wait_for("Status:       active");
    screen.type_in(" ");
    screen.wait_for("refund 4711");
    screen.type_in("x");
    screen.wait_for("Component");
    screen.type_in("e");
    screen.wait_for(&format!("close {billing}? Its shell goes on. y/n"));
    screen.type_in("y");
    screen.wait_for(&format!("closed {billing}"));
    assert_eq!(server.show(&billing)["end_known_by"], "by_hand");
    screen.type_in("\u{1b}");
    screen.wait("the other one alone", |seen| {
        seen.contains(last(&mahavishnu)) && !seen.contains("> billing")
    });
    screen.type_in("?");
    screen.wait_for("move by a page");
    screen.type_in("G");
    screen.wait_for("q Ctrl-C        leave");
    screen.type_in("q");
    screen.wait_for("Component");
    screen.type_in("\u{3}");
    assert_left(&mut screen, 0);
}

#[test]
fn a_session_that_is_proved_alive_asks_once_more() {
    let server = Server::start();
    let id = server.begin(with(start(1), json!({"heartbeat_interval_seconds": 60})));
    let mut screen = open(&server);
    screen.wait_for(last(&id));
    screen.wait_for("live");
    screen.type_in("ey");
    screen.wait_for("is alive. Close it on paper? y/n");
    assert_eq!(server.show(&id)["status"], "active");
    screen.type_in("y");
    screen.wait_for("no session is open");
    assert_eq!(server.show(&id)["status"], "ended");
}

#[test]
fn a_server_that_is_away_is_said_and_found_again() {
    let server = Server::start();
    let id = server.begin(start(1));
    let mut screen = open(&server);
    screen.wait_for(last(&id));
    let home = server.kill();
    screen.wait_for("server unreachable since");
    assert!(
        screen.text().contains(last(&id)),
        "what was known is still there"
    );
    let server = home.start();
    screen.wait("the server", |seen| !seen.contains("unreachable"));
    let next = server.begin(start(2));
    screen.wait_for(last(&next));
    screen.signal(Signal::TERM);
    assert_left(&mut screen, 143);
}

#[test]
fn it_fits_its_screen_whatever_size_that_gets_without_colours_or_unicode() {
    let server = Server::start();
    server.begin(with(
        start(1),
        json!({"user": {"username": "日本語\u{1b}[31m"}}),
    ));
    let mut plain = command(&server);
    plain.env("NO_COLOR", "1").env("LANG", "C");
    let mut screen = Screen::sized(plain, 40, 10);
    screen.wait_for("mahavishnu");
    screen.wait_for("q leave");
    assert!(screen.text().is_ascii(), "{}", screen.text());
    assert!(!screen.text().contains("Host"), "{}", screen.text());
    screen.resize(200);
    screen.wait_for("Host");
    screen.wait_for("session-buddy top");
    screen.resize(40);
    screen.wait("fewer columns", |seen| !seen.contains("Host"));
    screen.type_in("q");
    assert_left(&mut screen, 0);
    let colours = ["\u{1b}[3", "\u{1b}[38;", "\u{1b}[9"];
    let raw = screen.raw();
    assert!(
        !colours
            .iter()
            .any(|colour| raw.split(colour).skip(1).any(|rest| {
                rest.starts_with(|c: char| c.is_ascii_digit()) && rest[1..].starts_with('m')
            })),
        "{raw:?}"
    );
}

#[test]
fn sixty_rows_of_two_hundred_columns_are_filled() {
    let server = Server::start();
    for number in 1..=80 {
        server.begin(start(number));
    }
    let mut screen = Screen::sized(command(&server), 200, 60);
    screen.wait_for("80 active");
    screen.wait("rows", |seen| seen.matches("-20260206-").count() == 56);
    screen.type_in("G");
    screen.wait_for("-100100-");
}

#[test]
fn what_a_caller_may_not_see_is_not_shown() {
    let server = Guarded::start();
    server.begin_by_hand(start(1));
    let billing = server.begin_by_hand(with(start(2), json!({"component_name": "billing"})));
    let token = hs256(
        SECRET,
        &claims(json!({"scopes": ["read"], "component": "billing"})),
    );
    let mut bound = command(&server);
    let url = format!("http://{}", server.address());
    bound
        .args(["--server", &url])
        .env("SESSION_BUDDY_TOKEN", token);
    let mut screen = Screen::sized(bound, 120, 12);
    screen.wait_for(last(&billing));
    screen.wait_for("1 active   - started in the last hour   today - with errors, - lost");
    assert!(!screen.text().contains("mahavishnu"), "{}", screen.text());
    screen.type_in("ey");
    screen.wait_for("does not allow it");
}

#[test]
fn without_a_terminal_or_a_server_it_says_what_to_use_instead() {
    let server = Server::start();
    let said = server
        .cli("top")
        .with_code(2)
        .saying("top needs a terminal");
    assert!(
        said.stderr.contains("hint: `session-buddy watch`"),
        "{}",
        said.stderr
    );
    let home = Home::new();
    let mut screen = Screen::sized(command(&home), 80, 24);
    screen.wait_for("no server answers at");
    assert_left_without_a_screen(&mut screen, 3);
}

#[track_caller]
fn assert_left_without_a_screen(screen: &mut Screen, code: i32) {
    assert_eq!(screen.left(), Some(code), "{}", screen.text());
    assert!(!screen.raw().contains("\u{1b}[?1049h"), "{}", screen.raw());
}
