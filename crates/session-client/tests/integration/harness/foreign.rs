//! Another MCP server, made with the SDK: it refuses arguments that it does not name and gives sessions ids of its own.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Instant,
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, InitializeResult, ListToolsResult,
        PaginatedRequestParams, ProtocolVersion, ServerCapabilities, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, runtime, sync::oneshot};

use super::{
    record::{refusal, result},
    server::DEADLINE,
};

/// How such a server speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Whether it keeps sessions of MCP, where the revision has them.
    pub(crate) sessions: bool,
    /// Whether it answers with plain JSON and not with an event stream.
    pub(crate) json: bool,
    /// The newest revision that it knows.
    pub(crate) newest: ProtocolRevision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolRevision {
    V2025_06_18,
    V2026_07_28,
}

/// A tool, and the arguments that it names; `None` where it says nothing of them.
pub(crate) type Tools = &'static [(&'static str, Option<&'static [&'static str]>)];

/// What a server of the existing ecosystem offers.
pub(crate) const USUAL: Tools = &[
    ("search_notes", Some(&["query"])),
    (
        "track_session_start",
        Some(&[
            "event_id",
            "component_name",
            "shell_type",
            "timestamp",
            "pid",
            "hostname",
        ]),
    ),
    ("track_session_end", Some(&["session_id", "timestamp"])),
];

/// A server that runs until it is dropped.
pub(crate) struct Foreign {
    pub(crate) url: String,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// A call of a tool, with its arguments.
pub(crate) type Call = (String, Map<String, Value>);

#[derive(Default)]
struct Seen {
    calls: Mutex<Vec<Call>>,
    changed: Condvar,
    /// Event ids by the ids that the server gave.
    sessions: Mutex<BTreeMap<String, Value>>,
    /// How many ids it gave.
    given: Mutex<usize>,
    /// Answers that come instead of its own, one for each call.
    instead: Mutex<Vec<CallToolResult>>,
}

#[derive(Clone)]
struct Handler {
    seen: Arc<Seen>,
    tools: Tools,
    versions: &'static [ProtocolVersion],
}

impl Foreign {
    pub(crate) fn start(manner: Manner, tools: Tools) -> Self {
        let seen = Arc::<Seen>::default();
        let handler = Handler {
            seen: Arc::clone(&seen),
            tools,
            versions: match manner.newest {
                ProtocolRevision::V2025_06_18 => {
                    ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_06_18)
                }
                ProtocolRevision::V2026_07_28 => ProtocolVersion::KNOWN_VERSIONS,
            },
        };
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(manner.sessions)
            .with_json_response(manner.json);
        let service = StreamableHttpService::new(
            move || Ok(handler.clone()),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        let router = axum::Router::new().nest_service("/mcp", service);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let running = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router).into_future() => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self {
            url,
            seen,
            stop: Some(stop),
            running: Some(running),
        }
    }

    /// Gives the calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.seen.calls.lock().unwrap().clone()
    }

    /// Waits for so many calls and gives them.
    pub(crate) fn wait_calls(&self, count: usize) -> Vec<Call> {
        let deadline = Instant::now() + DEADLINE;
        let mut calls = self.seen.calls.lock().unwrap();
        while calls.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "call {count} did not come; there came {calls:#?}"
            );
            calls = self.seen.changed.wait_timeout(calls, left).unwrap().0;
        }
        calls.clone()
    }

    /// Loses all sessions.
    pub(crate) fn forget(&self) {
        self.seen.sessions.lock().unwrap().clear();
    }

    /// Answers the next calls with these, the last of them first.
    pub(crate) fn answer_instead(&self, answers: Vec<CallToolResult>) {
        *self.seen.instead.lock().unwrap() = answers;
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.running.take().unwrap().join();
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> InitializeResult {
        InitializeResult::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.versions)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self
            .tools
            .iter()
            .map(|&(name, arguments)| tool(name, arguments));
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let answered = self.answer(&request.name, &arguments);
        let mut calls = self.seen.calls.lock().unwrap();
        calls.push((request.name.to_string(), arguments));
        self.seen.changed.notify_all();
        answered.map(Into::into)
    }
}

impl Handler {
    fn answer(
        &self,
        name: &str,
        arguments: &Map<String, Value>,
    ) -> Result<CallToolResult, ErrorData> {
        let refused = |why: String| Err(ErrorData::invalid_params(why, None));
        let Some((_, named)) = self.tools.iter().find(|(known, _)| *known == name) else {
            return refused(format!("unknown tool: {name}"));
        };
        if let Some(named) = named
            && let Some(unknown) = arguments.keys().find(|key| !named.contains(&key.as_str()))
        {
            return refused(format!("unexpected keyword argument: {unknown}"));
        }
        if let Some(instead) = self.seen.instead.lock().unwrap().pop() {
            return Ok(instead);
        }
        let mut sessions = self.seen.sessions.lock().unwrap();
        if name == "track_session_start" {
            let event_id = arguments["event_id"].clone();
            let known = sessions.iter().find(|(_, known)| **known == event_id);
            let id = known.map(|(id, _)| id.clone()).unwrap_or_else(|| {
                let mut given = self.seen.given.lock().unwrap();
                *given += 1;
                format!("sess_{given}")
            });
            sessions.insert(id.clone(), event_id);
            return Ok(CallToolResult::structured(result(&id, "tracked")));
        }
        let id = arguments["session_id"].as_str().unwrap();
        Ok(CallToolResult::structured(
            match (name, sessions.contains_key(id)) {
                (_, false) => result(id, "not_found"),
                ("track_session_end", true) => result(id, "ended"),
                ("track_session_heartbeat", true) => result(id, "alive"),
                _ => refusal(None, "NOT_FOUND"),
            },
        ))
    }
}

fn tool(name: &'static str, arguments: Option<&[&str]>) -> Tool {
    let schema = match arguments {
        Some(arguments) => {
            let properties: Map<_, _> = arguments
                .iter()
                .map(|&argument| (argument.to_owned(), json!({})))
                .collect();
            json!({"type": "object", "properties": properties, "additionalProperties": false})
        }
        None => json!({"type": "object"}),
    };
    let Value::Object(schema) = schema else {
        unreachable!("it is written as one above")
    };
    Tool::new(name, "", schema)
}
