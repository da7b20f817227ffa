//! What is remembered of the sessions of a server while they are read.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use session_model::Timestamp;

use super::{
    Index,
    document::{ADDRESS, COMPONENT, Document, ERROR, FIELDS, HOST, LOGIN, PROJECT, Texts, USER},
    terms::{Term, TermKind, Terms},
    text,
};
use crate::history::{Name, Names};

/// How many names of a field are remembered of a person, a host and so on: those who have more are found by the others.
const NAMES_MAX: usize = 200;
/// What the beginning of a word counts, of a whole one.
const BEGINNING: f64 = 0.5;
/// The fields of people, hosts and so on.
const SHARED: [usize; 6] = [COMPONENT, USER, HOST, PROJECT, LOGIN, ADDRESS];

/// What is remembered.
pub(super) struct Collector<'a> {
    terms: &'a Terms,
    kinds: BTreeSet<Index>,
    pub(super) server: Name,
    names: Names,
    pub(super) stats: Stats,
    pub(super) sessions: Vec<SessionMatch>,
    pub(super) others: HashMap<(Index, Name), Other>,
    /// Names, for what was probably meant.
    pub(super) vocabulary: HashSet<Name>,
}

/// What is known of all texts that were looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Stats {
    pub(super) documents: usize,
    /// How many words all have in each field.
    pub(super) words: [u64; FIELDS.len()],
    /// How many have a term.
    pub(super) having: Vec<usize>,
}

/// A session that has at least one term.
pub(super) struct SessionMatch {
    pub(super) id: Name,
    pub(super) start: Timestamp,
    pub(super) matched: Matched,
}

/// A person, a host, and so on.
#[derive(Default)]
pub(super) struct Other {
    /// Its sessions, as hashes of their ids: two servers may know the same one.
    pub(super) sessions: Vec<u64>,
    pub(super) last_seen: Option<Timestamp>,
    /// The names that its sessions have in [`SHARED`].
    names: [BTreeSet<Name>; SHARED.len()],
}

/// What a text has of a query.
pub(super) struct Matched {
    /// A bit for each term that is there.
    pub(super) mask: u64,
    pub(super) places: Vec<Place>,
    /// The names of the fields that are shown.
    pub(super) fields: String,
    /// The texts there.
    pub(super) snippet: String,
}

/// A term in a field.
pub(super) struct Place {
    pub(super) term: usize,
    pub(super) field: usize,
    /// How often it stands there.
    pub(super) times: f64,
    /// How many words the field has.
    pub(super) words: u32,
}

impl<'a> Collector<'a> {
    pub(super) fn new(terms: &'a Terms, kinds: &[Index], server: &str) -> Self {
        let mut names = Names::default();
        Self {
            terms,
            kinds: kinds.iter().copied().collect(),
            server: names.get(server),
            names,
            stats: Stats::of(terms),
            sessions: Vec::new(),
            others: HashMap::new(),
            vocabulary: HashSet::new(),
        }
    }

    pub(super) fn take(&mut self, document: Document) {
        if self.kinds.contains(&Index::Sessions) {
            let matched = self.stats.look(self.terms, &document.texts());
            if let Some(matched) = matched {
                self.sessions.push(SessionMatch {
                    id: document.session_id.as_str().into(),
                    start: document.start_time,
                    matched,
                });
            }
        }
        self.take_names(&document);
    }

    fn take_names(&mut self, document: &Document) {
        let texts = document.texts();
        let shared = SHARED.map(|place| {
            let text = Some(&*texts[place]).filter(|text| !text.is_empty());
            self.names.get_some(text)
        });
        for name in shared.iter().flatten() {
            if !self.vocabulary.contains(name) {
                self.vocabulary.insert(Name::clone(name));
            }
        }
        let mut hasher = DefaultHasher::new();
        document.session_id.hash(&mut hasher);
        let session = hasher.finish();
        for kind in &self.kinds {
            let Some(place) = kind.own_field() else {
                continue;
            };
            if texts[place].is_empty() {
                continue;
            }
            let name = self.names.get(&texts[place]);
            let other = self.others.entry((*kind, name)).or_default();
            other.add(session, document.start_time, &shared);
        }
    }
}

impl Index {
    /// Gives the field in which its name stands; sessions have all.
    pub(super) const fn own_field(self) -> Option<usize> {
        match self {
            Self::Sessions => None,
            Self::Errors => Some(ERROR),
            Self::Users => Some(USER),
            Self::Hosts => Some(HOST),
            Self::Components => Some(COMPONENT),
            Self::Projects => Some(PROJECT),
        }
    }
}

impl Other {
    fn add(&mut self, session: u64, start: Timestamp, shared: &[Option<Name>; SHARED.len()]) {
        self.sessions.push(session);
        self.last_seen = self.last_seen.max(Some(start));
        for (known, name) in self.names.iter_mut().zip(shared) {
            if let Some(name) = name
                && known.len() < NAMES_MAX
                && !known.contains(name)
            {
                known.insert(Name::clone(name));
            }
        }
    }

