//! The log: on standard error, or in a file of the state folder that is kept within bounds.

mod file;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub(crate) use file::LogFile;

/// Starts the log on standard error.
pub(crate) fn start(level: Level) {
    start_on(level, io::stderr().is_terminal(), io::stderr);
}

/// Starts the log in a file, where standard error goes from here on too, so that what a panic says is kept.
///
/// # Errors
///
/// When the file cannot be opened.
pub(crate) fn start_in(level: Level, path: PathBuf) -> io::Result<LogFile> {
    let (log, lines) = LogFile::start(path)?;
    start_on(level, false, lines);
    Ok(log)
}

/// Gives the path of the log in a state folder.
pub(crate) fn path(state_folder: &Path) -> PathBuf {
    state_folder.join("logs/session-buddy.log")
}

/// `RUST_LOG` wins over `level`; whatever it says, the MCP SDK stays at `warn`, because below that it logs whole messages
/// with the tokens in them.
fn start_on<W>(level: Level, ansi: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let chosen =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.as_str()));
    let capped = filter_fn(|metadata: &Metadata<'_>| {
        !metadata.target().starts_with("rmcp") || *metadata.level() <= Level::WARN
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(ansi)
        .with_writer(writer)
        .with_filter(chosen.and(capped));
    // Only tests start a second log, and the first one serves them.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
