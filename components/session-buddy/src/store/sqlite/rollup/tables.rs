//! The tables of sums: their statements, and their rows.

use rusqlite::Row;

use super::{Grain, Key};
use crate::analytics::{Aggregate, Tally};

/// The columns of sums, in the order of [`aggregate`].
pub(super) const SUMS: &str =
    "sessions, active, lost, failed, seconds, quality_nanos, last_start, lengths, quarters";
/// How many there are.
pub(super) const SUMS_COUNT: usize = 9;

impl Grain {
    pub(super) const ALL: [Self; 3] = [Self::Quarter, Self::Day, Self::User];

    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Quarter => "rollup_quarters",
            Self::Day => "rollup_days",
            Self::User => "rollup_users",
        }
    }

    /// Gives the column of time.
    pub(super) const fn time(self) -> &'static str {
        match self {
            Self::Quarter => "quarter",
            Self::Day | Self::User => "day",
        }
    }

    /// Gives the columns of its key, in the order of [`Key::values`].
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Quarter => &["quarter", "chain", "series"],
            Self::Day => &["day", "chain", "series"],
            Self::User => &["day", "chain", "series", "user"],
        }
    }

    /// Gives the statement that reads the rows of a span of time, in the order of time.
    pub(super) fn span(self) -> String {
        format!(
            "SELECT {}, {SUMS} FROM {} WHERE {time} >= ?1 AND {time} < ?2 ORDER BY {time}",
            self.keys().join(", "),
            self.table(),
            time = self.time(),
        )
    }

    /// Reads a key from a row that begins with it.
    pub(super) fn key(self, row: &Row<'_>) -> rusqlite::Result<Key> {
        Ok(Key {
            grain: self,
            at: row.get(0)?,
            chain: row.get(1)?,
            series: row.get(2)?,
            user: match self {
                Self::Quarter | Self::Day => 0,
                Self::User => row.get(3)?,
            },
        })
    }
}

impl Key {
    /// Gives the values of its columns.
    pub(super) fn values(&self) -> Vec<i64> {
        let mut values = vec![self.at, self.chain, self.series];
        if self.grain == Grain::User {
            values.push(self.user);
        }
        values
    }
}

/// Reads sums from the column `first` of a row on.
pub(super) fn aggregate(row: &Row<'_>, first: usize) -> rusqlite::Result<Aggregate> {
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