    /// Takes in what another server knows of it.
    pub(super) fn merge(&mut self, other: Self) {
        self.sessions.extend(other.sessions);
        self.last_seen = self.last_seen.max(other.last_seen);
        for (known, names) in self.names.iter_mut().zip(other.names) {
            known.extend(names);
        }
    }

    /// Gives its texts; its own name is the only one in its own field.
    pub(super) fn texts(&self, kind: Index, name: &Name) -> Texts<'_> {
        let mut texts = Texts::default();
        for (place, names) in SHARED.into_iter().zip(&self.names) {
            let names: Vec<_> = names.iter().map(|name| &**name).collect();
            texts[place] = names.join(", ").into();
        }
        if let Some(own) = kind.own_field() {
            texts[own] = name.to_string().into();
        }
        texts
    }
}

impl Stats {
    pub(super) fn of(terms: &Terms) -> Self {
        Self {
            having: vec![0; terms.wanted.len()],
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        let words = self.words.iter_mut().zip(other.words);
        words.for_each(|(words, more)| *words += more);
        let having = self.having.iter_mut().zip(&other.having);
        having.for_each(|(having, more)| *having += more);
    }

    /// Looks for the terms in a document, and counts it; gives what it has, unless that is nothing, or what must not be there.
    pub(super) fn look(&mut self, terms: &Terms, texts: &Texts<'_>) -> Option<Matched> {
        self.documents += 1;
        let (mut mask, mut places) = (0, Vec::new());
        for (field, text) in texts
            .iter()
            .enumerate()
            .filter(|(_, text)| !text.is_empty())
        {
            let (times, words) = times(&terms.wanted, field, text);
            self.words[field] += u64::from(words);
            for (term, times) in times.into_iter().filter(|(_, times)| *times > 0.0) {
                mask |= 1 << term;
                places.push(Place {
                    term,
                    field,
                    times,
                    words,
                });
            }
        }
        for (term, having) in self.having.iter_mut().enumerate() {
            *having += usize::from(mask & (1 << term) != 0);
        }
        let is_unwanted = |(field, text): (usize, &std::borrow::Cow<'_, str>)| {
            let (times, _) = times(&terms.unwanted, field, text);
            times.into_iter().any(|(_, times)| times > 0.0)
        };
        if mask == 0 || texts.iter().enumerate().any(is_unwanted) {
            return None;
        }
        let shown = shown_fields(&places);
        let snippet = |field: &usize| {
            let here = places.iter().filter(|place| place.field == *field);
            let found: Vec<_> = here.map(|place| &*terms.wanted[place.term].text).collect();
            text::snippet(&texts[*field], &found)
        };
        Some(Matched {
            mask,
            fields: joined(shown.iter().map(|field| FIELDS[*field].name)),
            snippet: shown.iter().map(snippet).collect::<Vec<_>>().join(" · "),
            places,
        })
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Gives the fields that together show every term: that with most terms first, and of those alike the one that says most.
fn shown_fields(places: &[Place]) -> Vec<usize> {
    let mut shown = Vec::new();
    let mut left: BTreeSet<usize> = places.iter().map(|place| place.term).collect();
    while !left.is_empty() {
        let here = |field: usize| {
            let here = places.iter().filter(|place| place.field == field);
            here.filter(|place| left.contains(&place.term)).count()
        };
        let best = places.iter().map(|place| place.field).max_by(|one, other| {
            let weight = |field: usize| FIELDS[field].weight;
            let by_count = here(*one).cmp(&here(*other));
            by_count
                .then(weight(*one).total_cmp(&weight(*other)))
                .then(other.cmp(one))
        });
        let Some(best) = best else { break };
        let covered = places.iter().filter(|place| place.field == best);
        covered.for_each(|place| {
            left.remove(&place.term);
        });
        shown.push(best);
    }
    shown
}

/// Tells how often each term stands in a field, and how many words that has.
fn times(terms: &[Term], field: usize, text: &str) -> (Vec<(usize, f64)>, u32) {
    let is_here = |term: &Term| term.field.is_none_or(|wanted| wanted == field);
    let mut times: Vec<(usize, f64)> = Vec::with_capacity(terms.len());
    let lower = terms
        .iter()
        .any(|term| term.kind == TermKind::Phrase && is_here(term))
        .then(|| text.to_lowercase());
    for (place, term) in terms.iter().enumerate().filter(|(_, term)| is_here(term)) {
        let count = match (&lower, term.kind) {
            (Some(lower), TermKind::Phrase) => lower.matches(&*term.text).count(),
            _ => 0,
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a text has fewer than 2^52 parts"
        )]
        times.push((place, count as f64));
    }
    let mut words = 0;
    text::tokens(text, |word| {
        words += 1;
        for (place, times) in &mut times {
            let term = &terms[*place];
            if term.kind == TermKind::Word && word.starts_with(&*term.text) {
                *times += if word.len() == term.text.len() {
                    1.0
                } else {
                    BEGINNING
                };
            }
        }
    });
    (times, words)
}
