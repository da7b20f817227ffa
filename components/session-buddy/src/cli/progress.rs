//! How far a long command is, for people who watch it on a terminal.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often it is drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// A bar on standard error where that is a terminal, else nothing.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Tells whether anybody sees it.
    pub(super) fn is_seen() -> bool {
        stderr().is_terminal()
    }

    /// Begins to count things; where nobody knows how many there are it shows how many there were.
    pub(super) fn of_things(total: Option<u64>, things: &str) -> Self {
        let counted = format!("{{human_pos}} of {{human_len}} {things}, {{eta}} left");
        Self::new(total, &counted, &format!("{{human_pos}} {things}"))
    }

    /// Begins to count bytes.
    pub(super) fn of_bytes(total: Option<u64>) -> Self {
        let counted = "{binary_bytes} of {binary_total_bytes}, {eta} left";
        Self::new(total, counted, "{binary_bytes}")
    }

    fn new(total: Option<u64>, counted: &str, uncounted: &str) -> Self {
        if !Self::is_seen() {
            return Self(None);
        }
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), format!("{{bar:30}} {counted}")),
            None => (ProgressBar::no_length(), format!("{{spinner}} {uncounted}")),
        };
        let style = ProgressStyle::with_template(&template).expect("the templates are constants");
        bar.set_style(style);
        bar.enable_steady_tick(TICK);
        Self(Some(bar))
    }

    /// Counts more.
    pub(super) fn add(&self, count: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(count);
        }
    }

    /// Gives something to count with on another thread.
    pub(super) fn counter(&self) -> impl Fn(u64) + Send + 'static {
        let bar = self.0.clone();
        move |count| {
            if let Some(bar) = &bar {
                bar.inc(count);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
