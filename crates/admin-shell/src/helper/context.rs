//! What a helper may ask of the shell that runs it.

use std::{ffi::OsStr, fmt, process::Command, sync::Arc, time::Duration};

use session_client::identity::PARENT_SESSION_ID;
use session_model::SessionId;

use super::HelperError;
use crate::{console::Console, interrupt::Interrupt, output::View};

/// The shell, as its helpers see it. Clones mean the same shell.
#[derive(Clone)]
pub struct Context {
    pub(crate) console: Arc<Console>,
    pub(crate) interrupt: Interrupt,
    pub(crate) session_id: Option<SessionId>,
}

impl Context {
    /// Writes a line to standard output. The text is the component's own: what came from elsewhere is escaped before.
    pub fn print(&self, line: impl fmt::Display) {
        self.console.print(&line.to_string());
    }

    /// Tells whether the user has asked to stop, as Ctrl-C does. What takes long looks at this now and then.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// Waits.
    ///
    /// # Errors
    ///
    /// When the user asks to stop in between.
    pub fn wait(&self, time: Duration) -> Result<(), HelperError> {
        if self.interrupt.wait(time) {
            Err(HelperError::new("interrupted"))
        } else {
            Ok(())
        }
    }

    /// Prepares a program that knows in which session it was started.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        match &self.session_id {
            Some(id) => command.env(PARENT_SESSION_ID, id.as_str()),
            None => command.env_remove(PARENT_SESSION_ID),
        };
        command
    }

    /// Gives for whom results are written now.
    pub fn view(&self) -> View {
        self.console.view()
    }

    /// Tells whether a person sits at the shell, who can be asked.
    pub fn is_interactive(&self) -> bool {
        self.console.is_interactive()
    }
}
