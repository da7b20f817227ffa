//! From a message to the request that carries it, and from the answer to messages.

use axum::{
    body::Bytes,
    http::{HeaderName, HeaderValue, Request, Response, StatusCode, header},
};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::http::BODY_BYTES_MAX;

/// What the streamable HTTP of MCP wants in headers, besides the body.
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Where a message of revision 2026-07-28 or later says which revision it is of.
const META_VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

/// Which parameter of a method stands in the header too.
const NAMED_BY: [(&str, &str); 8] = [
    ("tools/call", "name"),
    ("prompts/get", "name"),
    ("resources/read", "uri"),
    ("resources/subscribe", "uri"),
    ("resources/unsubscribe", "uri"),
    ("tasks/get", "taskId"),
    ("tasks/update", "taskId"),
    ("tasks/cancel", "taskId"),
];

/// What a client and the server have agreed on.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The revision that `initialize` was answered with.
    version: Option<String>,
}

/// A message on its way to the server.
#[derive(Debug)]
pub(super) struct Message {
    /// Null unless it is a request that can be answered.
    id: Value,
    is_initialize: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Message {
    /// Looks at a line. What is no message is for the server to refuse.
    pub(super) fn read(line: &[u8], session: &Session) -> Self {
        let message: Value = serde_json::from_slice(line).unwrap_or_default();
        let method = message["method"].as_str().unwrap_or_default();
        let is_initialize = method == "initialize";
        let version = message
            .pointer(META_VERSION)
            .and_then(Value::as_str)
            .or(session.version.as_deref().filter(|_| !is_initialize));
        let name = NAMED_BY
            .iter()
            .find(|(known, _)| *known == method)
            .and_then(|(_, parameter)| message["params"][parameter].as_str());
        // What cannot stand in a header is missed by the server, which names it.
        let headers = [
            (PROTOCOL_VERSION, version.map(str::to_owned)),
            (
                METHOD,
                Some(method.to_owned()).filter(|method| !method.is_empty()),
            ),
            (NAME, name.map(header_text)),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, HeaderValue::from_str(&text?).ok()?)))
        .collect();
        Self {
            id: message["id"].clone(),
            is_initialize,
            headers,
        }
    }

    pub(super) fn wants_answer(&self) -> bool {
        !self.id.is_null()
    }

    /// Makes the request that carries the line.
    pub(super) fn request(&self, line: Vec<u8>) -> Request<Bytes> {
        let mut request = Request::post("/mcp")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .body(Bytes::from(line))
            .expect("these headers are valid");
        request.headers_mut().extend(self.headers.iter().cloned());
        request
    }

    /// Reads what the server answered: messages, each on one line.
    pub(super) fn answers(&self, response: Response<Bytes>, session: &mut Session) -> Vec<Vec<u8>> {
        let (head, body) = response.into_parts();
        let is_stream = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let messages = if is_stream {
            events(&body)
        } else {
            vec![body.to_vec()]
        };
        if let (true, Some(message)) = (self.is_initialize, messages.last()) {
            let answer: Value = serde_json::from_slice(message).unwrap_or_default();
            let version = answer["result"]["protocolVersion"].as_str();
            session.version = version.map(str::to_owned);
        }
        let answers: Vec<_> = messages.into_iter().filter_map(on_one_line).collect();
        if answers.is_empty() && !(head.status.is_success() && body.is_empty()) {
            return self.failed(&refusal(head.status, &body));
        }
        answers
    }

    /// Answers a request in the server's place. Other messages are not answered, so it is said on standard error.
    pub(super) fn failed(&self, why: &str) -> Vec<Vec<u8>> {
        if self.wants_answer() {
            vec![error(self.id.clone(), -32_603, why)]
        } else {
            tracing::warn!("A message that wants no answer was not taken: {why}");
            Vec::new()
        }
    }
}

/// Answers a line that is too long to be read.
pub(super) fn too_long() -> Vec<u8> {
    let why = format!("the message is over {BODY_BYTES_MAX} bytes");
    error(Value::Null, -32_600, &why)
}

fn error(id: Value, code: i32, message: &str) -> Vec<u8> {
    let error = json!({"code": code, "message": message});
    json!({"jsonrpc": "2.0", "id": id, "error": error})
        .to_string()
        .into_bytes()
}

