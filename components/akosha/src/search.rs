//! Sessions, and who and what is in them, by words.
//!
//! Every text of a session is looked at, its metadata too. Words may stand in any case and any order; the beginning of a word is
//! enough, and counts half. `"two words"` and `ops-1` must stand there just so, `-word` must not, and `user:les` is looked for in
//! one field. What has all words is found; where nothing has, what has some of them.
//!
//! The order is that of BM25F (Robertson and Zaragoza, 2009): a word counts the more the fewer have it, the more often it stands
//! there, the shorter the text is, and the more its field says about what is found. Scores are shares of the best one, for of their
//! size alone nothing follows.
//!
//! There is no index on disk: what a query needs is gathered while the sessions are read, so a million of them are searched in the
//! memory of those that match.

mod collect;
mod document;
mod rank;
mod terms;
mod text;

use session_model::{SessionFilter, Timestamp};

pub use document::Document;
pub use terms::{Terms, TermsError};

use crate::{
    history::Name,
    source::{self, Asked, Onlooker, Source, Stopped},
    words,
};
use collect::Collector;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Index {
    /// Sessions.
    Sessions,
    /// Errors: messages that sessions ended with, each once.
    Errors,
    /// People.
    Users,
    /// Hosts.
    Hosts,
    /// Components.
    Components,
    /// Projects.
    Projects,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// What it is.
    pub kind: Index,
    /// Its name: a session's id, an error's message.
    pub name: Name,
    /// How well it fits, as a share of the best.
    pub score: f64,
    /// The fields in which it was found, with commas between them.
    pub fields: String,
    /// The texts there, what was found between marks.
    pub snippet: String,
    /// How many sessions it had.
    pub sessions: usize,
    /// When the last of them began.
    pub last_seen: Timestamp,
    /// The server that knows it; of one that several know, one of them.
    pub server: Name,
}

/// What a search gives.
#[derive(Clone, Debug)]
pub struct Found {
    /// The best first, and of those alike the newest.
    pub hits: Vec<Hit>,
    /// How many there are in all.
    pub matching: usize,
    /// Nothing has all words: these have some.
    pub only_some_words: bool,
    /// What was probably meant by a word that is nowhere.
    pub meant: Vec<(String, String)>,
    /// What became of each server.
    pub asked: Vec<Asked>,
}

impl Index {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Users,
        Self::Hosts,
        Self::Components,
        Self::Projects,
        Self::Errors,
        Self::Sessions,
    ];

    /// Gives its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Errors => "errors",
            Self::Users => "users",
            Self::Hosts => "hosts",
            Self::Components => "components",
            Self::Projects => "projects",
        }
    }

    /// Gives the word for one of it.
    #[must_use]
    pub const fn one(self) -> &'static str {
        match self {
            Self::Sessions => "session",
            Self::Errors => "error",
            Self::Users => "user",
            Self::Hosts => "host",
            Self::Components => "component",
            Self::Projects => "project",
        }
    }

    /// Reads `all`, or one or several words with commas between them.
    ///
    /// # Errors
    ///
    /// Which word was probably meant.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let named = Self::ALL.map(|index| (index.word(), index));
        words::several("index", text, &Self::ALL, &named)
    }
}

/// Searches the sessions of all sources that the filter takes, at most `sessions_max` of each, and gives the best `limit`.
///
/// # Errors
///
/// When whoever waits wants to stop.
pub fn search(
    sources: &[Source],
    filter: &SessionFilter,
    sessions_max: usize,
    question: &(Terms, Vec<Index>, usize),
    onlooker: &mut dyn Onlooker,
) -> Result<Found, Stopped> {
    let (terms, indices, limit) = question;
    let mut collectors: Vec<Collector<'_>> = sources
        .iter()
        .map(|source| Collector::new(terms, indices, &source.to_string()))
        .collect();
    let asked = source::read(sources, filter, sessions_max, onlooker, |place, page| {
        for document in page {
            collectors[place].take(document);
        }
    })?;
    let answered = collectors.into_iter().zip(&asked);
    let answered = answered.filter(|(_, asked)| asked.outcome.is_ok());
    let found = rank::rank(
        terms,
        answered.map(|(collector, _)| collector).collect(),
        *limit,
    );
    Ok(Found { asked, ..found })
}
