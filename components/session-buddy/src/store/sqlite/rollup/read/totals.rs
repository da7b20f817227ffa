//! Sums by component.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use rusqlite::params;

use super::{Asked, FACTS, Parts, facts, time};
use crate::{
    analytics::{Aggregate, Tally, Total},
    store::sqlite::rollup::{self, Errors as Texts, Grain, names, tables::aggregate},
};

type Totals = BTreeMap<String, Total>;
/// Sessions with an error text, by component.
type Errors = HashMap<String, Texts>;

impl Asked<'_> {
    pub(super) fn totals(&self, errors: bool) -> rusqlite::Result<Totals> {
        let mut totals = Totals::new();
        let parts = match &self.users {
            // No sums by quarter know of users.
            Some(_) => Parts::of_days(&self.span),
            None => Parts::of(&self.span),
        };
        match &self.users {
            Some(users) => self.users(users, &parts.days, |_, member, of_user| {
                self.total(&mut totals, member.series)
                    .add_all(&of_user.sums);
            })?,
            None => {
                self.add_rows(Grain::Day, &parts.days, &mut totals)?;
                for quarters in &parts.quarters {
                    self.add_rows(Grain::Quarter, quarters, &mut totals)?;
                }
            }
        }
        for change in self
            .waiting
            .iter()
            .filter(|change| parts.have(change.start))
        {
            self.total(&mut totals, change.series).add_all(&change.sums);
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

    /// Gives the sums of a series' component, which was asked for.
    fn total<'t>(&self, totals: &'t mut Totals, series: i64) -> &'t mut Aggregate {
        let component = &self.series[&series];
        if !totals.contains_key(component) {
            totals.insert(component.clone(), Total::default());
        }
        &mut totals
            .get_mut(component)
            .expect("it is there now")
            .aggregate
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
            let series = grain.key(row)?.series;
            if self.series.contains_key(&series) {
                self.total(totals, series).add_all(&aggregate(row)?);
            }
        }
        Ok(())
    }

    /// Finds the most common error text of each component.
    fn add_errors(&self, totals: &mut Totals) -> rusqlite::Result<()> {
        let mut errors = Errors::new();
        let parts = Parts::of_days(&self.span);
        let mut add = |series, texts: Texts| {
            let component = errors.entry(self.series[&series].clone()).or_default();
            rollup::add_errors(component, texts);
        };
        match &self.users {
            Some(users) => self.users(users, &parts.days, |_, member, of_user| {
                add(member.series, of_user.errors);
            })?,
            None => self.errors_of_days(&parts.days, &mut add)?,
        }
        for change in self
            .waiting
            .iter()
            .filter(|change| parts.have(change.start))
        {
            add(change.series, change.errors.clone());
        }
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

    fn errors_of_days(
        &self,
        days: &Range<i64>,
        mut add: impl FnMut(i64, Texts),
    ) -> rusqlite::Result<()> {
        const ERRORS: &str = "
            SELECT series, error, sum(sessions) FROM rollup_errors
             WHERE day >= ?1 AND day < ?2 GROUP BY series, error";
        let mut statement = self.snapshot.prepare_cached(ERRORS)?;
        let mut rows = statement.query(params![days.start, days.end])?;
        while let Some(row) = rows.next()? {
            let series: i64 = row.get(0)?;
            if self.series.contains_key(&series) {
                add(series, Texts::from([(row.get(1)?, row.get(2)?)]));
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
                let error = names::error_of(self.snapshot, text)?;
                let texts = errors.entry(facts.component_name.clone()).or_default();
                rollup::add_errors(texts, error.map(|(error, _)| (error, 1)));
            }
        }
        Ok(())
    }

    fn most_common(&self, texts: &Texts) -> rusqlite::Result<Option<String>> {
        const MESSAGE: &str = "SELECT message FROM error_messages WHERE error = ?1";
        let most = texts.values().max().copied().unwrap_or_default();
        let mut statement = self.snapshot.prepare_cached(MESSAGE)?;
        // Of equally common ones the first by its text.
        let equals = texts.iter().filter(|(_, count)| **count == most);
        let equals =
            equals.map(|(error, _)| statement.query_row([error], |row| row.get::<_, String>(0)));
        let equals = equals.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(equals.into_iter().min())
    }
}
