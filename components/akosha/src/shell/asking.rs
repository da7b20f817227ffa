//! From filters to sessions, with what people see meanwhile.

use std::{
    env,
    io::{self, IsTerminal},
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use admin_shell::{Context, HelperError, output::one_line};
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::IgnoredAny;
use serde_json::Value;
use session_client::state_folder;
use session_model::SessionFilter;

use crate::{
    History, Selection, Settings,
    source::{self, Asked, Onlooker, Source, SourceError, Stopped, Whole},
};

/// How long a shell waits for its servers before its prompt: half of the 20 ms that a prompt may take.
const START_PATIENCE: Duration = Duration::from_millis(10);
/// How long nothing is shown: what is there sooner needs no progress.
const SHOWN_AFTER: Duration = Duration::from_millis(80);
/// How often it is looked whether the user wants to stop: 50 ms.
const LOOK: Duration = Duration::from_millis(50);
/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);
/// How many sessions there are between two lines, where there is no terminal.
const LINE_EACH: usize = 250_000;

/// The exit codes: wrong usage, a server that was not read, none that answers.
const USAGE: u8 = 2;
const NOT_ALL: u8 = 1;
const NO_ANSWER: u8 = 3;

/// Which sessions, and where.
pub(super) struct Asking {
    pub(super) settings: Settings,
    pub(super) filter: SessionFilter,
    pub(super) sources: Vec<Source>,
}

impl Asking {
    /// Reads filters and settings.
    pub(super) fn read(context: &Context, filters: Option<&Value>) -> Result<Self, HelperError> {
        let view = context.view();
        let selection = Selection::read(filters, view.now, &view.zone).map_err(usage)?;
        let settings = settings()?;
        Ok(Self {
            sources: selection.sources(&settings, own_socket()?),
            filter: selection.filter,
            settings,
        })
    }

    /// Reads the sessions of all servers.
    pub(super) fn history(&self, context: &Context) -> Result<History, HelperError> {
        let mut progress = Progress::new(context);
        let read = History::read(
            &self.sources,
            &self.filter,
            self.settings.sessions_max,
            &mut progress,
        );
        progress.end();
        let history = read.map_err(stopped)?;
        self.tell(context, &history.asked)?;
        if history.known_twice > 0 {
            context.tell(format_args!(
                "note: known to several servers, and counted once: {}",
                history.known_twice
            ));
        }
        Ok(history)
    }

    /// Asks every server for no more than a session; a store without a server does not answer.
    pub(super) fn ask(&self, context: &Context) -> Result<Vec<Asked>, HelperError> {
        let servers: Vec<_> = self.sources.iter().map(Source::server).collect();
        let mut progress = Progress::new(context);
        let ignored = |_, _: Vec<IgnoredAny>| {};
        let asked = source::read(&servers, &self.filter, 1, &mut progress, ignored);
        progress.end();
        let mut asked = asked.map_err(stopped)?;
        for (asked, source) in asked.iter_mut().zip(&self.sources) {
            asked.server = source.to_string().into();
        }
        Ok(asked)
    }

    /// Says what became of the servers. Where some have answered, the exit code says that it were not all.
    pub(super) fn tell(&self, context: &Context, asked: &[Asked]) -> Result<(), HelperError> {
        let failed = asked
            .iter()
            .filter_map(|asked| Some((&asked.server, asked.outcome.as_ref().err()?)));
        let failed: Vec<_> = failed.collect();
        if let [(_, first), ..] = failed[..]
            && failed.len() == asked.len()
        {
            return Err(none_answers(first, &failed));
        }
        for (server, error) in failed {
            context.tell(one_line(&format!(
                "error: {server} is left out: {}",
                error.problem
            )));
            if let Some(hint) = &error.hint {
                context.tell(format_args!("hint: {}", one_line(hint)));
            }
            context.set_exit_code(NOT_ALL);
        }
        let is_cut = |asked: &&Asked| asked.outcome == Ok(Whole::Cut);
        for asked in asked.iter().filter(is_cut) {
            context.tell(format_args!(
                "note: of {} only the newest {} sessions were read (AKOSHA_SESSIONS_MAX)",
                asked.server, self.settings.sessions_max
            ));
        }
        Ok(())
    }
}

