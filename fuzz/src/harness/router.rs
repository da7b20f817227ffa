//! The server's router with a whole server behind it: JSON-RPC at `/mcp`, batches of events at `/api/events`.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::Value;
use session_buddy::{
    auth::{Gate, Peer, Trust},
    http::{App, Health, router},
    network::{Network, Traffic},
    store::sqlite::SqliteStore,
    tracker::Tracker,
};
use session_client::Clock;
use session_model::escape::is_unsafe;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Door, Harness, assert_harmless, kind_of};

pub(super) const MCP: Door = Door {
    name: "mcp",
    open: || Box::new(Mcp(Server::new())),
};

pub(super) const EVENTS: Door = Door {
    name: "events",
    open: || Box::new(Batches(Server::new())),
};

struct Mcp(Server);
struct Batches(Server);

/// A server's router, and the owner of the server who asks.
struct Server {
    runtime: Runtime,
    router: Router,
    _home: TempDir,
}

impl Server {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("there is room for a folder");
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("there is a thread");
        let clock = Clock::system();
        let store = SqliteStore::open(&home.path().join("sessions.db"), &clock);
        let store = store.expect("a new database can be made");
        let tracker = Tracker::new(Arc::new(store), clock.clone());
        let gate = Gate::new(Trust::default(), [], clock);
        let health = Health::new(CancellationToken::new(), false, Arc::default());
        let traffic = Traffic::new(Network::default());
        let router = {
            let _within = runtime.enter();
            router(App::new(tracker, gate, health, traffic))
        };
        Self {
            runtime,
            router,
            _home: home,
        }
    }

    fn post(&self, path: &str, kind: &str, body: &[u8]) -> (StatusCode, Bytes) {
        let mut request = Request::post(path)
            .header("host", "localhost")
            .header("content-type", kind)
            .header("accept", "application/json, text/event-stream")
            .body(Body::from(body.to_vec()))
            .expect("the head is fixed");
        request.extensions_mut().insert(ConnectInfo(Peer::stdio()));
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await;
            let answer = answer.expect("a router always answers");
            let status = answer.status();
            let body = answer.into_body().collect().await;
            (status, body.expect("the body is whole").to_bytes())
        })
    }
}

/// Says of a refusal what all have in common.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    assert!(
        !status.is_server_error(),
        "{status}: {}",
        String::from_utf8_lossy(body)
    );
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert_harmless(detail);
    format!("{status} {code} {}", kind_of(detail))
}

impl Harness for Mcp {
    fn take(&mut self, input: &[u8]) -> String {
        let (status, body) = self.0.post("/mcp", "application/json", input);
        if status != StatusCode::OK {
            return refusal(status, &body);
        }
        let answer: Value = serde_json::from_slice(&body).expect("an answer is JSON");
        assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
        if let Some(error) = answer.get("error") {
            assert!(
                error["code"].is_i64() && error["message"].is_string(),
                "{answer}"
            );
            return kind_of(&error.to_string());
        }
        let result = &answer["result"];
        let Some(text) = result["content"][0]["text"].as_str() else {
            let keys = result
                .as_object()
                .map(|keys| keys.keys().cloned().collect::<Vec<_>>());
            return format!("{keys:?}");
        };
        assert!(!text.contains(is_unsafe), "it acts: {text:?}");
        let told: Value = serde_json::from_str(text).expect("the text is JSON");
        assert_eq!(told, result["structuredContent"]);
        let keys = ["status", "error_code", "isError"].map(|key| told[key].to_string());
        let error = told["error"].as_str().map(kind_of);
        format!("{keys:?} {} {error:?}", result["isError"])
    }
}

impl Harness for Batches {
    /// Sends a batch twice: each line has its answer, and a start that is repeated has the same one.
    fn take(&mut self, input: &[u8]) -> String {
        let send = || self.0.post("/api/events", "application/x-ndjson", input);
        let (status, body) = send();
        if status != StatusCode::OK {
            return refusal(status, &body);
        }
        let answers: Vec<Value> = serde_json::from_slice(&body).expect("an array");
        let whole = input.trim_ascii_end();
        let lines: Vec<_> = match whole {
            [] => Vec::new(),
            whole => whole.split(|byte| *byte == b'\n').collect(),
        };
        assert_eq!(answers.len(), lines.len(), "each line has its answer");
        let (status, body) = send();
        assert_eq!(status, StatusCode::OK);
        let again: Vec<Value> = serde_json::from_slice(&body).expect("an array");
        let mut words = Vec::new();
        for ((line, first), second) in lines.iter().zip(&answers).zip(&again) {
            let event: Value = serde_json::from_slice(line).unwrap_or_default();
            if event["event_type"] == "session_start" {
                assert_eq!(first, second, "a repeated start has the same answer");
            }
            let error = first["error"].as_str().map(|error| {
                assert_harmless(error);
                kind_of(error)
            });
            words.push(format!(
                "{} {} {error:?}",
                first["status"], first["error_code"]
            ));
        }
        words.sort();
        words.dedup();
        words.join(", ")
    }
}
