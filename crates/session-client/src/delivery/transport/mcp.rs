//! Any other server that speaks MCP: the one module of this crate that knows the SDK.
//!
//! Such a server may refuse arguments that it does not know, so it gets only those that its list of tools names; and it
//! gives sessions ids of its own.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Stdio,
    sync::Once,
};

use reqwest::redirect;
use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CallToolResult, ProtocolVersion, Tool},
    service::{ClientLifecycleMode, ClientServiceExt, RunningService},
    transport::{
        StreamableHttpClientTransport, TokioChildProcess,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Map, Value};
use session_model::Timestamp;
use tokio::process::Command;

use super::{CALL_TIMEOUT, CallError, Message};
use crate::{
    connection::CONNECT_TIMEOUT,
    delivery::answer::{Answer, Kind},
};

pub(crate) struct Mcp {
    service: RunningService<RoleClient, ()>,
    /// The arguments that each tool names; `None` where it takes any.
    tools: HashMap<String, Option<HashSet<String>>>,
}

impl Mcp {
    /// Connects over HTTP. Redirects are not followed: an event is for the server that was named.
    pub(super) async fn connect(url: &str) -> Result<Self, CallError> {
        install_tls();
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(CALL_TIMEOUT)
            .build()
            .map_err(|error| with_causes(&error))?;
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let service = ().serve_with_lifecycle(transport, lifecycle()).await;
        Self::ready(service.map_err(|error| with_causes(&error))?).await
    }

    /// Starts a program that serves on its standard input and output. It ends with this value.
    pub(super) async fn start(path: &Path) -> Result<Self, CallError> {
        let mut command = Command::new(path);
        command.args(["mcp", "stdio"]).kill_on_drop(true);
        let (transport, _) = TokioChildProcess::builder(command)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| CallError::new(format!("cannot start {}: {error}", path.display())))?;
        let service = ().serve_with_lifecycle(transport, lifecycle()).await;
        Self::ready(service.map_err(|error| with_causes(&error))?).await
    }

    async fn ready(service: RunningService<RoleClient, ()>) -> Result<Self, CallError> {
        let tools = service
            .list_all_tools()
            .await
            .map_err(|error| with_causes(&error))?;
        let tools: HashMap<_, _> = tools.into_iter().map(|tool| arguments(&tool)).collect();
        if !tools.contains_key(Kind::Start.tool()) {
            return Err(CallError::new(format!(
                "it has no tool {}",
                Kind::Start.tool()
            )));
        }
        Ok(Self { service, tools })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.service.is_closed()
    }

    pub(super) async fn send(
        &self,
        messages: &[Message],
        sent_at: Timestamp,
    ) -> Result<Vec<Answer>, CallError> {
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            answers.push(self.call(message, sent_at).await?);
        }
        Ok(answers)
    }

    async fn call(&self, message: &Message, sent_at: Timestamp) -> Result<Answer, CallError> {
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
        if let Some(id) = &message.session_id {
            arguments.insert("session_id".to_owned(), id.as_str().into());
        }
        if let Some(known) = known {
            arguments.retain(|name, _| known.contains(name));
        }
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = self
            .service
            .call_tool(call)
            .await
            .map_err(|error| with_causes(&error))?;
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
                Some(text) => text.text.chars().take(500).collect(),
                None => "its answer is empty".to_owned(),
            },
        },
    }
}

/// The TLS library wants its cryptography named once for the process.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A program that has named one already keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Says what failed, and why.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> CallError {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    CallError::new(text)
}
