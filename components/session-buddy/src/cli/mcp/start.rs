//! `session-buddy mcp start`

use std::time::Duration;

use anstream::eprintln;
use session_client::state_folder;
use session_model::escape::for_line;
use tokio::runtime::{self, Runtime};
use tracing::{info, warn};

use super::{
    super::{ExitStatus, Failure, failure::is_permission},
    Format, ServerFlags, Show, Status, json, launch_failure, on_runtime, print_json, say_ready,
    settings,
};
use crate::{
    auth::{Keys, KeysError, Trust},
    clock::Clock,
    lifecycle::{
        Flags, LaunchError, Place, Presence, Server, ServerInfo, Settings, StartError, background,
    },
    logging::{self, LogFile},
    store::sqlite::OpenError,
};

/// How long a server in the background may take to be ready: 60 seconds. A large database that a newer version brings up
/// to date takes long.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Start the server in the background, and return when it is ready
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Stay on this terminal and log to it
    #[arg(long)]
    foreground: bool,
    /// Be the server in the background; `mcp start` runs itself with this
    #[arg(long, hide = true)]
    in_background: bool,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    flags: ServerFlags,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let flags = args.flags.into();
    if args.in_background {
        background::detach();
        in_background(flags)
    } else if args.foreground {
        in_foreground(flags, args.show)
    } else {
        on_runtime(from_terminal(flags, args.show))
    }
}

/// Starts a server in the background.
async fn from_terminal(flags: Flags, show: Show) -> Result<(), Failure> {
    let settings = settings(flags)?;
    let folder = &settings.state_folder;
    match launch(&settings, &[]).await {
        Ok(info) => say_launched(show, &settings, &info),
        Err(error) => {
            if let (Format::Json, Ok(Presence::Running(owner))) =
                (show.format, Presence::of(folder))
            {
                print_json(&json(Status::Running, Some(&owner))?)?;
            }
            Err(launch_failure(error, folder))
        }
    }
}

/// Starts a server in the background and waits for it, with variables that are added to those of this process.
pub(super) async fn launch(
    settings: &Settings,
    variables: &[(&str, &str)],
) -> Result<Box<ServerInfo>, LaunchError> {
    background::launch(&settings.told.flags, variables.iter().copied(), PATIENCE).await
}

/// Says that a server in the background is ready, and what was wrong with what it was told.
pub(super) fn say_launched(
    show: Show,
    settings: &Settings,
    info: &ServerInfo,
) -> Result<(), Failure> {
    for warning in warnings(settings) {
        eprintln!("note: {}", for_line(&warning));
    }
    say_ready(show, info, "session-buddy mcp stop")
}

fn in_foreground(flags: Flags, show: Show) -> Result<(), Failure> {
    let settings = settings(flags)?;
    logging::start(settings.log_level);
    log_warnings(&settings);
    multi_threaded()?.block_on(async {
        let server = start(&settings, &Place::Foreground).await?;
        if let Err(error) = say_ready(show, server.info(), "Ctrl-C, or session-buddy mcp stop") {
            // A server whose terminal is gone serves all the same.
            let _ = error.already_said();
            eprintln!("nobody reads standard output");
        }
        run_server(server, std::future::pending()).await
    })
}

/// Is the server in the background: says on standard output that it is ready, or why it is not, and nothing else.
fn in_background(flags: Flags) -> Result<(), Failure> {
    // Dropped last, behind everything that logs.
    let (_log, runtime, server) = match start_in_background(flags) {
        Ok(started) => started,
        Err(failure) => {
            background::say_refused(&failure.to_refusal());
            return Err(failure.already_said());
        }
    };
    background::say_ready(server.info())
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    runtime.block_on(run_server(server, std::future::pending()))
}

fn start_in_background(flags: Flags) -> Result<(LogFile, Runtime, Server), Failure> {
    let settings = settings(flags)?;
    state_folder::prepare(&settings.state_folder)
        .map_err(|error| failure(&StartError::StateFolder(error)))?;
    let path = logging::path(&settings.state_folder);
    let log = logging::start_in(settings.log_level, path.clone()).map_err(|error| {
        super::cannot(&format!("cannot open the log {}", path.display()), &error)
    })?;
    log_warnings(&settings);
    let runtime = multi_threaded()?;
    let server = runtime.block_on(start(&settings, &Place::Background { log: path }))?;
    let ServerInfo { version, pid, .. } = server.info();
    info!("Session-Buddy {version} is ready: process {pid}");
    Ok((log, runtime, server))
}

