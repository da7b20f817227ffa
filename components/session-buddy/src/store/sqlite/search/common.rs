//! Words that hardly tell sessions apart.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use session_model::Timestamp;

use super::{Moment, read::quoted};
use crate::store::sqlite::row::cell;

/// How many of the newest moments are looked at: that a word of every sixth session, such as a component, stands in half of so
/// many happens once in 10^9 times, where each has one session (binomial).
const SAMPLE: usize = 64;

/// How many sessions they may have. With more to a moment it says little of one of them.
const SESSIONS_MOST: usize = 2 * SAMPLE;

const NEWEST: &str = "
    SELECT start_time FROM sessions WHERE rowid <= ?1 ORDER BY start_time DESC LIMIT ?2";

const WITH_WORD: &str = "
    SELECT count(*) FROM (
        SELECT rowid FROM session_words WHERE session_words MATCH ?1 AND rowid >= ?2 ORDER BY rowid DESC LIMIT ?3)";

/// Leaves out the words that most of the newest sessions have: to find where two words stand together FTS5 reads all entries of
/// both, and of a word that is everywhere there are millions. Each session that is found without it is looked at all the same.
pub(super) fn without_common<'a>(
    snapshot: &Connection,
    indexed: i64,
    words: &[&'a str],
) -> rusqlite::Result<Vec<&'a str>> {
    let mut newest = snapshot.prepare_cached(NEWEST)?;
    let mut newest = newest.query(params![indexed, SESSIONS_MOST])?;
    let mut moments = BTreeSet::new();
    while let Some(row) = newest.next()? {
        moments.insert(Moment::of(cell::<Timestamp>(row, 0)?));
        if moments.len() == SAMPLE {
            break;
        }
    }
    let Some(oldest) = moments.first().filter(|_| moments.len() == SAMPLE) else {
        return Ok(words.to_vec());
    };
    let mut with_word = snapshot.prepare_cached(WITH_WORD)?;
    let mut telling = Vec::new();
    for word in words {
        let count: usize = with_word
            .query_row(params![quoted(word), oldest.0, moments.len()], |row| {
                row.get(0)
            })?;
        if count * 2 < moments.len() {
            telling.push(*word);
        }
    }
    Ok(telling)
}
