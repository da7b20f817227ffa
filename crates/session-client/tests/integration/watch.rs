//! Following a server that does as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use session_client::{Destination, Reader, ReaderError, Seen, Watch};
use session_model::SessionFilter;

use crate::harness::*;

/// A stream of events that ends with these.
fn stream(frames: &str) -> Reply {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    Reply::Raw(format!("{head}{frames}").into_bytes())
}

fn refusal(status: u16, code: &str, headers: &str) -> Reply {
    Reply::Http {
        status,
        headers: format!("Content-Type: application/problem+json\r\n{headers}"),
        body: json!({"status": status, "code": code, "detail": format!("it says {code}")})
            .to_string(),
    }
}

/// A server that answers one request after the other so, and the last ones as the last.
fn server(replies: Vec<Reply>) -> Server {
    let asked = AtomicUsize::new(0);
    Server::tcp(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        replies[number.min(replies.len() - 1)].clone()
    })
}

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

async fn watch(server: &Server, filter: &SessionFilter) -> Watch {
    let reader = Reader::connect(Destination::Http(server.authority()))
        .await
        .unwrap();
    reader.watch(filter, None)
}

/// Gives what is seen, up to the error that ends it.
fn all_of(server: &Server) -> (Vec<Seen<Value>>, ReaderError) {
    on_runtime(async {
        let mut watch = watch(server, &SessionFilter::default()).await;
        let mut seen = Vec::new();
        loop {
            match watch.next().await {
                Ok(next) => seen.push(next),
                Err(error) => return (seen, error),
            }
        }
    })
}

fn happened(kind: &str, id: &str) -> Seen<Value> {
    Seen::Happened {
        kind: kind.to_owned(),
        id: id.to_owned(),
        session: json!({}),
    }
}

#[test]
fn a_break_is_said_once_and_what_was_seen_last_is_gone_on_from() {
    let server = server(vec![
        stream(
            "retry: 1000\nid: a\n\nid: b\nevent: start\ndata: {}\n\n: alive\nid: c\n\nid: d\nevent: end\nda",
        ),
        refusal(503, "OVERLOADED", ""),
        Reply::Close,
        stream(
            "id: c\n\nid: d\nevent: end\ndata: {}\n\nid: e\nevent: dropped\ndata: {\"code\":\"TOKEN_EXPIRED\"}\n\n",
        ),
        stream(
            "id: f\nevent: closed\ndata: {}\n\nid: f\nevent: dropped\ndata: {\"code\":\"STOPPING\",\"detail\":\"it stops\"}\n\n",
        ),
        refusal(400, "INVALID_CURSOR", ""),
        stream("id: z\nevent: start\ndata: {}\n\n"),
        refusal(403, "FORBIDDEN", ""),
    ]);
    let (seen, error) = all_of(&server);
    let lost = |seen: &Seen<Value>| matches!(seen, Seen::Lost(_));
    assert!(
        lost(&seen[2]) && lost(&seen[7]) && lost(&seen[11]),
        "{seen:?}"
    );
    assert_eq!(seen[7], Seen::Lost("it stops".to_owned()));
    let expected = [
        Seen::Connected,
        happened("start", "b"),
        Seen::Connected,
        happened("end", "d"),
        // With another token it goes on, and that is nobody's business.
        Seen::Connected,
        happened("closed", "f"),
        Seen::Gap,
        Seen::Connected,
        happened("start", "z"),
    ];
    let rest: Vec<_> = seen.into_iter().filter(|seen| !lost(seen)).collect();
    assert_eq!(rest, expected);
    assert!(matches!(error, ReaderError::Refused(problem) if problem.code == "FORBIDDEN"));
    let ids: Vec<_> = server
        .requests()
        .iter()
        .map(|request| {
            let found = request
                .headers
                .iter()
                .find(|(name, _)| name == "last-event-id");
            found.map_or("-", |(_, id)| id.as_str()).to_owned()
        })
        .collect();
    // The event that was cut off was not seen.
    assert_eq!(ids, ["-", "c", "c", "c", "e", "f", "-", "z"]);
}

#[test]
fn who_is_no_server_of_ours_is_not_followed() {
    for (reply, what) in [
        (Reply::json("{}"), "it does not tell what happens"),
        (Reply::status(404), "it answered 404 Not Found"),
        (
            stream("id: a\nevent: start\ndata: nonsense\n\n"),
            "expected ident",
        ),
    ] {
        let server = server(vec![reply]);
        let (_, error) = all_of(&server);
        let said = error.to_string();
        assert!(
            matches!(error, ReaderError::Foreign { .. }) && said.contains(what),
            "{said}"
        );
    }
}

#[test]
fn an_event_that_never_ends_is_given_up_and_bounded() {
    let long = "x".repeat(2 * 1024 * 1024);
    let server = server(vec![
        stream(&format!("data: {long}")),
        refusal(401, "TOKEN_REQUIRED", ""),
    ]);
    let (seen, _) = all_of(&server);
    assert!(
        matches!(&seen[..], [Seen::Connected, Seen::Lost(why)] if why.contains("an event of over 1048576 bytes came")),
        "{seen:?}"
    );
}

#[test]
fn filters_are_asked_for_and_a_server_that_is_busy_is_given_the_time_that_it_asks_for() {
    let server = server(vec![
        refusal(429, "RATE_LIMITED", "Retry-After: 1\r\n"),
        refusal(401, "TOKEN_REQUIRED", ""),
    ]);
    let began = std::time::Instant::now();
    on_runtime(async {
        let filter = SessionFilter {
            component: vec!["a b".to_owned()],
            ..SessionFilter::default()
        };
        let mut watch = watch(&server, &filter).await;
        assert!(
            matches!(watch.next::<Value>().await, Ok(Seen::Lost(why)) if why == "it says RATE_LIMITED")
        );
        watch.next::<Value>().await.unwrap_err();
    });
    assert!(began.elapsed().as_secs() >= 1, "{:?}", began.elapsed());
    assert_eq!(server.requests()[0].path, "/api/events?component=a%20b");
}
