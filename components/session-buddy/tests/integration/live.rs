//! What happens, told as it happens: `GET /api/events`.

mod resuming;
#[path = "../../../../crates/admin-shell/tests/integration/screen.rs"]
#[expect(dead_code, reason = "it serves shells too")]
mod screen;
mod slowness;
mod streams;
mod tokens;
mod top;
mod watch;

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    time::Instant,
};

use serde_json::{Value, json};

use crate::harness::{Answer, DEADLINE, Headers, Server, end, request, start, with};

/// A stream of events, as a client has it that knows nothing of this server.
pub(crate) struct Events {
    stream: BufReader<Chunks>,
    /// The id that it would go on from.
    pub(crate) last_id: String,
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

impl Event {
    /// Gives the number of its session.
    pub(crate) fn number(&self) -> u16 {
        crate::harness::numbers(&json!([self.data]))[0]
    }
}

impl Server {
    /// Follows what happens over TCP.
    pub(crate) fn follow(&self, query: &str, headers: &Headers<'_>) -> Events {
        Events::on(self.tcp(), query, headers)
    }

    pub(crate) fn follow_from(&self, id: &str) -> Events {
        self.follow("", &[("Last-Event-ID", id)])
    }

    /// Asks for a stream that there must not be, and gives the refusal.
    #[track_caller]
    fn follow_refused(&self, query: &str, headers: &Headers<'_>) -> Answer {
        let mut stream = self.tcp();
        let asked = request("GET", &format!("/api/events{query}"), headers, "");
        stream.write_all(&asked).unwrap();
        let mut stream = BufReader::new(stream);
        let mut first = String::new();
        stream.read_line(&mut first).unwrap();
        // One that is given never ends.
        assert!(!first.contains(" 200 "), "it is given");
        Answer::read(first.as_bytes().chain(stream))
    }

    /// Ends session number `number`, which is on record.
    fn end(&self, id: &str) {
        let called = self.call("track_session_end", end(id));
        assert_eq!(called.content["status"], "ended", "{called:?}");
    }
}

impl Events {
    /// Asks on a connection, and waits until the stream has begun.
    pub(crate) fn on(mut stream: TcpStream, query: &str, headers: &Headers<'_>) -> Self {
        let asked = request("GET", &format!("/api/events{query}"), headers, "");
        stream.write_all(&asked).unwrap();
        let mut stream = BufReader::new(stream);
        let head: Vec<String> = std::iter::from_fn(|| {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
        })
        .collect();
        assert_eq!(head[0], "HTTP/1.1 200 OK", "{head:?}");
        assert!(
            head.iter()
                .any(|line| line == "content-type: text/event-stream"),
            "{head:?}"
        );
        let mut events = Self {
            stream: BufReader::new(Chunks { stream, left: 0 }),
            last_id: String::new(),
        };
        // Where it begins.
        assert_eq!(events.block().unwrap()[0], "retry: 1000");
        events
    }

    /// Gives the lines up to an empty one; none where the stream has ended, in whatever way.
    fn block(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match self.stream.read_line(&mut line) {
                Ok(read) if read > 0 => {}
                Ok(_) => return None,
                Err(error) => {
                    let ends = [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof];
                    assert!(ends.contains(&error.kind()), "{error}");
                    return None;
                }
            }
            let line = line.trim_end();
            if line.is_empty() {
                return Some(lines);
            }
            if let Some(id) = line.strip_prefix("id: ") {
                id.clone_into(&mut self.last_id);
            }
            lines.push(line.to_owned());
        }
    }

    /// Waits for the next event; none where the stream has ended.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let until = Instant::now() + DEADLINE;
        loop {
            // That the server is alive it says for as long as one waits.
            assert!(Instant::now() < until, "no event comes");
            let lines = self.block()?;
            let field = |name: &str| {
                let found = lines.iter().find_map(|line| line.strip_prefix(name));
                found.map(str::to_owned)
            };
            if let Some(kind) = field("event: ") {
                return Some(Event {
                    id: field("id: ").unwrap(),
                    kind,
                    data: serde_json::from_str(&field("data: ").unwrap()).unwrap(),
                });
            }
        }
    }

    /// Waits for events, and gives the kind of each with the number of its session.
    #[track_caller]
    pub(crate) fn kinds(&mut self, count: usize) -> Vec<(String, u16)> {
        let told = |_| {
            let event = self.next().expect("the stream goes on");
            (event.kind.clone(), event.number())
        };
        (0..count).map(told).collect()
    }
}

/// The bytes of a chunked body.
struct Chunks {
    stream: BufReader<TcpStream>,
    left: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            self.left = match usize::from_str_radix(line.trim_end(), 16) {
                Ok(0) => return Ok(0),
                Ok(left) => left,
                Err(_) => return Err(ErrorKind::UnexpectedEof.into()),
            };
        }
        let most = buffer.len().min(self.left);
        let read = self.stream.read(&mut buffer[..most])?;
        self.left -= read;
        if self.left == 0 && read > 0 {
            self.stream.read_line(&mut String::new())?;
        }
        Ok(read)
    }
}

fn told(kinds: &[(&str, u16)]) -> Vec<(String, u16)> {
    kinds
        .iter()
        .map(|(kind, number)| ((*kind).to_owned(), *number))
        .collect()
}

/// The start of session number `number` of any number, all at ten.
fn at_ten(number: u16) -> Value {
    with(start(number), json!({"timestamp": "2026-02-06T10:00:00Z"}))
}

/// Records starts in batches, whose numbers these are.
fn begin_many(server: &Server, numbers: std::ops::RangeInclusive<u16>, changes: &Value) {
    let numbers: Vec<u16> = numbers.collect();
    // The longest of these make a body of less than a megabyte.
    for batch in numbers.chunks(64) {
        let lines: Vec<_> = batch
            .iter()
            .map(|number| with(at_ten(*number), changes.clone()).to_string())
            .collect();
        let headers = [("Content-Type", "application/x-ndjson")];
        let answer = server.send("POST", "/api/events", &headers, &lines.join("\n"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
