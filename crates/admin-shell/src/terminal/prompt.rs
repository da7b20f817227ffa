//! The prompt.

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError, mpsc::Sender},
};

use reedline::{Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus};

/// How a prompt asks for the rest of what was begun.
pub(crate) const CONTINUATION: &str = "... ";
/// What follows the component's name.
pub(crate) const INDICATOR: &str = "> ";

/// `Billing> `
pub(super) struct ShellPrompt {
    name: String,
    /// Told once, when the first prompt is painted.
    painted: Mutex<Option<Sender<()>>>,
}

impl ShellPrompt {
    pub(super) const fn new(name: String, painted: Sender<()>) -> Self {
        Self {
            name,
            painted: Mutex::new(Some(painted)),
        }
    }

    /// Writes a line behind its prompt.
    pub(super) fn before(&self, line: &str, first: bool) -> String {
        if first {
            format!("{}{INDICATOR}{line}", self.name)
        } else {
            format!("{CONTINUATION}{line}")
        }
    }
}

impl Prompt for ShellPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        let mut painted = self.painted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(painted) = painted.take() {
            // Nobody may care.
            let _ = painted.send(());
        }
        Cow::Borrowed(&self.name)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(INDICATOR)
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed(CONTINUATION)
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing found for ",
        };
        Cow::Owned(format!(" ({failing}{}) {INDICATOR}", search.term))
    }
}
