//! The log of a shell, which `%log` switches on: lines above the prompt.

use std::{io, sync::Arc};

use session_model::escape::for_line;
use tracing::{level_filters::LevelFilter, subscriber};
use tracing_subscriber::{Registry, filter::Targets, fmt, layer::SubscriberExt, reload};

use crate::console::Console;

/// Libraries that say what is nobody's business, or too much: from them only what is wrong is shown.
const QUIET: [&str; 6] = ["h2", "hyper", "hyper_util", "reqwest", "rmcp", "rustls"];

/// The log of a shell. Nothing is set up before somebody asks for it.
#[derive(Default)]
pub(crate) struct Log {
    filter: Option<reload::Handle<Targets, Registry>>,
}

/// Why a log cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("this program has a log of its own")]
    Taken(#[from] subscriber::SetGlobalDefaultError),
    #[error("the log cannot be changed")]
    Reload(#[from] reload::Error),
}

impl Log {
    /// Shows what is at least as important as `level`.
    ///
    /// # Errors
    ///
    /// When the component has set up a log already.
    pub(crate) fn set(
        &mut self,
        level: LevelFilter,
        console: &Arc<Console>,
    ) -> Result<(), LogError> {
        if let Some(filter) = &self.filter {
            filter.reload(targets(level))?;
            return Ok(());
        }
        let (filter, handle) = reload::Layer::new(targets(level));
        let console = Arc::clone(console);
        let lines = fmt::layer()
            .with_ansi(false)
            .with_writer(move || Line::to(&console));
        subscriber::set_global_default(Registry::default().with(filter).with(lines))?;
        self.filter = Some(handle);
        Ok(())
    }
}

fn targets(level: LevelFilter) -> Targets {
    let quiet = QUIET.map(|target| (target, level.min(LevelFilter::WARN)));
    Targets::new().with_default(level).with_targets(quiet)
}

/// One line of the log in the making.
struct Line {
    console: Arc<Console>,
    bytes: Vec<u8>,
}

impl Line {
    fn to(console: &Arc<Console>) -> Self {
        Self {
            console: Arc::clone(console),
            bytes: Vec::new(),
        }
    }
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.bytes);
        self.console.log(for_line(text.trim_end()).into_owned());
    }
}
