//! Servers that do not do what a server should: the event stays, its cause is told, and it arrives once when they heal.

use std::time::Duration;

use serde_json::Value;
use session_client::{
    delivery::{adoption::Report, target::Target},
    emitter::Connection,
};

use crate::harness::*;

/// What such a server does, and what is told of it.
struct Case {
    name: &'static str,
    reply: Reply,
    /// Part of the cause where it was taken for a server of ours.
    ours: &'static str,
    /// Part of the cause where it was not.
    mcp: &'static str,
}

fn case(name: &'static str, reply: Reply, ours: &'static str, mcp: &'static str) -> Case {
    Case {
        name,
        reply,
        ours,
        mcp,
    }
}

fn cases() -> Vec<Case> {
    [no_http(), no_answer(), no_results(), refusals(), late()]
        .into_iter()
        .flatten()
        .collect()
}

fn no_http() -> Vec<Case> {
    let (broken, sending) = ("failed: ", "error sending request");
    let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n[{";
    let upgrade = "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n";
    vec![
        case("no HTTP", raw("SSH-2.0-OpenSSH_9.6\r\n"), broken, sending),
        case(
            "half a head",
            raw("HTTP/1.1 200 OK\r\nConte"),
            broken,
            sending,
        ),
        case("half a body", raw(half), broken, "end of file"),
        case("a close", Reply::Close, broken, sending),
        case(
            "another protocol",
            raw(upgrade),
            "it switches protocols",
            "it answered 101",
        ),
        case("a huge body", huge(), "length limit", "length limit"),
    ]
}

fn no_answer() -> Vec<Case> {
    let page = http(200, "text/html", "<html>welcome</html>");
    let deep = Reply::json("[".repeat(100_000));
    let (none, closed) = ("its answer makes no sense", "connection closed");
    vec![
        case("a page", page, none, none),
        case("nothing", http(200, "application/json", ""), none, none),
        case("another JSON", Reply::json(r#"{"ok": true}"#), none, none),
        case("a JSON that is too deep", deep, none, none),
        case(
            "a stream of nothing",
            http(200, EVENT_STREAM, ": hello\n\n"),
            none,
            closed,
        ),
        case(
            "a stream of garbage",
            http(200, EVENT_STREAM, "data: x\n\n"),
            none,
            closed,
        ),
    ]
}

fn no_results() -> Vec<Case> {
    let none = "its answer makes no sense";
    vec![
        case(
            "no results",
            Reply::json("[]"),
            "it gave 0 answers to 2 events",
            none,
        ),
        case(
            "more results",
            Reply::json("[1,2,3]"),
            "it gave 3 answers to 2 events",
            none,
        ),
        case(
            "no real results",
            Reply::json("[1,2]"),
            "its answer is no result of an event",
            none,
        ),
        case(
            "a novel for an id",
            novel(),
            "it answered for another session",
            none,
        ),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        case(
            "204",
            Reply::status(204),
            "it answered 204",
            "connection closed",
        ),
        case(
            "401",
            Reply::status(401),
            "it answered 401",
            "it answered 401",
        ),
        case(
            "403",
            Reply::status(403),
            "it answered 403",
            "it answered 403",
        ),
        case(
            "429",
            Reply::status(429),
            "it answered 429",
            "it answered 429",
        ),
        case(
            "500",
            Reply::status(500),
            "it answered 500",
            "it answered 500",
        ),
    ]
}

/// How long the cases of [`late`] are waited for.
const PATIENCE: Duration = Duration::from_millis(300);
const LATE: &str = "no answer within 0.3 s";

fn late() -> Vec<Case> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type:";
    let slow = format!(
        "{head} application/json\r\nContent-Length: 10000\r\n\r\n{}",
        " ".repeat(10_000)
    );
    let stream = format!("{head} {EVENT_STREAM}\r\n\r\n{}", ":\n".repeat(10_000));
    vec![
        case("never", Reply::Never, LATE, LATE),
        case("one byte at a time", Reply::Drip(slow.into()), LATE, LATE),
        case("an endless stream", Reply::Drip(stream.into()), LATE, LATE),
    ]
}

const EVENT_STREAM: &str = "text/event-stream";

fn http(status: u16, media_type: &str, body: &str) -> Reply {
    Reply::Http {
        status,
        headers: format!("Content-Type: {media_type}\r\n"),
        body: body.to_owned(),
    }
}

fn raw(text: &str) -> Reply {
    Reply::Raw(text.into())
}

fn novel() -> Reply {
    Reply::json(Value::from(vec![
        result(&"x".repeat(100_000), "tracked");
        2
    ]))
}

/// More than either client reads, as far as it goes a JSON text.
fn huge() -> Reply {
    Reply::json(format!("[\"{}", "x".repeat(5 * 1024 * 1024)))
}

#[test]
fn nothing_is_lost_at_the_socket() {
    for case in cases() {
        let mut home = Home::new();
        if case.ours == LATE {
            home.settings.timing.call_max = PATIENCE;
        }
        let server = Server::unix(&home.socket(), move |_| case.reply.clone());
        holds_and_heals(&home, &server, case.name, case.ours);
    }
}

#[test]
fn nothing_is_lost_at_a_url() {
    for case in cases() {
        let server = Server::tcp(move |_| case.reply.clone());
        let mut home = Home::with_url(server.url());
        if case.mcp == LATE {
            home.settings.timing.call_max = PATIENCE;
        }
        // It does not tell whether it is one of ours either.
        home.settings.timing.health_max = PATIENCE / 3;
        holds_and_heals(&home, &server, case.name, case.mcp);
    }
}

fn holds_and_heals(home: &Home, server: &Server, name: &str, cause: &str) {
    let dead = home.dead_shell();
    assert_eq!(
        home.replay(),
        Report {
            waiting: 1,
            ..Report::default()
        },
        "{name}"
    );
    let told = home.problem();
    assert!(told.contains(cause), "{name}: {told}");
    assert!(
        told.chars().count() <= 500 && !told.contains(char::is_control),
        "{name}: {told}"
    );
    assert_eq!(home.waiting(), [dead.as_str()], "{name}");

    let record = Record::default();
    server.become_(record.server());
    assert_eq!(home.replay_in(timing()).delivered, 1, "{name}");
    assert!(record.session(&dead).end.is_some(), "{name}");
    assert_eq!(home.waiting(), [""; 0], "{name}");
}

/// An event is for the server that was named, and for nobody whom that server names.
#[test]
fn a_redirect_is_not_followed() {
    for status in [301, 302, 307, 308] {
        let elsewhere = Server::tcp(Record::default().server());
        let headers = format!("Location: {}\r\n", elsewhere.url());
        let redirect = move |_: &Request| Reply::Http {
            status,
            headers: headers.clone(),
            body: String::new(),
        };
        let home = Home::new();
        let _server = Server::unix(&home.socket(), redirect.clone());
        home.dead_shell();
        assert_eq!(home.replay().waiting, 1);
        assert!(
            home.problem().starts_with(&format!("it answered {status}")),
            "{}",
            home.problem()
        );

        let server = Server::tcp(redirect);
        let home = Home::with_url(server.url());
        home.dead_shell();
        assert_eq!(home.replay().waiting, 1);
        assert!(
            home.problem().starts_with(&format!("it answered {status}")),
            "{}",
            home.problem()
        );
        assert_eq!(elsewhere.connections(), 0);
    }
}

/// The shell begins, is told once what is wrong, ends in time, and all of it arrives once.
#[test]
fn a_live_shell_sees_it_through() {
    for case in cases() {
        let mut home = Home::new();
        home.settings.timing.call_max = PATIENCE;
        home.settings.timing.exit_max = Duration::from_millis(10);
        let server = Server::unix(&home.socket(), move |_| case.reply.clone());
        let shell = home.shell();
        assert_eq!(shell.notices(), [""; 0]);
        let status = wait_status(&shell, case.name, |status| {
            matches!(status.connection, Connection::Offline { .. })
        });
        assert!(!status.acknowledged, "{}", case.name);
        leave(&shell);
        let record = Record::default();
        server.become_(record.server());
        wait_until(case.name, || home.waiting().is_empty());
        let session = record.session(shell.session_id().as_str());
        assert_eq!(session.end.unwrap()["exit_reason"], "exit", "{}", case.name);
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let server = Server::tls(Record::default().server());
    let home = Home::with_url(format!("https://{}/mcp", server.authority()));
    home.dead_shell();
    assert_eq!(home.replay().waiting, 1);
    let told = home.problem();
    assert!(told.contains("certificate"), "{told}");
    assert_eq!(server.requests(), []);
}

#[test]
fn tls_where_there_is_none_is_an_error_and_so_is_none_where_there_is() {
    let plain = Server::tcp(Record::default().server());
    let home = Home::with_url(format!("https://{}/mcp", plain.authority()));
    home.dead_shell();
    assert_eq!(home.replay().waiting, 1);
    assert!(
        home.problem().contains("failed: TLS: "),
        "{}",
        home.problem()
    );

    let tls = Server::tls(Record::default().server());
    let home = Home::with_url(tls.url());
    home.dead_shell();
    assert_eq!(home.replay().waiting, 1);
    assert_eq!(tls.requests(), []);
    assert_ne!(home.problem(), "");
}

#[test]
fn nobody_at_the_socket_and_nobody_at_the_port_is_told_as_that() {
    let home = Home::new();
    home.dead_shell();
    assert_eq!(home.replay().waiting, 1);
    let expected = format!("no server answers at unix:{}: ", home.socket().display());
    assert!(home.problem().starts_with(&expected), "{}", home.problem());
}

#[test]
fn our_own_listener_stands_in_for_a_missing_socket() {
    let record = Record::default();
    let server = Server::tcp(record.server());
    let mut home = Home::new();
    home.settings.target = Target::Local {
        socket: home.socket(),
        authority: server.authority(),
    };
    let dead = home.dead_shell();
    assert_eq!(home.replay().delivered, 1);
    assert!(record.session(&dead).end.is_some());
}
