//! Where a shell writes.

use std::{
    fmt,
    io::{self, BufRead, IsTerminal, Write},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};

use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use session_client::Clock;

use crate::{
    interrupt::Interrupt,
    output::{Format, Reply, View},
    pager,
};

/// How often it is looked whether the user wants to stop instead of answering: 50 ms.
const LOOK: Duration = Duration::from_millis(50);

/// Standard output and standard error. Where standard output cannot be written what runs is stopped, and the shell
/// leaves: quietly if its reader has gone.
pub(crate) struct Console {
    clock: Clock,
    interactive: bool,
    problem: Mutex<Option<io::ErrorKind>>,
    /// There is a problem; looked at while scripts run.
    is_unread: AtomicBool,
    news: Mutex<News>,
}

/// What happened while something else had the screen.
enum News {
    /// Told before the next prompt.
    Waiting(Vec<String>),
    /// Printed by a line editor.
    Printed(SyncSender<String>),
}

impl Console {
    /// `interactive` says that a person sits at it.
    pub(crate) const fn new(clock: Clock, interactive: bool) -> Self {
        Self {
            clock,
            interactive,
            problem: Mutex::new(None),
            is_unread: AtomicBool::new(false),
            news: Mutex::new(News::Waiting(Vec::new())),
        }
    }

    pub(crate) const fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Tells why standard output cannot be written any more, if it cannot.
    pub(crate) fn problem(&self) -> Option<io::ErrorKind> {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether there is such a problem.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
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
        if let Err(error) = written {
            let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
            problem.get_or_insert(error.kind());
            self.is_unread.store(true, Ordering::Relaxed);
        }
    }

    /// Writes a result; what people are told instead of an empty table goes to standard error. Tells whether a pager had it.
    pub(crate) fn show(&self, reply: &Reply, format: Format) -> bool {
        if let (Reply::Table(table), Format::Table) = (reply, format)
            && table.is_empty()
        {
            self.tell(table.empty_text());
            return false;
        }
        self.page(&reply.write(format, &self.view()))
    }

    /// Writes to standard output, page by page if that is a terminal and the text is longer; tells whether it was.
    pub(crate) fn page(&self, text: &str) -> bool {
        let paged = pager::page(text);
        if !paged {
            self.write(text);
        }
        paged
    }

    /// Asks a question on the terminal; `None` without one.
    ///
    /// # Errors
    ///
    /// `Interrupted` when the user wants to stop instead; what the system says of the terminal.
    pub(crate) fn ask(&self, question: &str, interrupt: &Interrupt) -> io::Result<Option<bool>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        write!(anstream::stderr(), "{question} [y/N] ")?;
        let patience = Timespec::try_from(LOOK).map_err(io::Error::other)?;
        loop {
            let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
            let ready = match poll(&mut watched, Some(&patience)) {
                Ok(count) => count > 0,
                Err(rustix::io::Errno::INTR) => false,
                Err(error) => return Err(error.into()),
            };
            if interrupt.is_set() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if ready {
                break;
            }
        }
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer)?;
        let answer = answer.trim().to_ascii_lowercase();
        Ok(Some(matches!(&*answer, "y" | "yes")))
    }

    /// Writes a line to standard error; best effort.
    pub(crate) fn tell(&self, line: impl fmt::Display) {
        let _ = writeln!(anstream::stderr(), "{line}");
    }

    /// Says how a line editor prints above its prompt.
    pub(crate) fn set_printer(&self, printer: SyncSender<String>) {
        let before = std::mem::replace(&mut *self.news(), News::Printed(printer));
        if let News::Waiting(lines) = before {
            for line in lines {
                self.announce(line);
            }
        }
    }

    /// Says something that nobody asked for, once it disturbs nothing: above the prompt of a line editor, else before the
    /// next prompt.
    pub(crate) fn announce(&self, line: String) {
        match &mut *self.news() {
            News::Waiting(lines) => lines.push(line),
            // With so many lines waiting one more would not be read either.
            News::Printed(printer) => drop(printer.try_send(line)),
        }
    }

    /// Writes a line of the log: above the prompt, or at once where nobody waits for a prompt.
    pub(crate) fn log(&self, line: String) {
        if self.interactive {
            self.announce(line);
        } else {
            self.tell(line);
        }
    }

    /// Tells what has waited for a prompt.
    pub(crate) fn tell_news(&self) {
        if let News::Waiting(lines) = &mut *self.news() {
            for line in lines.drain(..) {
                self.tell(line);
            }
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
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
