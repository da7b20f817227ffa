//! HTTP/1.1, as much of it as a test needs.

use std::io::{BufRead, BufReader, Read, Write};

use serde_json::{Value, json};

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads an answer, whose body has a `Content-Length` or goes on to the end.
    pub(crate) fn read(stream: impl Read) -> Self {
        let mut stream = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no HTTP: {first:?}"));
        let headers: Vec<_> = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty()))
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_ascii_lowercase(), value.to_owned())
            })
            .collect();
        let mut answer = Self {
            status,
            headers,
            body: Vec::new(),
        };
        match answer.header("content-length").map(str::parse::<u64>) {
            None if answer.header("transfer-encoding") == Some("chunked") => {
                answer.body = chunks(&mut stream);
                Ok(())
            }
            Some(length) => stream
                .take(length.unwrap())
                .read_to_end(&mut answer.body)
                .map(drop),
            None => stream.read_to_end(&mut answer.body).map(drop),
        }
        .unwrap();
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// Checks that this is a refusal as all are spelled, and gives it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text()
        );
        let problem = self.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code, "{problem}");
        assert!(
            !problem["title"].as_str().unwrap().is_empty(),
            "no title: {problem}"
        );
        assert!(
            !problem["detail"].as_str().unwrap().is_empty(),
            "no detail: {problem}"
        );
        problem
    }
}

/// Names and values of headers.
pub(crate) type Headers<'a> = [(&'a str, &'a str)];

/// Writes an HTTP request. Headers given replace the usual ones; an empty value leaves one out.
pub(crate) fn request(method: &str, path: &str, headers: &Headers<'_>, body: &str) -> Vec<u8> {
    let length = body.len().to_string();
    let usual = [
        ("Host", "localhost"),
        ("Connection", "close"),
        ("Accept", "application/json, text/event-stream"),
        ("Content-Type", "application/json"),
        ("Content-Length", &length),
    ];
    let replaced = |name: &str| headers.iter().any(|(given, _)| *given == name);
    let kept = usual.iter().filter(|(name, _)| !replaced(name));
    let mut request = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    for (name, value) in kept.chain(headers).filter(|(_, value)| !value.is_empty()) {
        request.extend(format!("{name}: {value}\r\n").bytes());
    }
    request.extend(b"\r\n");
    request.extend(body.as_bytes());
    request
}

/// Sends a request and reads one answer.
pub(super) fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> Answer {
    // A server may answer before it has read everything.
    let _ = stream.write_all(bytes);
    Answer::read(stream)
}

pub(crate) fn rpc_body(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// Gives the body of a request to `/mcp` that calls a tool.
pub(crate) fn call_body(tool: &str, arguments: Value) -> String {
    rpc_body("tools/call", json!({"name": tool, "arguments": arguments})).to_string()
}

/// Reads a body that comes in chunks, and checks that it comes to its end.
fn chunks(stream: &mut impl BufRead) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim_end(), 16).expect("the body breaks off");
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
