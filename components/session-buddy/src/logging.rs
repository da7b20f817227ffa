//! The log.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Starts the log on standard error. `RUST_LOG` wins over `level`; whatever it says, the MCP SDK stays at `warn`,
/// because below that it logs whole messages with the tokens in them.
pub(crate) fn start(level: Level) {
    let chosen =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.as_str()));
    let capped = filter_fn(|metadata: &Metadata<'_>| {
        !metadata.target().starts_with("rmcp") || *metadata.level() <= Level::WARN
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .with_filter(chosen.and(capped));
    // Only tests start a second log, and the first one serves them.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
