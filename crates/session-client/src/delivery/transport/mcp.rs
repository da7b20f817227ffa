//! Any other server that speaks MCP: the one module of this crate that knows the SDK.
//!
//! Such a server may refuse arguments that it does not know, so it gets only those that its list of tools names; and it
//! gives sessions ids of its own.

mod http;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Stdio,
    time::Duration,
};

use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CallToolResult, PaginatedRequestParams, ProtocolVersion, Tool},
    service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt, Peer, RunningService},
    transport::{
        IntoTransport, StreamableHttpClientTransport, TokioChildProcess,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Map, Value};
use session_model::Timestamp;
use tokio::process::Command;

use super::{CallError, Message};
use crate::delivery::answer::{Answer, Kind, for_people};
use http::{Bearer, Failure, Http};

/// The most pages of a server's list of tools that are read. Ours, and those that we know, have one.
const PAGES_MAX: usize = 100;

pub(crate) struct Mcp {
    service: RunningService<RoleClient, ()>,
    tools: Tools,
    /// Why HTTP failed, which the SDK tells less clearly.
    failure: Failure,
    /// The token that goes with each request over HTTP.
    bearer: Bearer,
}

/// The arguments that each of our tools names; `None` where it takes any.
type Tools = HashMap<String, Option<HashSet<String>>>;

impl Mcp {
    /// Connects over HTTP.
    pub(super) async fn connect(
        url: &str,
        token: Option<&str>,
        patience: Duration,
    ) -> Result<Self, CallError> {
        let (failure, bearer) = (Failure::default(), Bearer::default());
        bearer.set(token)?;
        let http = Http::new(patience, failure.clone(), bearer.clone())?;
        let transport = || {
            let config = StreamableHttpClientTransportConfig::with_uri(url);
            let transport = StreamableHttpClientTransport::with_client(http.clone(), config);
            Ok(transport)
        };
        Self::over(transport, failure, bearer).await
    }

    /// Starts a program that serves on its standard input and output. It ends with this value.
    pub(super) async fn start(path: &Path) -> Result<Self, CallError> {
        let transport = || {
            let mut command = Command::new(path);
            // In a group of its own the Ctrl-C of the terminal, which is for the shell, does not end it.
            command
                .args(["mcp", "stdio"])
                .process_group(0)
                .kill_on_drop(true);
            let started = TokioChildProcess::builder(command)
                .stderr(Stdio::null())
                .spawn();
            let (transport, _) = started.map_err(|error| {
                CallError::new(format!("cannot start {}: {error}", path.display()))
            })?;
            Ok(transport)
        };
        Self::over(transport, Failure::default(), Bearer::default()).await
    }

    /// Begins over what `transport` makes, in the newest revision or as the server expects.
    async fn over<T, E, A>(
        transport: impl Fn() -> Result<T, CallError>,
        failure: Failure,
        bearer: Bearer,
    ) -> Result<Self, CallError>
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut service = ().serve_with_lifecycle(transport()?, lifecycle()).await;
        if let Err(ClientInitializeError::NoCompatibleProtocolVersion { .. }) = &service {
            // It knows how the newest revision begins, and serves older ones alone.
            let older = ClientLifecycleMode::Initialize;
            service = ().serve_with_lifecycle(transport()?, older).await;
        }
        let service = service.map_err(|error| failure.or(&error))?;
        let tools = tools(&service, &failure).await?;
        if !tools.contains_key(Kind::Start.tool()) {
            return Err(CallError::new(format!(
                "it has no tool {}",
                Kind::Start.tool()
            )));
        }
        Ok(Self {
            service,
            tools,
            failure,
            bearer,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.service.is_closed()
    }

    pub(super) async fn send(
        &self,
        messages: &[Message],
        sent_at: Timestamp,
        token: Option<&str>,
    ) -> Result<Vec<Answer>, CallError> {
        self.bearer.set(token)?;
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            answers.push(self.call(message, sent_at, token).await?);
        }
        Ok(answers)
    }

    async fn call(
        &self,
        message: &Message,
        sent_at: Timestamp,
        token: Option<&str>,
    ) -> Result<Answer, CallError> {
        let tool = message.kind.tool();
        let Some(known) = self.tools.get(tool) else {
            // A heartbeat is a courtesy; what else it does not know it cannot take.
            return Ok(match message.kind {
                Kind::Heartbeat => Answer::Closed,
                Kind::Start | Kind::End => Answer::NotTaken {
                    cause: format!("it has no tool {tool}"),
                },
            });
        };
        let mut arguments: Map<String, Value> = serde_json::from_str(&message.json)
            .map_err(|error| CallError::new(format!("the event cannot be read: {error}")))?;
        arguments.insert("event_type".to_owned(), message.kind.event_type().into());
        arguments.insert("sent_at".to_owned(), sent_at.to_string().into());
        // Only a tool that names it is told: to others it is an argument that they refuse, or log.
        let named = known.as_ref().is_some_and(|known| known.contains("token"));
        if let Some(token) = token.filter(|_| named) {
            arguments.insert("token".to_owned(), token.into());
        }
        if let Some(id) = &message.known_as {
            arguments.insert("session_id".to_owned(), id.as_str().into());
        }
        if let Some(known) = known {
            arguments.retain(|name, _| known.contains(name));
        }
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = self.service.call_tool(call).await;
        let result = result.map_err(|error| self.failure.or(&error))?;
        Ok(answer(message.kind, result))
    }
}

/// Speaks the newest revision with servers that know it, and begins as older ones expect with all others.
fn lifecycle() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::LATEST],
        legacy_version: None,
    }
}

/// Reads the list of tools, and keeps what it says of ours.
async fn tools(service: &Peer<RoleClient>, failure: &Failure) -> Result<Tools, CallError> {
    let ours = [Kind::Start, Kind::End, Kind::Heartbeat].map(Kind::tool);
    let mut tools = Tools::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let page = PaginatedRequestParams::default().with_cursor(cursor.take());
        let page = service.list_tools(Some(page)).await;
        let page = page.map_err(|error| failure.or(&error))?;
        let known = page.tools.iter().map(arguments);
        tools.extend(known.filter(|(name, _)| ours.contains(&name.as_str())));
        cursor = page.next_cursor;
        if cursor.is_none() || tools.len() == ours.len() {
            return Ok(tools);
        }
    }
    Err(CallError::new("its list of tools does not end"))
}

/// Gives a tool's name and the arguments that it names.
fn arguments(tool: &Tool) -> (String, Option<HashSet<String>>) {
    let properties = tool
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    let names = properties.map(|properties| properties.keys().cloned().collect());
    (tool.name.to_string(), names)
}

/// Reads a tool's result: its structured content, or the text that is the same JSON.
fn answer(kind: Kind, result: CallToolResult) -> Answer {
    let failed = result.is_error.unwrap_or(false);
    let text = || result.content.iter().find_map(|block| block.as_text());
    let structured = result
        .structured_content
        .filter(Value::is_object)
        .or_else(|| serde_json::from_str(&text()?.text).ok());
    match structured {
        Some(value) => Answer::of(kind, &value, failed),
        None => Answer::NotTaken {
            cause: match text() {
                Some(text) => for_people(&text.text),
                None => "its answer is empty".to_owned(),
            },
        },
    }
}
