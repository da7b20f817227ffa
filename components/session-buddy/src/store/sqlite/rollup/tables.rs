//! The tables of sums by quarter and by day: their statements, and their rows.

use rusqlite::Row;

use super::{Grain, Key};
use crate::analytics::{Aggregate, Tally};

/// The columns of sums, in the order of [`aggregate`].
pub(super) const SUMS: &str =
    "sessions, active, lost, failed, seconds, quality_nanos, last_start, lengths, quarters";
/// How many there are.
pub(super) const SUMS_COUNT: usize = 9;
/// The first of them behind the key.
pub(super) const SUMS_AT: usize = 3;

impl Grain {
    pub(super) const ALL: [Self; 2] = [Self::Quarter, Self::Day];

    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Quarter => "rollup_quarters",
            Self::Day => "rollup_days",
        }
    }

    /// Gives the column of time.
    pub(super) const fn time(self) -> &'static str {
        match self {
            Self::Quarter => "quarter",
            Self::Day => "day",
        }
    }

    /// Gives the statement that reads the rows of a span of time, in the order of time.
    pub(super) fn span(self) -> String {
        let (table, time) = (self.table(), self.time());
        format!(
            "SELECT {time}, chain, series, {SUMS} FROM {table} WHERE {time} >= ?1 AND {time} < ?2 ORDER BY {time}"
        )
    }

    /// Reads a key from a row that begins with it.
    pub(super) fn key(self, row: &Row<'_>) -> rusqlite::Result<Key> {
        Ok(Key {
            grain: self,
            at: row.get(0)?,
            chain: row.get(1)?,
            series: row.get(2)?,
        })
    }
}

/// Reads the sums of a row that begins with a key.
pub(super) fn aggregate(row: &Row<'_>) -> rusqlite::Result<Aggregate> {
    let first = SUMS_AT;
    Ok(Aggregate {
        sessions: row.get(first)?,
        active: row.get(first + 1)?,
        lost: row.get(first + 2)?,
        failed: row.get(first + 3)?,
        seconds: row.get(first + 4)?,
        quality_nanos: row.get(first + 5)?,
        last_start: row.get(first + 6)?,
        lengths: tally(row, first + 7)?,
        quarters: tally(row, first + 8)?,
    })
}

fn tally(row: &Row<'_>, column: usize) -> rusqlite::Result<Tally> {
    let bytes = row.get_ref(column)?.as_blob()?;
    Tally::from_bytes(bytes).ok_or_else(|| not_counts(column))
}

pub(super) fn not_counts(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        rusqlite::types::Type::Blob,
        "it holds no counts; `session-buddy verify` says more".into(),
    )
}
