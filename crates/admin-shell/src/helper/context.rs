//! What a helper may ask of the shell that runs it.

use std::{
    ffi::OsStr,
    fmt, io,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use session_client::identity::PARENT_SESSION_ID;
use session_model::SessionId;

use super::HelperError;
use crate::{
    child::{Children, End, Stream},
    console::Console,
    interrupt::Interrupt,
    output::View,
    pager,
    shell::signals,
};

/// The shell, as its helpers see it. Clones mean the same shell.
#[derive(Clone)]
pub struct Context {
    pub(crate) console: Arc<Console>,
    pub(crate) interrupt: Interrupt,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) children: Children,
    exit_code: Arc<AtomicU8>,
}

impl Context {
    pub(crate) fn new(
        console: Arc<Console>,
        interrupt: Interrupt,
        session_id: Option<SessionId>,
        children: Children,
    ) -> Self {
        Self {
            console,
            interrupt,
            session_id,
            children,
            exit_code: Arc::default(),
        }
    }

    /// Makes what a helper sees that is run as a command: it belongs to the session that it was started in, if any.
    pub(crate) fn of_command(console: Console) -> Self {
        let session_id = std::env::var(PARENT_SESSION_ID).ok();
        let session_id = session_id.and_then(|id| id.parse().ok());
        let (interrupt, children) = (Interrupt::default(), Children::default());
        Self::new(Arc::new(console), interrupt, session_id, children)
    }

    /// Writes a line to standard output. The text is the component's own: what came from elsewhere is escaped before.
    pub fn print(&self, line: impl fmt::Display) {
        self.console.print(&line.to_string());
    }

    /// Writes a line to standard error: progress, notes, all that is no result. The text is the component's own, as for
    /// [`print`](Self::print).
    pub fn tell(&self, line: impl fmt::Display) {
        self.console.tell(line);
    }

    /// Asks a question that is answered with yes or no, and no is meant by all but yes; `None` where nobody sits at a
    /// terminal who could answer.
    ///
    /// # Errors
    ///
    /// When the user asks to stop instead, or the terminal is gone.
    pub fn ask(&self, question: &str) -> Result<Option<bool>, HelperError> {
        match self.console.ask(question, &self.interrupt) {
            Ok(answer) => Ok(answer),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                Err(HelperError::new("interrupted"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Shows a text that is no result and may be long: page by page on a terminal, else on standard error as
    /// [`tell`](Self::tell) does.
    pub fn page(&self, text: &str) {
        if !pager::page(text) {
            self.console.tell(text.trim_end_matches('\n'));
        }
    }

    /// Runs a program to its end, without input and for at most `limit`. `line` gets each line of its output as it came;
    /// it is escaped where it is shown. On Ctrl-C, when its time is over, and when the shell leaves, it is ended with all that
    /// it has started.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn run(
        &self,
        command: Command,
        limit: Duration,
        mut line: impl FnMut(Stream, &str),
    ) -> io::Result<End> {
        self.children
            .run(&self.interrupt, command, limit, &mut line)
    }

    /// Says with which exit code a command ends, and a script that does not say so itself: for what was done, but found
    /// something wrong. A person's shell stays open.
    pub fn set_exit_code(&self, code: u8) {
        self.exit_code.store(code, Ordering::Relaxed);
    }

    /// Says that what was interrupted has told so itself: the exit code of a command or a script is 130 then, and the result
    /// so far is shown as any other.
    pub fn answer_interrupt(&self) {
        self.interrupt.clear();
        self.set_exit_code(signals::exit_code(signals::INTERRUPT));
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code.load(Ordering::Relaxed)
    }

    /// Tells whether the user has asked to stop, as Ctrl-C does. What takes long looks at this now and then.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// Asks what runs to stop, as Ctrl-C does: for what hears from elsewhere that it shall.
    pub fn interrupt(&self) {
        self.interrupt.set();
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
