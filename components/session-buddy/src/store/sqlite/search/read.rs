//! Finding sessions, newest first.
//!
//! The index names moments in which a session began that may be meant; each of their sessions is looked at, so what is found
//! is exact. What came or changed since the index was written is looked at as a whole, and takes its place among the others.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row, Statement, params_from_iter, types::Value};
use session_model::{SessionFilter, SessionStatus, search::words};

use super::{
    CROWDED, Moment, TEXTS, Texts, common::without_common, exists, index::waiting, indexed,
    lost::Lost, starts, vocabulary::words_with,
};
use crate::store::{
    Cursor, ListQuery,
    sqlite::{
        reader::Conditions,
        row::{Cell, cell},
    },
};

/// The most sessions behind the index that are looked at as a whole. More wait only where a database from before the index
/// has just been opened, or the writer never has a moment to spare; then the list is walked along instead.
const RECENT_MAX: u64 = 4_096;

/// The most words that are put in the place of the beginning of a word. Each is looked up in a few dozen microseconds.
const WORDS_MAX: usize = 64;

/// The most alternatives of a filter for which the index is asked.
const ALTERNATIVES_MAX: usize = 16;

/// How many of the newest sessions are looked at before the index is asked for a beginning of very many words: most likely
/// enough of them have one.
const LOOK_FIRST: usize = 512;

const NEWEST_FIRST: &str = "ORDER BY start_time DESC, session_id DESC";

/// A session that was found: its place in the order of lists, and in the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store::sqlite) struct Key {
    start_time: String,
    session_id: String,
    /// Its place in the table.
    pub(in crate::store::sqlite) row: i64,
}

/// What is told of each session that is found.
pub(in crate::store::sqlite) type Found<'a> = dyn FnMut(Key) -> ControlFlow<()> + 'a;

/// Finds sessions by words, in one snapshot.
pub(in crate::store::sqlite) struct Finder<'a> {
    snapshot: &'a Connection,
    query: &'a ListQuery,
    candidates: Option<Candidates>,
}

/// What the index is asked for.
struct Candidates {
    /// As FTS5 spells it.
    wanted: String,
    /// Whether looking it up means to read much of the index.
    vague: bool,
    /// The last row that is indexed.
    indexed: i64,
    /// When those began that are asked for, where that is known of few.
    lost: Option<Lost>,
}

/// How far a list was walked along.
enum Walked {
    /// As far as anybody wanted.
    Enough,
    /// Until here.
    Until(Cursor),
}

impl<'a> Finder<'a> {
    /// Looks how to find what is asked for; `None` where a list without words is as good.
    pub(in crate::store::sqlite) fn of(
        snapshot: &'a Connection,
        query: &'a ListQuery,
    ) -> rusqlite::Result<Option<Self>> {
        let candidates = Candidates::of(snapshot, query)?;
        let wanted = query.filter.search.is_some() || candidates.is_some();
        Ok(wanted.then_some(Self {
            snapshot,
            query,
            candidates,
        }))
    }

    /// Tells of each session that matches, newest first, from behind `after` on, until it was enough.
    pub(in crate::store::sqlite) fn walk(
        &self,
        after: Option<&Cursor>,
        found: &mut Found<'_>,
    ) -> rusqlite::Result<()> {
        match &self.candidates {
            None => self.along(after, usize::MAX, found).map(drop),
            Some(candidates) if candidates.vague => match self.along(after, LOOK_FIRST, found)? {
                Walked::Enough => Ok(()),
                Walked::Until(cursor) => self.by_index(candidates, Some(&cursor), found),
            },
            Some(candidates) => self.by_index(candidates, after, found),
        }
    }

    /// Walks along the list.
    fn along(
        &self,
        after: Option<&Cursor>,
        most: usize,
        found: &mut Found<'_>,
    ) -> rusqlite::Result<Walked> {
        let conditions = self.conditions(after);
        let mut statement = self.prepare("FROM sessions", &conditions, NEWEST_FIRST)?;
        let mut rows = statement.query(params_from_iter(conditions.values))?;
        let mut looked_at = 0;
        while let Some(row) = rows.next()? {
            looked_at += 1;
            if let Some(key) = self.look(row)?
                && found(key).is_break()
            {
                return Ok(Walked::Enough);
            }
            if looked_at == most {
                return Ok(Walked::Until(Cursor {
                    start_time: cell(row, 0)?,
                    session_id: row.get(1)?,
                }));
            }
        }
        Ok(Walked::Enough)
    }

