//! What was found, the best first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};

use super::{
    Found, Hit, Index,
    collect::{Collector, Matched, Other, Stats},
    document::FIELDS,
    terms::{TermKind, Terms},
};
use crate::{history::Name, words};

/// How soon a word that stands there again counts no more, and how much a long text loses: the values that BM25 has had since
/// TREC-3, where they were found.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// A hit whose score is not yet a share.
struct Scored {
    mask: u64,
    hit: Hit,
}

/// Puts what several servers gave into one order.
pub(super) fn rank(terms: &Terms, mut collectors: Vec<Collector<'_>>, limit: usize) -> Found {
    let vocabulary: HashSet<Name> = collectors
        .iter_mut()
        .flat_map(|collector| std::mem::take(&mut collector.vocabulary))
        .collect();
    let (others, of_others) = others(terms, &mut collectors);
    let (sessions, of_sessions) = sessions(terms, collectors);
    let mut scored = others;
    scored.extend(sessions);
    let having = of_sessions.having.iter().zip(&of_others.having);
    let is_nowhere: Vec<bool> = having.map(|(one, other)| one + other == 0).collect();
    let all = u64::MAX >> (64 - terms.wanted.len());
    let has_all = scored.iter().any(|scored| scored.mask == all);
    if has_all {
        scored.retain(|scored| scored.mask == all);
    }
    let mut hits = shares(scored);
    hits.sort_by(|one, other| {
        let newest = |hit: &Hit| (hit.kind, Reverse(hit.last_seen), Name::clone(&hit.name));
        let by_score = other.score.total_cmp(&one.score);
        by_score.then_with(|| {
            place(one.kind)
                .cmp(&place(other.kind))
                .then_with(|| newest(one).cmp(&newest(other)))
        })
    });
    let matching = hits.len();
    hits.truncate(limit);
    Found {
        only_some_words: !has_all && matching > 0,
        hits,
        matching,
        meant: meant(terms, &is_nowhere, &vocabulary),
        asked: Vec::new(),
    }
}

fn place(kind: Index) -> Option<usize> {
    Index::ALL.iter().position(|other| *other == kind)
}

/// Scores the sessions, each once.
fn sessions(terms: &Terms, collectors: Vec<Collector<'_>>) -> (Vec<Scored>, Stats) {
    let mut stats = Stats::of(terms);
    collectors
        .iter()
        .for_each(|collector| stats.add(&collector.stats));
    let mut seen = HashSet::new();
    let mut scored = Vec::new();
    for collector in collectors {
        for session in collector.sessions {
            if !seen.insert(Name::clone(&session.id)) {
                continue;
            }
            scored.push(Scored {
                mask: session.matched.mask,
                hit: Hit {
                    kind: Index::Sessions,
                    score: score(&session.matched, &stats),
                    fields: session.matched.fields,
                    snippet: session.matched.snippet,
                    sessions: 1,
                    last_seen: session.start,
                    name: session.id,
                    server: Name::clone(&collector.server),
                },
            });
        }
    }
    (scored, stats)
}

/// Scores people, hosts and so on, whose texts are put together from all servers.
fn others(terms: &Terms, collectors: &mut [Collector<'_>]) -> (Vec<Scored>, Stats) {
    let mut all: HashMap<(Index, Name), (Other, Name)> = HashMap::new();
    for collector in collectors {
        for (key, other) in std::mem::take(&mut collector.others) {
            match all.get_mut(&key) {
                Some((known, _)) => known.merge(other),
                None => {
                    all.insert(key, (other, Name::clone(&collector.server)));
                }
            }
        }
    }
    let mut stats: BTreeMap<Index, Stats> = BTreeMap::new();
    let mut matching = Vec::new();
    for ((kind, name), (mut other, server)) in all {
        let stats = stats.entry(kind).or_insert_with(|| Stats::of(terms));
        let matched = stats.look(terms, &other.texts(kind, &name));
        other.sessions.sort_unstable();
        other.sessions.dedup();
        let Some((matched, last_seen)) = matched.zip(other.last_seen) else {
            continue;
        };
        let hit = Hit {
            kind,
            name,
            score: 0.0,
            fields: matched.fields.clone(),
            snippet: matched.snippet.clone(),
            sessions: other.sessions.len(),
            last_seen,
            server,
        };
        matching.push((hit, matched));
    }
    let scored = matching.into_iter().map(|(hit, matched)| Scored {
        mask: matched.mask,
        hit: Hit {
            score: score(&matched, &stats[&hit.kind]),
            ..hit
        },
    });
    let scored = scored.collect();
    let mut together = Stats::of(terms);
    stats.values().for_each(|stats| together.add(stats));
    (scored, together)
}

/// Gives the score of BM25F: the times of a term in all fields together, each by its weight and length.
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 sessions")]
fn score(matched: &Matched, stats: &Stats) -> f64 {
    let count = stats.documents.max(1) as f64;
    let mut of_term: BTreeMap<usize, f64> = BTreeMap::new();
    for place in &matched.places {
        let mean = (stats.words[place.field] as f64 / count).max(1.0);
        let length = 1.0 - B + B * f64::from(place.words) / mean;
        let times = place.times / length * FIELDS[place.field].weight;
        *of_term.entry(place.term).or_default() += times;
    }
    let of_term = of_term.into_iter().map(|(term, times)| {
        let having = stats.having[term] as f64;
        let rare = (1.0 + (count - having + 0.5) / (having + 0.5)).ln();
        rare * times / (K1 + times)
    });
    of_term.sum()
}

/// Makes scores shares of the best of their kind.
fn shares(scored: Vec<Scored>) -> Vec<Hit> {
    let mut best: BTreeMap<Index, f64> = BTreeMap::new();
    for Scored { hit, .. } in &scored {
        let best = best.entry(hit.kind).or_default();
        *best = best.max(hit.score);
    }
    let share = |hit: Hit| Hit {
        score: hit.score / best[&hit.kind].max(f64::MIN_POSITIVE),
        ..hit
    };
    scored.into_iter().map(|scored| share(scored.hit)).collect()
}

/// Finds what was probably meant by words that are nowhere.
fn meant(terms: &Terms, is_nowhere: &[bool], vocabulary: &HashSet<Name>) -> Vec<(String, String)> {
    let nowhere = terms.wanted.iter().zip(is_nowhere);
    let nowhere = nowhere.filter(|(term, nowhere)| **nowhere && term.kind == TermKind::Word);
    let mut names: Vec<_> = vocabulary.iter().map(|name| &**name).collect();
    names.sort_unstable();
    let meant = nowhere.filter_map(|(term, _)| {
        let meant = words::meant(&term.text, names.iter().copied())?;
        Some((term.text.clone(), meant.to_owned()))
    });
    meant.collect()
}
