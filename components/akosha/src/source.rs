//! Where sessions are read: at servers, over all pages; where none is named and none runs, from this user's store, which the
//! program `session-buddy` reads.
//!
//! Each server is read on a thread of its own, so a slow one holds up no other, and the pages are taken in by the caller. A
//! server that fails is left out as a whole: half of a history would be taken for all of it.

mod server;
mod store;

use std::{
    fmt,
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError, SyncSender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;
use session_client::Destination;
use session_model::SessionFilter;
use tokio::sync::oneshot;

use crate::history::Name;

/// How often it is looked whether the user wants to stop: 50 ms.
const LOOK: Duration = Duration::from_millis(50);
/// How many pages of 1,000 sessions may wait: enough that nobody waits for another, and some MB at most.
const PAGES_WAITING: usize = 4;

/// A place where sessions are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A server that was named.
    Server(Destination),
    /// The server of this user at its socket; its store where it does not run.
    Own(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(destination) => destination.fmt(f),
            Self::Own(_) => f.write_str("local"),
        }
    }
}

/// Why a source was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// What is wrong, its causes with it.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Nobody was there, which is another exit code than a refusal.
    pub is_unreachable: bool,
}

/// What became of a source.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What it is called.
    pub server: Name,
    /// How it was read.
    pub outcome: Result<Whole, SourceError>,
}

/// Whether a source was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// It was.
    Yes,
    /// Only as many sessions were read as may be, the newest.
    Cut,
}

/// Somebody who waits for the answer.
pub trait Onlooker {
    /// Hears how many sessions were read so far; called at least every 50 ms.
    fn hear(&mut self, sessions: usize);

    /// Tells whether to stop.
    fn wants_to_stop(&self) -> bool;
}

/// Who waited wanted to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Stopped;

/// What is asked of each source.
#[derive(Clone, Debug)]
struct Question {
    filter: SessionFilter,
    sessions_max: usize,
}

enum Message<T> {
    Page(usize, Vec<T>),
    End(usize, Result<Whole, SourceError>),
}

/// Reads the sessions of all sources that match, of each what `T` wants, at most `sessions_max` of each source, the newest first.
/// `take` gets the place of the source and a page of its.
///
/// # Errors
///
/// When whoever waits wants to stop. What went wrong with a source is in the answer.
pub fn read<T: DeserializeOwned + Send + 'static>(
    sources: &[Source],
    filter: &SessionFilter,
    sessions_max: usize,
    onlooker: &mut dyn Onlooker,
    mut take: impl FnMut(usize, Vec<T>),
) -> Result<Vec<Asked>, Stopped> {
    let question = Question {
        filter: filter.clone(),
        sessions_max,
    };
    let (sender, messages) = mpsc::sync_channel(PAGES_WAITING);
    let readers: Vec<_> = sources
        .iter()
        .enumerate()
        .map(|(place, source)| Reading::start(place, source, &question, sender.clone()))
        .collect();
    drop(sender);
    let mut outcomes: Vec<Option<Result<Whole, SourceError>>> = vec![None; sources.len()];
    let mut sessions = 0;
    let stopped = loop {
        onlooker.hear(sessions);
        if onlooker.wants_to_stop() {
            break true;
        }
        match messages.recv_timeout(LOOK) {
            Ok(Message::Page(place, page)) => {
                sessions += page.len();
                take(place, page);
            }
            Ok(Message::End(place, outcome)) => outcomes[place] = Some(outcome),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break false,
        }
    };
    // Whoever still has a page to hand over is told that nobody wants it.
    drop(messages);
    readers.into_iter().for_each(Reading::end);
    if stopped {
        return Err(Stopped);
    }
    let asked = sources.iter().zip(outcomes);
    Ok(asked
        .map(|(source, outcome)| Asked {
            server: source.to_string().into(),
            outcome: outcome.unwrap_or_else(|| Err(SourceError::new("its reader has panicked"))),
        })
        .collect())
}

/// A source that is read.
struct Reading {
    thread: Option<JoinHandle<()>>,
    /// Dropped to stop it.
    wanted: oneshot::Sender<()>,
}

impl Reading {
    fn start<T: DeserializeOwned + Send + 'static>(
        place: usize,
        source: &Source,
        question: &Question,
        messages: SyncSender<Message<T>>,
    ) -> Self {
        let (wanted, unwanted) = oneshot::channel();
        let (source, question) = (source.clone(), question.clone());
        let failed = messages.clone();
        let read = move || {
            let hand_over = |page| messages.send(Message::Page(place, page)).is_ok();
            let outcome = source.read(&question, unwanted, hand_over);
            // Who has stopped listening does not want to know.
            let _ = messages.send(Message::End(place, outcome));
        };
        let thread = thread::Builder::new().name("reader".to_owned()).spawn(read);
        let thread = thread.map_err(|error| {
            let problem = SourceError::new(format!("no thread can be started: {error}"));
            let _ = failed.send(Message::End(place, Err(problem)));
        });
        Self {
            thread: thread.ok(),
            wanted,
        }
    }

    fn end(self) {
        drop(self.wanted);
        if let Some(thread) = self.thread {
            // A panic has been told on standard error.
            let _ = thread.join();
        }
    }
}

impl Source {
    fn read<T: DeserializeOwned>(
        &self,
        question: &Question,
        mut unwanted: oneshot::Receiver<()>,
        mut hand_over: impl FnMut(Vec<T>) -> bool,
    ) -> Result<Whole, SourceError> {
        let read = server::read(self.destination(), question, &mut unwanted, &mut hand_over);
        match (self, read) {
            (Self::Own(_), Err(error)) if error.is_unreachable => {
                store::read(question, &mut unwanted, &mut hand_over)
            }
            (_, outcome) => outcome,
        }
    }
}

/// Gives the sources whose servers answer that fast; a store without a server does not answer.
#[must_use]
pub fn that_answer(sources: &[Source], patience: Duration) -> Vec<Source> {
    let (sender, answers) = mpsc::channel();
    for (place, source) in sources.iter().cloned().enumerate() {
        let sender = sender.clone();
        // A name that takes long to look up must not hold who asks, so the wait is here and not there.
        let asked = thread::Builder::new().name("adapter".to_owned());
        // What cannot be asked has not answered.
        let _ = asked.spawn(move || {
            if source.answers(patience) {
                let _ = sender.send(place);
            }
        });
    }
    drop(sender);
    let deadline = Instant::now() + patience;
    let mut found = Vec::new();
    while let Ok(place) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        found.push(place);
    }
    found.sort_unstable();
    found
        .into_iter()
        .map(|place| sources[place].clone())
        .collect()
}

impl Source {
    /// Gives its server alone, without the store that is read where that does not run.
    #[must_use]
    pub fn server(&self) -> Self {
        Self::Server(self.destination())
    }

    fn destination(&self) -> Destination {
        match self {
            Self::Server(destination) => destination.clone(),
            Self::Own(socket) => Destination::Socket(socket.clone()),
        }
    }

    fn answers(&self, patience: Duration) -> bool {
        server::answers(self.destination(), patience)
    }
}

impl SourceError {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            hint: None,
            is_unreachable: false,
        }
    }

    /// Takes an error with its causes.
    fn of(error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let problem: Vec<_> = causes.map(ToString::to_string).collect();
        Self::new(problem.join(": "))
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