    fn by_index(
        &self,
        candidates: &Candidates,
        after: Option<&Cursor>,
        found: &mut Found<'_>,
    ) -> rusqlite::Result<()> {
        const MOMENTS: &str = "
            SELECT rowid FROM session_words WHERE session_words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid DESC";
        let mut recent = self.recent(candidates, after)?.into_iter().peekable();
        let conditions = self.conditions_in_moment(after);
        let mut of_moment = self.prepare("FROM sessions", &conditions, "")?;
        let mut moments = self.snapshot.prepare_cached(MOMENTS)?;
        let [least, most] = starts(&self.query.filter);
        let (oldest, newest) = self.span(after);
        let mut moments = moments.query((&candidates.wanted, oldest.0, newest.0))?;
        while let Some(row) = moments.next()? {
            let moment = Moment(row.get(0)?);
            if candidates
                .lost
                .as_ref()
                .is_some_and(|lost| !lost.has(moment))
            {
                continue;
            }
            let [first, last] = moment.span();
            let place = [
                first.max(least.clone()).into_cell(),
                last.min(most.clone()).into_cell(),
                candidates.indexed.into_cell(),
            ];
            let values = conditions.values.iter().cloned().chain(place);
            let mut keys = self.keys(&mut of_moment, values)?;
            keys.sort_unstable_by(|one, other| other.cmp(one));
            for key in keys {
                while let Some(newer) = recent.next_if(|recent| *recent > key) {
                    if found(newer).is_break() {
                        return Ok(());
                    }
                }
                if found(key).is_break() {
                    return Ok(());
                }
            }
        }
        // The last ones are told in any case; whoever has enough asks for no more.
        let _ = recent.try_for_each(found);
        Ok(())
    }

    /// Looks at what came or changed since the index was written.
    fn recent(
        &self,
        candidates: &Candidates,
        after: Option<&Cursor>,
    ) -> rusqlite::Result<Vec<Key>> {
        const CAME: &str = "FROM sessions NOT INDEXED";
        const CHANGED: &str = "FROM search_changed CROSS JOIN sessions USING (session_id)";
        let mut recent = Vec::new();
        for (from, which) in [
            (CAME, "sessions.rowid > ?"),
            (CHANGED, "sessions.rowid <= ?"),
        ] {
            let mut conditions = self.conditions(after);
            conditions.add(which, [candidates.indexed.into_cell()]);
            let mut statement = self.prepare(from, &conditions, "")?;
            recent.extend(self.keys(&mut statement, conditions.values)?);
        }
        recent.sort_unstable_by(|one, other| other.cmp(one));
        Ok(recent)
    }

    fn conditions(&self, after: Option<&Cursor>) -> Conditions {
        let mut conditions = Conditions::of(&self.query.filter, self.query.now);
        conditions.after(after);
        conditions
    }

    /// The same for the sessions of a moment, of which three values are bound behind the others: the first and the last start,
    /// and the last row. Of what else is said of starts and rows SQLite must not think that it leads to them sooner, which is
    /// what a plus does.
    fn conditions_in_moment(&self, after: Option<&Cursor>) -> Conditions {
        let filter = SessionFilter {
            after: None,
            before: None,
            ..self.query.filter.clone()
        };
        let mut conditions = Conditions::of(&filter, self.query.now);
        conditions.behind("+start_time", after);
        conditions.add(
            "start_time BETWEEN ? AND ? AND +sessions.rowid <= ?
             AND NOT EXISTS (SELECT 1 FROM search_changed WHERE search_changed.session_id = sessions.session_id)",
            [],
        );
        conditions
    }

