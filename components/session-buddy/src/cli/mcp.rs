//! `session-buddy mcp`: the life of the server.

mod start;
mod status;
mod stdio;
mod stop;

use std::{io, path::Path, time::Duration};

use clap::Subcommand;
use serde_json::{Map, Value};
use session_model::escape::for_line;

use super::{
    ExitStatus, Failure,
    failure::{START_A_SERVER, is_permission},
    on_runtime,
    report::{Format, Show, print, print_json},
};
use crate::{
    lifecycle::{Flags, LaunchError, ServerInfo, Settings},
    logging,
};

const AFTER_HELP: &str = "\
All of these find the server by its state folder, whatever folder they are run in.

Exit codes: 0 done, 1 failed or wrong usage, 2 not running, 3 already running, 4 unhealthy,
5 configuration, 6 permission, 7 timeout, 8 a server ended without clearing up.";

/// Start, stop and look after the server
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server in the background, and return when it is ready
    #[command(after_help = "Example:\n  session-buddy mcp start --port 9000")]
    Start(start::Args),
    /// Stop the server, and return when it is gone
    #[command(after_help = "Example:\n  session-buddy mcp stop --timeout 30 --force")]
    Stop(stop::Args),
    /// Stop the server if it runs, and start it in the background
    #[command(after_help = stop::AFTER_RESTART_HELP)]
    Restart(stop::RestartArgs),
    /// Tell whether the server runs, and where
    #[command(after_help = "Example:\n  session-buddy mcp status --format json | jq -r .address")]
    Status(Show),
    /// Ask the server how it is
    #[command(after_help = "Example:\n  session-buddy mcp health --timeout 1")]
    Health(status::HealthArgs),
    /// Serve MCP on standard input and output, for programs that start their servers
    #[command(after_help = stdio::AFTER_HELP)]
    Stdio(stdio::Args),
}

/// What a server is told.
#[derive(Clone, Debug, Default, clap::Args)]
struct ServerFlags {
    /// Address to listen on, of this machine alone [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", help_heading = "Server")]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one [default: 8678]
    #[arg(long, help_heading = "Server")]
    port: Option<String>,
    /// Database file [default: sessions.db in the state folder]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    db_path: Option<String>,
    /// What to log: trace, debug, info, warn or error [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Server")]
    log_level: Option<String>,
    /// How long a session may be silent before it is called stale [default: 24h]
    #[arg(long, value_name = "TIME", help_heading = "Server")]
    stale_after: Option<String>,
    /// Certificate in PEM, with those that lead to its authority: TCP is https then
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    tls_certificate: Option<String>,
    /// Private key of the certificate, in PEM, which only its owner may read
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    tls_key: Option<String>,
}

impl From<ServerFlags> for Flags {
    fn from(flags: ServerFlags) -> Self {
        let ServerFlags {
            host,
            port,
            db_path,
            log_level,
            stale_after,
            tls_certificate,
            tls_key,
        } = flags;
        Self {
            db_path,
            host,
            port,
            log_level,
            stale_after,
            tls_certificate,
            tls_key,
        }
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Start(args) => start::run(args),
        Command::Stop(args) => on_runtime(stop::run(args)),
        Command::Restart(args) => on_runtime(stop::restart(args)),
        Command::Status(show) => status::run(show),
        Command::Health(args) => on_runtime(status::health(args)),
        Command::Stdio(args) => stdio::run(args),
    }
}

/// Reads the settings that these flags and this process's environment give.
fn settings(flags: Flags) -> Result<Settings, Failure> {
    Settings::load(flags, |name| std::env::var_os(name)).map_err(|error| configuration(&error))
}

fn configuration(error: &crate::lifecycle::SettingsError) -> Failure {
    Failure::of(ExitStatus::Configuration, error).hint_for(error)
}

