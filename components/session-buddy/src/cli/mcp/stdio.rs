//! `session-buddy mcp stdio`

use std::io::stdin;

use anstream::eprintln;
use session_client::Destination;

use super::{
    super::{ExitStatus, Failure},
    ServerFlags, launch_failure, on_runtime, settings,
    start::{self, PATIENCE},
};
use crate::{
    http,
    lifecycle::{Ensured, Place, Settings, ensure},
    logging,
    relay::{self, Lines},
};

pub(super) const AFTER_HELP: &str = "\
Each line of standard input is a message of JSON-RPC, and so is each line of standard output; \
everything else is said on standard error. It ends with its input. Any number may run, and all of \
them speak for the one server. The flags of `Server` are for the server that is started, if none runs.

Example, for programs that are configured in JSON:
  {\"mcpServers\": {\"session-buddy\": {\"command\": \"session-buddy\", \"args\": [\"mcp\", \"stdio\"]}}}";

/// Serve MCP on standard input and output, for programs that start their servers
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Be the server, without TCP and only as long as the input lasts, where nothing may stay in the background
    #[arg(long)]
    embedded: bool,
    #[command(flatten)]
    flags: ServerFlags,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let settings = settings(args.flags.into())?;
    logging::start(settings.log_level);
    if args.embedded {
        embedded(&settings)
    } else {
        on_runtime(relay(&settings))
    }
}

async fn relay(settings: &Settings) -> Result<(), Failure> {
    let ensured = ensure(settings, PATIENCE)
        .await
        .map_err(|error| launch_failure(error, &settings.state_folder))?;
    if let Ensured::Started(info) = ensured {
        eprintln!(
            "note: started a server in the background (process {})",
            info.pid
        );
    }
    let server = relay::Server::running(Destination::Socket(settings.socket()));
    relay::run(server, input()?, tokio::io::stdout())
        .await
        .map_err(Failure::writing)
}

fn embedded(settings: &Settings) -> Result<(), Failure> {
    start::log_warnings(settings);
    let runtime = start::multi_threaded()?;
    let ran = runtime.block_on(async {
        let server = start::start(settings, &Place::Embedded).await?;
        let client = relay::Server::Embedded(http::router(server.app()));
        let input = input()?;
        let done = async {
            match relay::run(client, input, tokio::io::stdout()).await {
                Ok(()) => "the end of its input",
                Err(_) => "the end of its reader",
            }
        };
        start::run_server(server, done).await
    });
    // A client that does not read keeps a thread busy.
    runtime.shutdown_background();
    ran
}

fn input() -> Result<Lines, Failure> {
    Lines::of(stdin()).map_err(|error| Failure::of(ExitStatus::Failed, &error))
}