    fn prepare(
        &self,
        from: &str,
        conditions: &Conditions,
        order: &str,
    ) -> rusqlite::Result<rusqlite::CachedStatement<'a>> {
        self.snapshot.prepare_cached(&format!(
            "SELECT start_time, session_id, sessions.rowid, {TEXTS} {from} {} {order}",
            conditions.clause()
        ))
    }

    fn keys(
        &self,
        statement: &mut Statement<'_>,
        values: impl IntoIterator<Item = Value>,
    ) -> rusqlite::Result<Vec<Key>> {
        let mut rows = statement.query(params_from_iter(values))?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.extend(self.look(row)?);
        }
        Ok(keys)
    }

    /// Looks at a session that fits the filters.
    fn look(&self, row: &Row<'_>) -> rusqlite::Result<Option<Key>> {
        if let Some(search) = &self.query.filter.search
            && !search.finds(&Texts::read(row, 3)?.searched())
        {
            return Ok(None);
        }
        Ok(Some(Key {
            start_time: row.get(0)?,
            session_id: row.get(1)?,
            row: row.get(2)?,
        }))
    }

    /// Gives the oldest and the newest moment in which it may have begun.
    fn span(&self, after: Option<&Cursor>) -> (Moment, Moment) {
        let filter = &self.query.filter;
        let oldest = filter.after.map_or(Moment(i64::MIN), Moment::of);
        let newest = [filter.before, after.map(|after| after.start_time)];
        let newest = newest.into_iter().flatten().min();
        (oldest, newest.map_or(Moment(i64::MAX), Moment::of))
    }
}

impl Candidates {
    /// `None` where the index is of no help: there is none, or too little of it, or few sessions fit the filters anyway.
    fn of(snapshot: &Connection, query: &ListQuery) -> rusqlite::Result<Option<Self>> {
        let filter = &query.filter;
        let active = filter.incomplete || filter.status == [SessionStatus::Active];
        if active || !exists(snapshot)? || waiting(snapshot)? > RECENT_MAX {
            return Ok(None);
        }
        let indexed = indexed(snapshot)?;
        let mut all: Vec<_> = of_filter(&filter.user).into_iter().collect();
        let mut vague = false;
        if let Some(search) = &filter.search {
            let words: Vec<_> = search.words().collect();
            if let Some(beginning) = search.beginning() {
                let begun = words_with(snapshot, beginning, WORDS_MAX)?;
                vague = begun.is_none() && all.is_empty() && words.is_empty();
                all.extend(of_beginning(beginning, begun, vague));
            }
            let telling = match words.len() + all.len() {
                0 | 1 => words.clone(),
                _ => without_common(snapshot, indexed, &words)?,
            };
            let one = words
                .first()
                .filter(|_| telling.is_empty() && all.is_empty());
            all.extend(telling.into_iter().chain(one.copied()).map(quoted));
        }
        if all.is_empty() {
            return Ok(None);
        }
        let lost = Lost::of(snapshot, filter)?;
        if lost.is_none() {
            all.extend(of_filter(&filter.component));
        }
        Ok(Some(Self {
            wanted: format!("({}) OR {}", all.join(" AND "), quoted(CROWDED)),
            vague,
            indexed,
            lost,
        }))
    }
}

/// Gives what to ask for a word of which only the beginning is known; nothing where other words lead to fewer sessions sooner.
fn of_beginning(beginning: &str, words: Option<Vec<String>>, alone: bool) -> Option<String> {
    match words {
        // No session has such a word, unless it is not indexed yet; a word that is nowhere says so.
        Some(words) if words.is_empty() => Some(quoted(beginning)),
        Some(words) => Some(any_of(words.iter().map(|word| quoted(word)))),
        None if alone => Some(format!("{} *", quoted(beginning))),
        None => None,
    }
}

/// Gives what to ask for sessions that pass a filter over a text that is searched, too; `None` where words do not tell.
fn of_filter(alternatives: &[String]) -> Option<String> {
    if alternatives.is_empty() || alternatives.len() > ALTERNATIVES_MAX {
        return None;
    }
    let each = alternatives.iter().map(|text| {
        let words: Vec<_> = words(text).map(|word| quoted(&word)).collect();
        (!words.is_empty()).then(|| format!("({})", words.join(" AND ")))
    });
    let each: Vec<_> = each.collect::<Option<_>>()?;
    Some(any_of(each.into_iter()))
}

fn any_of(alternatives: impl Iterator<Item = String>) -> String {
    format!("({})", alternatives.collect::<Vec<_>>().join(" OR "))
}

/// Spells a word for FTS5; there is no quote in one.
pub(super) fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}
