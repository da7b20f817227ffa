//! Where a graph starts: what a person types for a node.

use std::collections::{BTreeSet, HashSet};

use session_model::id::spellings;

use super::{Id, Kind};
use crate::{
    history::{Name, Visit},
    words,
};

/// How many candidates an error names.
const CANDIDATES_MAX: usize = 8;

/// What was typed for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What it must be, if that was said.
    kind: Option<Kind>,
    text: String,
}

/// Why a text names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// There is no such kind.
    #[error("{0}")]
    Kind(String),
    /// Nothing is called so.
    #[error("{}", nothing(.text, .meant.as_ref()))]
    Nothing {
        /// What was typed.
        text: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// Several are.
    #[error("{text:?} may be {}", .candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        text: String,
        /// What it may be.
        candidates: Vec<String>,
    },
}

fn nothing(text: &str, meant: Option<&String>) -> String {
    match meant {
        Some(meant) => format!("nobody and nothing is called {text:?}, did you mean {meant}?"),
        None => format!("nobody and nothing is called {text:?}"),
    }
}

impl Start {
    /// Reads what was typed: a name, the beginning of one, or either with its kind before it, `user:les`. A session may be named by
    /// its last part. `kind` says what it is too.
    ///
    /// # Errors
    ///
    /// There is no such kind.
    pub fn read(text: &str, kind: Option<&str>) -> Result<Self, StartError> {
        let words = Kind::ALL.map(Kind::word);
        let kind = kind.map(|word| {
            Kind::of_word(word)
                .ok_or_else(|| StartError::Kind(words::unknown("type of node", word, words)))
        });
        let kind = kind.transpose()?;
        let with_kind = text
            .split_once(':')
            .and_then(|(word, rest)| Some((Kind::of_word(word)?, rest)));
        Ok(match (kind, with_kind) {
            (None, Some((kind, rest))) => Self {
                kind: Some(kind),
                text: rest.to_owned(),
            },
            _ => Self {
                kind,
                text: text.to_owned(),
            },
        })
    }

    /// Finds the node: one of that very name, else the only one that begins so. People go before hosts, those before components.
    ///
    /// # Errors
    ///
    /// None is called so, or several are.
    pub fn find(&self, visits: &[Visit]) -> Result<Id, StartError> {
        let exact = self.known(visits, |kind, name| match kind {
            Kind::Component => spellings(&self.text).contains(&name),
            Kind::Session => name == self.text || last_part(name) == self.text,
            Kind::User | Kind::Host => name == self.text,
        });
        if let Some((kind, name)) = exact.first() {
            return Ok(Id {
                kind: *kind,
                name: (*name).into(),
            });
        }
        let mut found = self.known(visits, |kind, name| {
            let of_session = kind == Kind::Session && last_part(name).starts_with(&self.text);
            of_session || name.starts_with(&self.text)
        });
        // The names of a component's sessions begin with its own.
        if found.iter().any(|(kind, _)| *kind != Kind::Session) {
            found.retain(|(kind, _)| *kind != Kind::Session);
        }
        match (found.first(), found.len()) {
            (Some((kind, name)), 1) if !self.text.is_empty() => Ok(Id {
                kind: *kind,
                name: (*name).into(),
            }),
            (None, _) => Err(StartError::Nothing {
                text: self.text.clone(),
                meant: self.meant(visits),
            }),
            _ => Err(self.ambiguous(&found)),
        }
    }

    /// Gives the names that may be meant and are wanted, each once.
    fn known<'a>(
        &self,
        visits: &'a [Visit],
        is_wanted: impl Fn(Kind, &str) -> bool,
    ) -> BTreeSet<(Kind, &'a str)> {
        let mut known = BTreeSet::new();
        for kind in Kind::ALL {
            if self.kind.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            let mut seen = HashSet::new();
            for visit in visits {
                let name = &**kind.name(visit);
                // Each session is another one.
                if (kind == Kind::Session || seen.insert(name)) && is_wanted(kind, name) {
                    known.insert((kind, name));
                }
            }
        }
        known
    }

    fn meant(&self, visits: &[Visit]) -> Option<String> {
        let names = self.known(visits, |kind, _| kind != Kind::Session);
        words::meant(&self.text, names.iter().map(|(_, name)| *name)).map(str::to_owned)
    }

    fn ambiguous(&self, found: &BTreeSet<(Kind, &str)>) -> StartError {
        let named = found.iter().take(CANDIDATES_MAX);
        let mut candidates: Vec<_> = named
            .map(|(kind, name)| format!("{}:{name}", kind.word()))
            .collect();
        if let Some(more @ 1..) = found.len().checked_sub(CANDIDATES_MAX) {
            candidates.push(format!("{more} more"));
        }
        StartError::Ambiguous {
            text: self.text.clone(),
            candidates,
        }
    }
}

impl Kind {
    /// Gives what a session has of it.
    pub(super) const fn name(self, visit: &Visit) -> &Name {
        match self {
            Self::User => &visit.user,
            Self::Host => &visit.host,
            Self::Component => &visit.component,
            Self::Session => &visit.session_id,
        }
    }

    /// Gives the node of it that a session has.
    pub(super) fn of(self, visit: &Visit) -> Id {
        Id {
            kind: self,
            name: Name::clone(self.name(visit)),
        }
    }
}

fn last_part(session_id: &str) -> &str {
    session_id.rsplit('-').next().unwrap_or(session_id)
}