/// Says that a state folder or a process cannot be looked at.
fn cannot(what: &str, error: &io::Error) -> Failure {
    let status = if is_permission(error) {
        ExitStatus::Permission
    } else {
        ExitStatus::Failed
    };
    Failure::new(status, what).because(error).hint_for(error)
}

fn cannot_look(state_folder: &Path, error: &io::Error) -> Failure {
    cannot(
        &format!("cannot look into {}", state_folder.display()),
        error,
    )
}

fn not_running(state_folder: &Path) -> Failure {
    let message = format!("no server runs on {}", state_folder.display());
    Failure::new(ExitStatus::NotRunning, message).hint(START_A_SERVER)
}

fn unready(status: ExitStatus, state_folder: &Path) -> Failure {
    let message = format!(
        "a server on {} is starting or stopping",
        state_folder.display()
    );
    let log = logging::path(state_folder);
    Failure::new(status, message).hint(format!("try again; its log is {}", log.display()))
}

fn stale(info: &ServerInfo) -> Failure {
    let message = format!(
        "no server runs: process {} ended without clearing up",
        info.pid
    );
    Failure::new(ExitStatus::Stale, message).hint(
        "nothing that was acknowledged is lost; `session-buddy mcp restart` starts it as it was",
    )
}

fn launch_failure(error: LaunchError, state_folder: &Path) -> Failure {
    let log = logging::path(state_folder);
    match error {
        LaunchError::Refused(refusal) => refusal.into(),
        LaunchError::Spawn(_) => Failure::of(ExitStatus::Failed, &error),
        LaunchError::Silent(_) => Failure::of(ExitStatus::Failed, &error)
            .hint(format!("its log may say why: {}", log.display())),
        LaunchError::Late { .. } => Failure::of(ExitStatus::Timeout, &error).hint(format!(
            "`session-buddy mcp status` tells when it is ready; its log is {}",
            log.display()
        )),
    }
}

/// Whether a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Running,
    NotRunning,
    Stale,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::NotRunning => "not_running",
            Self::Stale => "stale",
        }
    }
}

/// Gives what is known of a server for programs: `status`, and every key of `server.json`, null where there is none.
fn json(status: Status, info: Option<&ServerInfo>) -> Result<Map<String, Value>, Failure> {
    const KEYS: [&str; 10] = [
        "pid",
        "start_ticks",
        "version",
        "address",
        "url",
        "socket",
        "database",
        "log",
        "started_at",
        "told",
    ];
    let known =
        serde_json::to_value(info).map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    let mut object = Map::from_iter([("status".to_owned(), status.as_str().into())]);
    object.extend(KEYS.map(|key| (key.to_owned(), known[key].clone())));
    Ok(object)
}

/// Tells where a server is, a headline first. `stop` stands last.
fn describe(headline: &str, info: &ServerInfo, stop: &str) -> String {
    // One of an older version does not say it.
    let plain = || Some(format!("http://{}", info.address.as_ref()?));
    let address = info.url.clone().or_else(plain);
    let address = address.unwrap_or_else(|| "none".to_owned());
    let log = info.log.as_ref();
    let log = log.map_or("standard error".to_owned(), |log| log.display().to_string());
    let mut text = format!("{}\n", for_line(headline));
    for (name, value) in [
        ("address", address),
        ("socket", info.socket.display().to_string()),
        ("database", info.database.display().to_string()),
        ("log", log),
        ("stop", stop.to_owned()),
    ] {
        text.push_str(&format!("  {name:<8}  {}\n", for_line(&value)));
    }
    text
}

/// Says that a server is ready.
fn say_ready(show: Show, info: &ServerInfo, stop: &str) -> Result<(), Failure> {
    match show.format {
        Format::Json => print_json(&json(Status::Running, Some(info))?),
        Format::Table => {
            let headline = format!("Session-Buddy {} is ready", info.version);
            print(&describe(&headline, info, stop))
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| *duration <= Duration::from_hours(24))
        .ok_or_else(|| "expected seconds, from 0 to 86400".to_owned())
}
