//! Adding to the index what is new, a slice at a time.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};
use session_model::Timestamp;

use super::{CROWD, CROWDED, Moment, TEXTS, Texts, indexed, last};
use crate::store::sqlite::row::cell;

/// How many sessions are indexed together: enough that FTS5 has few pieces to merge, few enough that a commit behind them
/// waits a few milliseconds.
pub(in crate::store::sqlite) const SLICE: u64 = 256;

/// The same where nobody waits: FTS5 has fewer pieces to merge.
pub(in crate::store::sqlite) const LARGE_SLICE: u64 = 16_384;

/// For as many sessions a page of the index is merged. Merging eight pieces into one at each of the levels that ten million
/// sessions make takes half of that.
const SESSIONS_PER_MERGED_PAGE: u64 = 8;

const MERGE: &str = "INSERT INTO session_words (session_words, rank) VALUES ('merge', ?1)";

/// Empties the index.
pub(in crate::store::sqlite) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "INSERT INTO session_words (session_words) VALUES ('delete-all');
         DELETE FROM search_changed;
         UPDATE search_state SET indexed = 0",
    )
}

/// Counts the sessions that wait to be indexed.
pub(in crate::store::sqlite) fn waiting(connection: &Connection) -> rusqlite::Result<u64> {
    let changed: i64 =
        connection.query_row("SELECT count(*) FROM search_changed", [], |row| row.get(0))?;
    let new = last(connection)? - indexed(connection)?;
    Ok(u64::try_from(new + changed).unwrap_or(0))
}

/// Indexes sessions that wait, at most `slice` that are new and as many that changed. Gives how many.
pub(in crate::store::sqlite) fn index(
    connection: &Connection,
    slice: u64,
) -> rusqlite::Result<u64> {
    let indexing = Indexing {
        connection,
        indexed: indexed(connection)?,
    };
    let changed = indexing.changed(slice)?;
    let new = indexing.add(slice)?;
    let pages = (changed + new).div_ceil(SESSIONS_PER_MERGED_PAGE);
    connection.prepare_cached(MERGE)?.execute([pages])?;
    Ok(changed + new)
}

struct Indexing<'a> {
    connection: &'a Connection,
    indexed: i64,
}

/// In the order of their moments, as FTS5 likes it.
const NEXT_CHANGED: &str = "
    SELECT session_id, search_changed.error_message, start_time, {TEXTS}
      FROM search_changed CROSS JOIN sessions USING (session_id) ORDER BY start_time LIMIT ?1";

const DONE: &str = "DELETE FROM search_changed WHERE session_id = ?1";

const NEXT_NEW: &str =
    "SELECT rowid, start_time, {TEXTS} FROM sessions WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

const REACHED: &str = "UPDATE search_state SET indexed = ?1";

/// With the error text whose words are indexed.
const OF_A_MOMENT: &str = "
    SELECT session_id, search_changed.session_id IS NOT NULL, search_changed.error_message, {TEXTS}
      FROM sessions LEFT JOIN search_changed USING (session_id)
     WHERE start_time BETWEEN ?1 AND ?2 AND sessions.rowid <= ?3";

/// Needs no look at a session: the index on its start has all that it asks for.
const HOW_MANY: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM sessions WHERE start_time BETWEEN ?1 AND ?2 AND rowid <= ?3 LIMIT ?4)";

const ADD: &str = "INSERT INTO session_words (rowid, words) VALUES (?1, ?2)";

const TAKE_AWAY: &str =
    "INSERT INTO session_words (session_words, rowid, words) VALUES ('delete', ?1, ?2)";

fn with_texts(sql: &str) -> String {
    sql.replace("{TEXTS}", TEXTS)
}

