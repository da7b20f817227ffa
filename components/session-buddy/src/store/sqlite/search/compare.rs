//! The index as a whole, compared with the sessions.
//!
//! Entries stand by word in the index and by moment in the sessions. So each side is boiled down to a number for each day:
//! the sum of the hashes of its entries, whose order does not matter.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use rusqlite::Connection;

use super::{
    CROWD, CROWDED, Moment, TEXTS, index::indexed_words, indexed, vocabulary::make_vocabulary,
};
use crate::{
    analytics::date,
    store::sqlite::{row::cell, verify::VerifyError},
};

const MOMENTS_PER_DAY: i64 = 24 * 60 * 60 * 1_000;

/// How the places of its differences begin.
pub(in crate::store::sqlite) const PLACE: &str = "search index";

/// Compares the index with the sessions. Gives how many entries it has.
pub(in crate::store::sqlite) fn compare(snapshot: &Connection) -> Result<u64, VerifyError> {
    let (found, entries) = of_index(snapshot)?;
    let expected = of_sessions(snapshot)?;
    let days: BTreeSet<_> = found.0.keys().chain(expected.0.keys()).collect();
    for day in days {
        if found.0.get(day) != expected.0.get(day) {
            return Err(VerifyError::Difference {
                place: format!("{PLACE}, {}", date(*day)),
                what: "its words are not those of the sessions that began then".to_owned(),
            });
        }
    }
    Ok(entries)
}

/// What the entries of each day come to.
#[derive(Default)]
struct Days(BTreeMap<i64, u64>);

impl Days {
    fn add(&mut self, word: &str, moment: Moment) {
        let mut hasher = DefaultHasher::new();
        (word, moment.0).hash(&mut hasher);
        let day = moment.0.div_euclid(MOMENTS_PER_DAY);
        let sum = self.0.entry(day).or_default();
        *sum = sum.wrapping_add(hasher.finish());
    }
}

fn of_index(snapshot: &Connection) -> rusqlite::Result<(Days, u64)> {
    make_vocabulary(snapshot)?;
    let mut statement = snapshot.prepare("SELECT term, doc FROM temp.session_vocabulary")?;
    let mut rows = statement.query([])?;
    let (mut days, mut entries) = (Days::default(), 0);
    while let Some(row) = rows.next()? {
        days.add(row.get_ref(0)?.as_str()?, Moment(row.get(1)?));
        entries += 1;
    }
    Ok((days, entries))
}

fn of_sessions(snapshot: &Connection) -> rusqlite::Result<Days> {
    // Uses `sessions_by_start`.
    let sql = format!(
        "SELECT start_time, search_changed.session_id IS NOT NULL, search_changed.error_message, {TEXTS}
           FROM sessions LEFT JOIN search_changed USING (session_id)
          WHERE sessions.rowid <= ?1 ORDER BY start_time"
    );
    let mut statement = snapshot.prepare(&sql)?;
    let mut rows = statement.query([indexed(snapshot)?])?;
    let mut days = Days::default();
    let (mut moment, mut sessions, mut words) = (Moment(i64::MIN), 0, BTreeSet::new());
    while let Some(row) = rows.next()? {
        let of_row = Moment::of(cell(row, 0)?);
        if of_row != moment {
            add_moment(&mut days, moment, sessions, &std::mem::take(&mut words));
            (moment, sessions) = (of_row, 0);
        }
        sessions += 1;
        if sessions <= CROWD {
            words.append(&mut indexed_words(row, 1)?);
        }
    }
    add_moment(&mut days, moment, sessions, &words);
    Ok(days)
}

fn add_moment(days: &mut Days, moment: Moment, sessions: usize, words: &BTreeSet<String>) {
    if sessions > CROWD {
        days.add(CROWDED, moment);
    } else {
        words.iter().for_each(|word| days.add(word, moment));
    }
}
