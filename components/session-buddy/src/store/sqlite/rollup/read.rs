//! Answers to questions, from the coarsest sums that fit: of a span of time the whole days, then whole quarters, and what
//! is left from the sessions themselves. What the journal has is added. The answer is as if every session had been looked at.

mod buckets;
mod totals;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
};

use rusqlite::Connection;
use session_model::Timestamp;

use super::{
    BlockKey, Change, DAY_MICROS, journal, names,
    tables::not_counts,
    users::{self, Member, UserSums, block_of},
};
use crate::{
    analytics::{Facts, Findings, QUARTER_MICROS, QUARTERS_PER_DAY, Question, Scope, Wanted},
    store::sqlite::row::cell,
};

/// Answers a question, all of it as of one moment.
pub(in crate::store::sqlite) fn analyze(
    connection: &Connection,
    question: &Question,
) -> rusqlite::Result<Findings> {
    let snapshot = connection.unchecked_transaction()?;
    if !super::exist(&snapshot)? {
        let problem = "it was written by an older server and has no sums yet; start a server once";
        return Err(rusqlite::Error::ToSqlConversionFailure(problem.into()));
    }
    let asked = Asked::of(&snapshot, &question.scope)?;
    match &question.wanted {
        Wanted::Totals => asked.totals(false).map(Findings::Totals),
        Wanted::Errors => asked.totals(true).map(Findings::Totals),
        Wanted::Starts(calendar) => asked.starts(calendar).map(Findings::Buckets),
        Wanted::Users(calendar) => asked.unique_users(calendar).map(Findings::Buckets),
    }
}

/// A question about sessions, with names as the tables have them.
struct Asked<'a> {
    snapshot: &'a Connection,
    scope: &'a Scope,
    /// The series that count, and their components.
    series: HashMap<i64, String>,
    /// The users that count; `None` for all.
    users: Option<HashSet<i64>>,
    /// From when to before when, in microseconds.
    span: Range<i64>,
    /// What the journal has of those in that span.
    waiting: Vec<Change>,
}

impl<'a> Asked<'a> {
    fn of(snapshot: &'a Connection, scope: &'a Scope) -> rusqlite::Result<Self> {
        let among = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        let series = names::all_series(snapshot)?
            .into_iter()
            .filter(|(_, (component, session_type))| {
                among(&scope.components, component) && among(&scope.session_types, session_type)
            })
            .map(|(series, (component, _))| (series, component))
            .collect();
        let users = if scope.users.is_empty() {
            None
        } else {
            let keys = scope
                .users
                .iter()
                .map(|user| names::user_of(snapshot, user));
            let keys = keys.collect::<rusqlite::Result<Vec<_>>>()?;
            Some(keys.into_iter().flatten().collect())
        };
        let mut asked = Self {
            snapshot,
            scope,
            series,
            users,
            span: span(scope),
            waiting: Vec::new(),
        };
        let mut waiting = journal::read(snapshot)?;
        waiting.retain(|change| {
            asked.span.contains(&change.start)
                && asked.series.contains_key(&change.series)
                && asked.has_user(change.user)
        });
        asked.waiting = waiting;
        Ok(asked)
    }

    fn has_user(&self, user: i64) -> bool {
        self.users
            .as_ref()
            .is_none_or(|users| users.contains(&user))
    }

    /// Visits the sums of whole days of those users that were asked for. The journal is left out.
    fn users(
        &self,
        asked: &HashSet<i64>,
        days: &Range<i64>,
        mut each: impl FnMut(i64, Member, UserSums),
    ) -> rusqlite::Result<()> {
        let mut blocks = BTreeMap::<_, HashSet<i64>>::new();
        for user in asked {
            blocks.entry(block_of(*user)).or_default().insert(*user);
        }
        let mut statement = self.snapshot.prepare_cached(USERS)?;
        for (block, users) in blocks {
            let mut rows = statement.query([block, days.start, days.end])?;
            while let Some(row) = rows.next()? {
                let key = BlockKey {
                    day: row.get(0)?,
                    block,
                    chain: row.get(1)?,
                };
                let wanted = |member: Member| {
                    users.contains(&member.user) && self.series.contains_key(&member.series)
                };
                let bytes = row.get_ref(2)?.as_blob()?;
                users::members(key, bytes, wanted, |member, sums| {
                    each(key.day, member, sums)
                })
                .ok_or_else(|| not_counts(2))?;
            }
        }
        Ok(())
    }