impl Indexing<'_> {
    /// Exchanges the words of errors that are not the last ones any more.
    fn changed(&self, slice: u64) -> rusqlite::Result<u64> {
        let mut next = self.connection.prepare_cached(&with_texts(NEXT_CHANGED))?;
        let changed = next
            .query_map([slice], |row| {
                let moment = Moment::of(cell::<Timestamp>(row, 2)?);
                Ok(Changed {
                    id: row.get(0)?,
                    before: row.get(1)?,
                    moment,
                    texts: Texts::read(row, 3)?,
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for changed in &changed {
            self.change(changed)?;
            self.connection
                .prepare_cached(DONE)?
                .execute([&changed.id])?;
        }
        Ok(changed.len() as u64)
    }

    fn change(&self, changed: &Changed) -> rusqlite::Result<()> {
        let moment = changed.moment;
        if self.how_many(moment)? > CROWD {
            return Ok(());
        }
        let others = self.words_of(moment, Some(&changed.id))?;
        let before = changed.texts.words_with(changed.before.as_deref());
        let now = changed.texts.searched().words();
        let not_of_others = |word: &&String| !others.contains(*word);
        let old: Vec<_> = before.difference(&now).filter(not_of_others).collect();
        let new: Vec<_> = now.difference(&before).filter(not_of_others).collect();
        // Both, also where there is nothing to add: FTS5 counts rows, and takes fewer than none for damage.
        self.write(TAKE_AWAY, moment, old)?;
        self.write(ADD, moment, new)
    }

    /// Adds the words of those that came since.
    fn add(&self, slice: u64) -> rusqlite::Result<u64> {
        let mut next = self.connection.prepare_cached(&with_texts(NEXT_NEW))?;
        let mut rows = next.query(params![self.indexed, slice])?;
        let mut moments: BTreeMap<Moment, Begun> = BTreeMap::new();
        let (mut reached, mut count) = (self.indexed, 0);
        while let Some(row) = rows.next()? {
            reached = row.get(0)?;
            let begun = moments.entry(Moment::of(cell(row, 1)?)).or_default();
            begun.sessions += 1;
            if begun.sessions <= CROWD {
                let texts = Texts::read(row, 2)?;
                texts.searched().add_words_to(&mut begun.words);
            }
            count += 1;
        }
        for (moment, begun) in moments {
            self.begun(moment, &begun)?;
        }
        if count > 0 {
            self.connection
                .prepare_cached(REACHED)?
                .execute([reached])?;
        }
        Ok(count)
    }

    fn begun(&self, moment: Moment, begun: &Begun) -> rusqlite::Result<()> {
        let there = self.how_many(moment)?;
        if there > CROWD {
            return Ok(());
        }
        let before = match there {
            0 => BTreeSet::new(),
            _ => self.words_of(moment, None)?,
        };
        if there + begun.sessions > CROWD {
            if there > 0 {
                self.write(TAKE_AWAY, moment, &before)?;
            }
            return self.write(ADD, moment, [CROWDED]);
        }
        self.write(ADD, moment, begun.words.difference(&before))
    }

    /// Counts the sessions of a moment that are indexed, as far as it matters.
    fn how_many(&self, moment: Moment) -> rusqlite::Result<usize> {
        let [first, last] = moment.span();
        self.connection
            .prepare_cached(HOW_MANY)?
            .query_row(params![first, last, self.indexed, CROWD + 1], |row| {
                row.get(0)
            })
    }

    /// Gives the words that are indexed of the sessions of a moment, but for one of them.
    fn words_of(&self, moment: Moment, but: Option<&str>) -> rusqlite::Result<BTreeSet<String>> {
        let [first, last] = moment.span();
        let mut statement = self.connection.prepare_cached(&with_texts(OF_A_MOMENT))?;
        let mut rows = statement.query(params![first, last, self.indexed])?;
        let mut words = BTreeSet::new();
        while let Some(row) = rows.next()? {
            if Some(row.get_ref(0)?.as_str()?) != but {
                words.append(&mut indexed_words(row, 1)?);
            }
        }
        Ok(words)
    }

    /// Adds entries, or takes them away.
    fn write(
        &self,
        sql: &str,
        moment: Moment,
        words: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> rusqlite::Result<()> {
        let mut text = String::new();
        for word in words {
            text.push_str(word.as_ref());
            text.push(' ');
        }
        self.connection
            .prepare_cached(sql)?
            .execute(params![moment.0, text])
            .map(drop)
    }
}

/// A session whose error text changed since it was indexed.
struct Changed {
    id: String,
    before: Option<String>,
    moment: Moment,
    texts: Texts,
}

/// Sessions of one moment that came since.
#[derive(Default)]
struct Begun {
    sessions: usize,
    words: BTreeSet<String>,
}

/// Reads the words of a session that are indexed, from three things on: whether its error text changed since, the one that it
/// had then, its texts.
pub(super) fn indexed_words(row: &Row<'_>, first: usize) -> rusqlite::Result<BTreeSet<String>> {
    let texts = Texts::read(row, first + 2)?;
    if row.get(first)? {
        let then: Option<String> = row.get(first + 1)?;
        Ok(texts.words_with(then.as_deref()))
    } else {
        Ok(texts.searched().words())
    }
}