/// Starts a server in this process.
pub(super) async fn start(settings: &Settings, place: &Place) -> Result<Server, Failure> {
    let started = async {
        let trust = Trust {
            keys: Keys::from_environment(&|name| std::env::var_os(name))?,
            loopback: settings.trust_loopback,
        };
        say_whom_it_trusts(&trust, settings);
        Server::start(settings, trust, place, Clock::system()).await
    };
    started.await.map_err(|error| failure(&error))
}

/// Says in the log who may do what, where that is not as it is by default.
fn say_whom_it_trusts(trust: &Trust, settings: &Settings) {
    let Settings {
        address, network, ..
    } = settings;
    if let Some(keys) = &trust.keys {
        info!("{}", keys.describe());
        if !address.ip().is_loopback() && network.tls.is_none() {
            warn!(
                "Tokens travel to {address} as plain text: set tls_certificate and tls_key, or let a proxy with TLS stand before it"
            );
        }
    }
    if network.names.is_public() && trust.keys.is_none() {
        warn!(
            "allowed_hosts means nothing without a secret: only callers on this machine are served"
        );
    }
    match (trust.loopback, &trust.keys) {
        (true, None) => {
            warn!("trust_loopback: every user of this machine may read and close sessions")
        }
        (true, Some(_)) => warn!("trust_loopback means nothing beside a secret: TCP takes tokens"),
        (false, _) => {}
    }
}

pub(super) async fn run_server(
    server: Server,
    done: impl Future<Output = &'static str>,
) -> Result<(), Failure> {
    server
        .run(done)
        .await
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))
}

pub(super) fn multi_threaded() -> Result<Runtime, Failure> {
    runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))
}

pub(super) fn log_warnings(settings: &Settings) {
    for warning in warnings(settings) {
        warn!("{warning}");
    }
}

/// Says what was told and means nothing.
fn warnings(settings: &Settings) -> Vec<String> {
    settings
        .unknown_keys
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn failure(error: &StartError) -> Failure {
    let status = match error {
        StartError::AlreadyRunning(_) => ExitStatus::AlreadyRunning,
        _ if is_permission(error) => ExitStatus::Permission,
        StartError::NotLoopback(_)
        | StartError::StateFolder(_)
        | StartError::Keys(_)
        | StartError::Certificate(_) => ExitStatus::Configuration,
        StartError::Database { source, .. } => match source {
            OpenError::Foreign
            | OpenError::Newer { .. }
            | OpenError::ChangedMigration { .. }
            | OpenError::Damaged { .. } => ExitStatus::Configuration,
            OpenError::File { .. }
            | OpenError::Locked
            | OpenError::Busy
            | OpenError::Place(_)
            | OpenError::Write(_)
            | OpenError::Database(_) => ExitStatus::Failed,
        },
        StartError::Listen { .. } | StartError::Io { .. } => ExitStatus::Failed,
    };
    let failure = Failure::of(status, error);
    match error {
        StartError::AlreadyRunning(_) => failure.hint(
            "use that server, or give this one a state folder of its own with SESSION_BUDDY_HOME",
        ),
        StartError::NotLoopback(_) => failure.hint(
            "listen on 127.0.0.1 or ::1, or set SESSION_BUDDY_SECRET, so that others need a token",
        ),
        StartError::Keys(KeysError::Shared) => {
            failure.hint("give each a secret of its own, or unset one: the other then acts as both")
        }
        StartError::Listen {
            owner: Some(owner),
            setting,
            ..
        } => failure.hint(format!(
            "{owner} listens there; stop it, or choose another port with {setting}"
        )),
        StartError::Listen {
            source, setting, ..
        } if is_permission(source) => failure.hint(format!(
            "ports below 1024 are root's; choose another with {setting}"
        )),
        StartError::StateFolder(_)
        | StartError::Keys(KeysError::Secret(_))
        | StartError::Listen { owner: None, .. }
        | StartError::Certificate(_)
        | StartError::Database { .. }
        | StartError::Io { .. } => failure.hint_for(error),
    }
}