    /// Visits the sessions that began in a span and count.
    fn sessions(&self, span: &Range<i64>, mut each: impl FnMut(&Facts)) -> rusqlite::Result<()> {
        if span.is_empty() {
            return Ok(());
        }
        let mut statement = self.snapshot.prepare_cached(SESSIONS)?;
        let mut rows = statement.query([time(span.start), time(span.end)])?;
        while let Some(row) = rows.next()? {
            let facts = facts(row)?;
            if self.scope.has(&facts) {
                each(&facts);
            }
        }
        Ok(())
    }
}

/// Looks up the one block of each day, which is less than to read them all.
const USERS: &str = "
    SELECT rollup_users.day, chain, members
      FROM (SELECT DISTINCT day FROM rollup_days WHERE day >= ?2 AND day < ?3) AS days
     CROSS JOIN rollup_users ON rollup_users.day = days.day AND block = ?1";

/// The columns that [`facts`] reads.
pub(super) const FACTS: &str = "
    start_time, component_name, session_type, username, status, duration_seconds, quality_score, error_occurred,
    error_message";

/// Uses `sessions_by_start`.
const SESSIONS: &str = "
    SELECT start_time, component_name, session_type, username, status, duration_seconds, quality_score, error_occurred,
           error_message
      FROM sessions WHERE start_time >= ?1 AND start_time < ?2";

/// Reads what counts of a session from a row that begins with [`FACTS`].
pub(in crate::store::sqlite) fn facts(row: &rusqlite::Row<'_>) -> rusqlite::Result<Facts> {
    Ok(Facts {
        start_time: cell(row, 0)?,
        component_name: row.get(1)?,
        session_type: row.get(2)?,
        username: row.get(3)?,
        status: cell(row, 4)?,
        seconds: row.get(5)?,
        quality: row.get(6)?,
        failed: row.get(7)?,
        error: row.get(8)?,
    })
}

/// Writes an instant as column `start_time` has it; what lies outside its bounds is at them.
fn time(micros: i64) -> String {
    let instant = jiff::Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    Timestamp::saturating_from(instant).to_string()
}

fn span(scope: &Scope) -> Range<i64> {
    let first = Timestamp::saturating_from(jiff::Timestamp::MIN).as_micros();
    // The last instant counts too.
    let end = Timestamp::saturating_from(jiff::Timestamp::MAX).as_micros() + 1;
    let micros = |at: Option<Timestamp>, open| at.map_or(open, Timestamp::as_micros);
    micros(scope.after, first)..micros(scope.before, end)
}

/// What a span is made of.
struct Parts {
    /// Whole days.
    days: Range<i64>,
    /// Whole quarters before and after them.
    quarters: [Range<i64>; 2],
    /// Parts of quarters, before and after those.
    rests: [Range<i64>; 2],
}

impl Parts {
    fn of(span: &Range<i64>) -> Self {
        let (quarters, rests) = wholes(span, QUARTER_MICROS);
        let (days, [before, after]) = wholes(&quarters, QUARTERS_PER_DAY);
        Self {
            days,
            quarters: [before, after],
            rests,
        }
    }

    /// Tells whether an instant of the span is in no rest.
    fn have(&self, micros: i64) -> bool {
        !self.rests.iter().any(|rest| rest.contains(&micros))
    }

    /// Takes days whole and all else in rests, for what has no sums by quarter.
    fn of_days(span: &Range<i64>) -> Self {
        let (days, rests) = wholes(span, DAY_MICROS);
        Self {
            days,
            quarters: [0..0, 0..0],
            rests,
        }
    }
}

/// Gives the whole units in a span, and what is left before and after them.
fn wholes(span: &Range<i64>, unit: i64) -> (Range<i64>, [Range<i64>; 2]) {
    let first = span.start.div_euclid(unit) + i64::from(span.start.rem_euclid(unit) > 0);
    let end = span.end.div_euclid(unit);
    if first >= end {
        return (0..0, [span.clone(), 0..0]);
    }
    (first..end, [span.start..first * unit, end * unit..span.end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_span_are_all_of_it() {
        assert_eq!(wholes(&(5..31), 10), (1..3, [5..10, 30..31]));
        assert_eq!(wholes(&(10..30), 10), (1..3, [10..10, 30..30]));
        assert_eq!(wholes(&(-15..5), 10), (-1..0, [-15..-10, 0..5]));
        assert_eq!(wholes(&(12..18), 10), (0..0, [12..18, 0..0]));
        assert_eq!(wholes(&(8..12), 10), (0..0, [8..12, 0..0]));
    }
}
