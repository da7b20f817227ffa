//! Sums by component.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use rusqlite::params;

use super::{Asked, FACTS, Parts, facts, time};
use crate::{
    analytics::{Tally, Total},
    store::sqlite::rollup::{Digest, Grain, digest_of, tables::aggregate},
};

type Totals = BTreeMap<String, Total>;
/// Sessions with an error text, by component and text.
type Errors = HashMap<String, HashMap<Digest, i64>>;

impl Asked<'_> {
    pub(super) fn totals(&self, errors: bool) -> rusqlite::Result<Totals> {
        let mut totals = Totals::new();
        let grain = if self.users.is_some() {
            Grain::User
        } else {
            Grain::Day
        };
        let parts = match grain {
            // No sums by quarter know of users.
            Grain::User => Parts::of_days(&self.span),
            Grain::Quarter | Grain::Day => Parts::of(&self.span),
        };
        self.add_rows(grain, &parts.days, &mut totals)?;
        for quarters in &parts.quarters {
            self.add_rows(Grain::Quarter, quarters, &mut totals)?;
        }
        for rest in &parts.rests {
            self.sessions(rest, |facts| {
                let total = totals.entry(facts.component_name.clone()).or_default();
                total.aggregate.add(facts);
            })?;
        }
        for total in totals.values_mut() {
            // What came of quarters and of days differs in this.
            total.aggregate.quarters = Tally::default();
        }
        if errors {
            self.add_errors(&mut totals)?;
        }
        Ok(totals)
    }

    fn add_rows(
        &self,
        grain: Grain,
        span: &Range<i64>,
        totals: &mut Totals,
    ) -> rusqlite::Result<()> {
        if span.is_empty() {
            return Ok(());
        }
        let mut statement = self.snapshot.prepare_cached(&grain.span())?;
        let mut rows = statement.query(params![span.start, span.end])?;
        while let Some(row) = rows.next()? {
            let key = grain.key(row)?;
            let Some(component) = self.series.get(&key.series) else {
                continue;
            };
            if grain == Grain::User && !self.has_user(key.user) {
                continue;
            }
            let sums = aggregate(row, grain.keys().len())?;
            match totals.get_mut(component) {
                Some(total) => total.aggregate.add_all(&sums),
                None => {
                    let total = Total {
                        aggregate: sums,
                        most_common_error: None,
                    };
                    totals.insert(component.clone(), total);
                }
            }
        }
        Ok(())
    }

    /// Finds the most common error text of each component.
    fn add_errors(&self, totals: &mut Totals) -> rusqlite::Result<()> {
        let mut errors = Errors::new();
        let parts = if self.users.is_some() {
            // Nor do sums of error texts; sessions with one are few.
            Parts {
                days: 0..0,
                quarters: [0..0, 0..0],
                rests: [self.span.clone(), 0..0],
            }
        } else {
            Parts::of_days(&self.span)
        };
        self.errors_of_days(&parts.days, &mut errors)?;
        for rest in &parts.rests {
            self.errors_of_sessions(rest, &mut errors)?;
        }
        for (component, texts) in errors {
            let Some(total) = totals.get_mut(&component) else {
                continue;
            };
            total.most_common_error = self.most_common(&texts)?;
        }
        Ok(())
    }

    fn errors_of_days(&self, days: &Range<i64>, errors: &mut Errors) -> rusqlite::Result<()> {
        const ERRORS: &str = "
            SELECT series, digest, sum(sessions) FROM rollup_errors
             WHERE day >= ?1 AND day < ?2 GROUP BY series, digest";
        let mut statement = self.snapshot.prepare_cached(ERRORS)?;
        let mut rows = statement.query(params![days.start, days.end])?;
        while let Some(row) = rows.next()? {
            let series: i64 = row.get(0)?;
            if let Some(component) = self.series.get(&series) {
                let texts = errors.entry(component.clone()).or_default();
                *texts.entry(row.get(1)?).or_default() += row.get::<_, i64>(2)?;
            }
        }
        Ok(())
    }

    /// Uses `sessions_with_error`.
    fn errors_of_sessions(&self, span: &Range<i64>, errors: &mut Errors) -> rusqlite::Result<()> {
        if span.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT {FACTS} FROM sessions
              WHERE error_message IS NOT NULL AND start_time >= ?1 AND start_time < ?2"
        );
        let mut statement = self.snapshot.prepare_cached(&sql)?;
        let mut rows = statement.query([time(span.start), time(span.end)])?;
        while let Some(row) = rows.next()? {
            let facts = facts(row)?;
            if let (true, Some(text)) = (self.scope.has(&facts), &facts.error) {
                let texts = errors.entry(facts.component_name.clone()).or_default();
                *texts.entry(digest_of(text)).or_default() += 1;
            }
        }
        Ok(())
    }

    fn most_common(&self, texts: &HashMap<Digest, i64>) -> rusqlite::Result<Option<String>> {
        const MESSAGE: &str = "SELECT message FROM error_messages WHERE digest = ?1";
        let most = texts.values().max().copied().unwrap_or_default();
        let mut statement = self.snapshot.prepare_cached(MESSAGE)?;
        // Of equally common ones the first by its text.
        let equals = texts.iter().filter(|(_, count)| **count == most);
        let equals = equals.map(|(digest, _)| {
            statement.query_row([digest.as_slice()], |row| row.get::<_, String>(0))
        });
        let equals = equals.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(equals.into_iter().min())
    }
}
