//! What the server is compared with: an MCP tool that does nothing but take the same event, and a bare echo.
//!
//! It runs as a process of its own, configured as the product is: two workers, TCP_NODELAY, stateless MCP with
//! JSON answers, Host and Origin checks on.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Json;
use axum::Router;
use axum::routing::post;
use axum::serve::ListenerExt;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use session_model::{Field, SessionStartEvent};
use tokio::net::TcpListener;

use crate::clock;
use crate::load::Destination;
use crate::process::Owned;

const WORKERS: usize = 2;

/// A running baseline; killed when dropped.
pub(crate) struct Baseline {
    process: Owned,
    pub(crate) do_nothing: Destination,
    pub(crate) echo: Destination,
}

impl Baseline {
    pub(crate) fn start() -> Result<Self> {
        let announcement = tempfile::NamedTempFile::new()?;
        let child = Command::new(std::env::current_exe()?)
            .arg("baseline")
            .stdin(Stdio::null())
            .stdout(announcement.reopen()?)
            .spawn()
            .context("could not start the baseline server")?;
        let process = Owned::new(child);
        let address = clock::poll(Duration::from_secs(10), Duration::from_millis(2), || {
            std::fs::read_to_string(announcement.path())
                .ok()?
                .strip_suffix('\n')?
                .parse()
                .ok()
        });
        let address = address.context("the baseline server does not start")?;
        Ok(Self {
            process,
            do_nothing: Destination::mcp(address),
            echo: Destination::echo(address),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Serves on a free port of the loopback and prints its address, until it is killed.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", listener.local_addr()?)?;
        stdout.flush()?;
        let listener = listener.tap_io(|stream| {
            // Without it an answer may wait for the peer's next packet; a failure only costs time.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router())
            .await
            .context("the baseline server failed")
    })
}

fn router() -> Router {
    let configuration = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(["localhost", "127.0.0.1", "::1"])
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*"]);
    let sessions = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(|| Ok(DoNothing), sessions, configuration);
    Router::new()
        .route_service("/mcp", mcp)
        .route("/echo", post(echo))
}

async fn echo(Json(event): Json<Value>) -> Json<Value> {
    Json(event)
}

/// An MCP server whose only tool reads and checks a start event and forgets it.
struct DoNothing;

impl rmcp::ServerHandler for DoNothing {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let result = match check(&arguments) {
            Ok(()) => {
                json!({"session_id": "none", "status": "tracked", "error": null, "error_code": null})
            }
            Err(error) => {
                json!({"session_id": null, "status": "error", "error": error, "error_code": "INVALID_EVENT"})
            }
        };
        Ok(CallToolResult::structured(result).into())
    }
}

/// All that the product does with a start before its rules and its store.
fn check(arguments: &Value) -> Result<(), String> {
    SessionStartEvent::from_json(arguments)
        .map(drop)
        .map_err(|errors| errors.to_string())
}
