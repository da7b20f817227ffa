//! `session-buddy mcp start`

use std::{
    error::Error,
    io::{self, Write, stdout},
};

use anstream::eprintln;
use tracing::warn;

use super::{ExitStatus, Failure};
use crate::{
    causes,
    clock::Clock,
    lifecycle::{Flags, Server, Settings, StartError},
    logging,
    store::sqlite::OpenError,
};

/// Secrets that this version does not know what to do with. Nobody should believe that they are in force.
const UNUSED_SECRETS: [&str; 4] = [
    "SESSION_BUDDY_SECRET",
    "SESSION_BUDDY_SECRET_FILE",
    "MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET",
    "MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET_FILE",
];

/// Start the server
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Stay on this terminal and log to it
    #[arg(long)]
    foreground: bool,
    /// Address to listen on, of this machine alone [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one [default: 8678]
    #[arg(long)]
    port: Option<String>,
    /// Database file [default: sessions.db in the state folder]
    #[arg(long, value_name = "FILE")]
    db_path: Option<String>,
    /// What to log: trace, debug, info, warn or error [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    if !args.foreground {
        return Err(Failure::new(
            ExitStatus::Failed,
            "the server does not run in the background yet",
        )
        .hint("keep it on a terminal of its own with `session-buddy mcp start --foreground`"));
    }
    let Args {
        host,
        port,
        db_path,
        log_level,
        ..
    } = args;
    let flags = Flags {
        db_path,
        host,
        port,
        log_level,
    };
    let settings = Settings::load(flags, |name| std::env::var_os(name))
        .map_err(|error| Failure::of(ExitStatus::Configuration, &error).hint_for(&error))?;
    logging::start(settings.log_level);
    for unknown in &settings.unknown_keys {
        warn!("{unknown}");
    }
    for variable in UNUSED_SECRETS {
        if std::env::var_os(variable).is_some_and(|value| !value.is_empty()) {
            warn!(
                "{variable} is set and protects nothing yet: any user of this machine may report, \
                 and only the server's own user may read and close"
            );
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    runtime.block_on(serve(&settings))
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let server = Server::start(settings, Clock::system())
        .await
        .map_err(|error| failure(&error))?;
    let info = server.info();
    let ready = writeln!(
        stdout(),
        "Session-Buddy {} is ready\n  address   http://{}\n  socket    {}\n  database  {}\n  log       standard error\n  \
         stop      Ctrl-C, or kill {}",
        info.version,
        info.address,
        info.socket.display(),
        info.database.display(),
        info.pid,
    );
    if let Err(error) = ready {
        // A server whose terminal is gone serves all the same.
        eprintln!("nobody reads standard output: {error}");
    }
    server
        .run()
        .await
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))
}

fn failure(error: &StartError) -> Failure {
    let status = match error {
        StartError::AlreadyRunning(_) => ExitStatus::AlreadyRunning,
        _ if causes(error).any(is_permission) => ExitStatus::Permission,
        StartError::NotLoopback(_) | StartError::StateFolder(_) => ExitStatus::Configuration,
        StartError::Database { source, .. } => match source {
            OpenError::Foreign | OpenError::Newer { .. } | OpenError::ChangedMigration { .. } => {
                ExitStatus::Configuration
            }
            OpenError::File { .. }
            | OpenError::Locked
            | OpenError::Busy
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
        StartError::NotLoopback(_) => failure.hint("listen on 127.0.0.1 or ::1"),
        StartError::StateFolder(_)
        | StartError::Listen { .. }
        | StartError::Database { .. }
        | StartError::Io { .. } => failure.hint_for(error),
    }
}

/// Tells whether the system refused for want of permission.
fn is_permission(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}