fn none_answers(
    first: &SourceError,
    failed: &[(&crate::history::Name, &SourceError)],
) -> HelperError {
    let problems = failed.iter().map(|(_, error)| &*error.problem);
    let problems: Vec<_> = problems.collect();
    let error = HelperError::new(one_line(&problems.join("; ")));
    let error = match &first.hint {
        Some(hint) => error.hint(one_line(hint)),
        None => error,
    };
    let nobody_is_there = failed.iter().all(|(_, error)| error.is_unreachable);
    error.exit_code(if nobody_is_there { NO_ANSWER } else { NOT_ALL })
}

/// Makes an error of what was typed.
pub(super) fn usage(problem: impl ToString) -> HelperError {
    HelperError::new(problem.to_string()).exit_code(USAGE)
}

pub(super) fn stopped(Stopped: Stopped) -> HelperError {
    HelperError::new("interrupted")
}

fn settings() -> Result<Settings, HelperError> {
    let folder = env::current_dir().unwrap_or_else(|_| "/".into());
    Ok(Settings::read(&folder, |name| env::var_os(name))?)
}

/// Gives the socket of this user's server.
fn own_socket() -> Result<PathBuf, HelperError> {
    let folder = state_folder::find(|name| env::var_os(name))?;
    Ok(folder.join("session-buddy.sock"))
}

/// Gives the servers that answer at once; a prompt waits for no other.
pub(super) fn that_answer_at_once() -> Vec<String> {
    let Ok((settings, socket)) = settings().and_then(|settings| Ok((settings, own_socket()?)))
    else {
        // A shell opens whatever is set; the first helper says what is wrong.
        return Vec::new();
    };
    let sources = Selection::default().sources(&settings, socket);
    let answering = source::that_answer(&sources, START_PATIENCE);
    answering.iter().map(ToString::to_string).collect()
}

/// Does what may take seconds with a million sessions, on a thread of its own, so that Ctrl-C need not wait for it: what nobody waits
/// for any more comes to its end unseen.
pub(super) fn work<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HelperError> {
    let (sender, done) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("analysis".to_owned());
    thread.spawn(move || {
        // Who has stopped waiting does not want it.
        let _ = sender.send(work());
    })?;
    let mut progress = Progress::new(context);
    let result = loop {
        match done.recv_timeout(LOOK) {
            Ok(result) => break Ok(result),
            Err(RecvTimeoutError::Timeout) if context.is_interrupted() => {
                break Err(stopped(Stopped));
            }
            Err(RecvTimeoutError::Timeout) => progress.show("looking at them"),
            Err(RecvTimeoutError::Disconnected) => {
                break Err(HelperError::new("it has come to a bug, told above"));
            }
        }
    };
    progress.end();
    result
}

/// What people see while sessions are read: a spinner with their number on a terminal, else a line now and then.
pub(super) struct Progress<'a> {
    context: &'a Context,
    begun: Instant,
    bar: Option<ProgressBar>,
    next_line: usize,
}

impl<'a> Progress<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            context,
            begun: Instant::now(),
            bar: None,
            next_line: LINE_EACH,
        }
    }

    /// Shows a line on a terminal, once it is time.
    fn show(&mut self, text: &str) {
        if self.bar.is_none() && self.begun.elapsed() >= SHOWN_AFTER {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
            bar.set_style(style.expect("the template is a constant that parses"));
            bar.enable_steady_tick(TICK);
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Takes it away.
    pub(super) fn end(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Onlooker for Progress<'_> {
    fn hear(&mut self, sessions: usize) {
        let told = format!("{sessions} sessions read");
        if sessions >= self.next_line && !io::stderr().is_terminal() {
            self.context.tell(&told);
            self.next_line = sessions + LINE_EACH;
        }
        self.show(&told);
    }

    fn wants_to_stop(&self) -> bool {
        self.context.is_interrupted()
    }
}