/// Gives a message without line ends, which stand between its tokens only; `None` for what is no message.
fn on_one_line(mut message: Vec<u8>) -> Option<Vec<u8>> {
    let read: Value = serde_json::from_slice(&message).ok()?;
    read.get("jsonrpc")?;
    for byte in &mut message {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    Some(message)
}

/// Gives the data of each event of a stream (HTML standard, "Server-sent events").
fn events(stream: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n");
    text.split("\n\n")
        .map(|event| {
            let data: Vec<_> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| data.strip_prefix(' ').unwrap_or(data))
                .collect();
            data.join("\n").into_bytes()
        })
        .filter(|data| !data.is_empty())
        .collect()
}

/// Says why the server refuses: by its problem, or in the text that it sent.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    match (problem["detail"].as_str(), problem["code"].as_str()) {
        (Some(detail), Some(code)) => format!("{detail} ({code})"),
        _ => {
            let text: String = String::from_utf8_lossy(body).chars().take(500).collect();
            format!("{status}: {text}")
        }
    }
}

/// Writes a name as a header takes it: text that would not survive there in base64 (MCP 2026-07-28, "Standard request
/// headers").
fn header_text(name: &str) -> String {
    let plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && name.trim_matches([' ', '\t']) == name
        && !name.starts_with("=?base64?");
    if plain {
        name.to_owned()
    } else {
        format!("=?base64?{}?=", BASE64.encode(name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(line: &Value, session: &Session) -> Vec<(String, String)> {
        let message = Message::read(line.to_string().as_bytes(), session);
        let headers = message.headers.iter();
        headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    fn answered(line: &Value, status: u16, kind: &str, body: &str) -> Vec<String> {
        let message = Message::read(line.to_string().as_bytes(), &Session::default());
        let response = Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, kind)
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        let answers = message.answers(response, &mut Session::default());
        let text = |answer| String::from_utf8(answer).unwrap();
        answers.into_iter().map(text).collect()
    }

    #[test]
    fn what_a_message_says_of_itself_stands_in_headers_too() {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        let call =
            json!({"id": 1, "method": "tools/call", "params": {"name": "naïve", "_meta": meta}});
        let expected = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "=?base64?bmHDr3Zl?="),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers(&call, &Session::default()), expected);
        assert_eq!(headers(&json!([1]), &Session::default()), []);
    }

    #[test]
    fn the_revision_of_the_handshake_goes_with_what_follows() {
        let mut session = Session::default();
        let initialize = Message::read(br#"{"id": 1, "method": "initialize"}"#, &session);
        let body = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#;
        let answers = initialize.answers(Response::new(Bytes::from(body)), &mut session);
        assert_eq!(answers, [body.as_bytes()]);
        let version = |method: &str| {
            let message = json!({"id": 2, "method": method});
            headers(&message, &session).first().cloned().unwrap().1
        };
        assert_eq!(version("tools/list"), "2025-11-25");
        assert_eq!(version("initialize"), "initialize");
    }

    #[test]
    fn answers_come_as_lines_in_whatever_form_the_server_gives_them() {
        let request = json!({"id": 7, "method": "ping"});
        let answer = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
        let stream =
            format!(": hello\n\nid: 1\r\ndata: {answer}\r\n\r\nevent: x\ndata:{answer}\n\n");
        assert_eq!(
            answered(&request, 200, "text/event-stream", &stream),
            [answer; 2]
        );
        let spread = "{\n\"jsonrpc\":\"2.0\",\"id\":7}";
        let on_one = "{ \"jsonrpc\":\"2.0\",\"id\":7}";
        assert_eq!(
            answered(&request, 200, "application/json", spread),
            [on_one]
        );
        assert!(answered(&json!({"method": "notifications/initialized"}), 202, "", "").is_empty());
    }

    #[test]
    fn a_refusal_that_is_no_message_becomes_one_with_the_id_of_its_request() {
        let problem =
            json!({"detail": "the body is over 9 bytes", "code": "TOO_LARGE"}).to_string();
        let request = json!({"id": "a", "method": "ping"});
        assert_eq!(
            answered(&request, 413, "application/problem+json", &problem),
            [
                r#"{"error":{"code":-32603,"message":"the body is over 9 bytes (TOO_LARGE)"},"id":"a","jsonrpc":"2.0"}"#
            ]
        );
        let refused = answered(&request, 400, "text/plain", "Bad Request");
        assert!(
            refused[0].contains("400 Bad Request: Bad Request"),
            "{refused:?}"
        );
        let notification = json!({"method": "notifications/cancelled"});
        assert!(answered(&notification, 400, "text/plain", "no").is_empty());
    }
}
