//! Where a shell writes.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
};

use jiff::tz::TimeZone;
use session_client::Clock;

use crate::output::View;

/// Standard output and standard error. Nobody reading them is no error: what runs is told to stop by
/// [`Console::is_closed`], and the shell leaves quietly.
pub(crate) struct Console {
    clock: Clock,
    interactive: bool,
    closed: AtomicBool,
    /// Whether a line editor has the terminal now, and how it prints above its prompt.
    prompting: AtomicBool,
    printer: Mutex<Option<SyncSender<String>>>,
}

impl Console {
    /// `interactive` says that a person sits at it.
    pub(crate) const fn new(clock: Clock, interactive: bool) -> Self {
        Self {
            clock,
            interactive,
            closed: AtomicBool::new(false),
            prompting: AtomicBool::new(false),
            printer: Mutex::new(None),
        }
    }

    pub(crate) const fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Tells whether nobody reads standard output any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Writes a line to standard output.
    pub(crate) fn print(&self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    /// Writes to standard output.
    pub(crate) fn write(&self, text: &str) {
        let mut output = anstream::stdout().lock();
        let written = output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush());
        if written.is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Writes a line to standard error; best effort.
    pub(crate) fn tell(&self, line: impl fmt::Display) {
        let _ = writeln!(anstream::stderr(), "{line}");
    }

    /// Gives how a line editor prints above its prompt.
    pub(crate) fn set_printer(&self, printer: SyncSender<String>) {
        *self.printer.lock().unwrap_or_else(PoisonError::into_inner) = Some(printer);
    }

    /// Says whether a line editor has the terminal.
    pub(crate) fn set_prompting(&self, prompting: bool) {
        self.prompting.store(prompting, Ordering::Relaxed);
    }

    /// Writes a line that nobody asked for: above the prompt, if there is one.
    pub(crate) fn announce(&self, line: String) {
        let printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner);
        match &*printer {
            Some(printer) if self.prompting.load(Ordering::Relaxed) => {
                // With so many lines waiting one more would not be read either.
                let _ = printer.try_send(line);
            }
            Some(_) | None => self.tell(line),
        }
    }

    pub(crate) fn view(&self) -> View {
        let to_terminal = io::stdout().is_terminal();
        let size = to_terminal.then(terminal_size::terminal_size).flatten();
        View {
            width: size.map(|(width, _)| usize::from(width.0)),
            now: self.clock.now(),
            zone: TimeZone::system(),
        }
    }
}
