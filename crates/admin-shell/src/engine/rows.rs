//! Tables and records in scripts: `ps()[0].status`, `ps().filter(|s| s.status == 'active').len()`.

use std::sync::Arc;

use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, NativeCallContext, Position,
};
use serde_json::Value;

use super::values;
use crate::output::{Record, Reply, Table};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// A table as a value.
#[derive(Clone)]
pub(super) struct Rows(Arc<Table>);

/// A record as a value.
#[derive(Clone)]
pub(super) struct Row(Arc<Record>);

/// Plain data that is shown in a way of its own.
#[derive(Clone)]
pub(super) struct Shown(Arc<Plain>);

struct Plain {
    value: Value,
    text: String,
    /// What spreadsheets get, where that is something else.
    rows: Option<Table>,
}

impl Shown {
    pub(super) fn new(value: Value, text: String, rows: Option<Table>) -> Self {
        Self(Arc::new(Plain { value, text, rows }))
    }

    pub(super) fn to_reply(&self) -> Reply {
        let (value, text) = (self.0.value.clone(), self.0.text.clone());
        match self.0.rows.clone() {
            Some(rows) => Reply::Report { value, text, rows },
            None => Reply::Shown { value, text },
        }
    }

    fn get(&self, key: &str) -> Fallible<Dynamic> {
        let value = self.0.value.get(key).cloned();
        value.map(values::of_value).ok_or_else(|| missing(key))
    }
}

impl Rows {
    pub(super) fn new(table: Table) -> Self {
        Self(Arc::new(table))
    }

    pub(super) fn table(&self) -> &Table {
        &self.0
    }

    fn len(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// Gives a row; from the end where the place is negative.
    fn at(&self, place: i64) -> Fallible<Row> {
        let from_start = if place < 0 { self.len() + place } else { place };
        let found = usize::try_from(from_start)
            .ok()
            .filter(|place| *place < self.0.len());
        let out_of_bounds =
            || EvalAltResult::ErrorArrayBounds(self.0.len(), place, Position::NONE).into();
        found.map(|place| self.row(place)).ok_or_else(out_of_bounds)
    }

    fn row(&self, place: usize) -> Row {
        Row::new(self.0.record(place))
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        (0..self.0.len()).map(|place| self.row(place))
    }

    /// Keeps the rows at these places, in their order.
    fn at_places(&self, places: impl IntoIterator<Item = usize>) -> Self {
        Self::new(self.0.with_rows_at(places))
    }
}

impl Row {
    pub(super) fn new(record: Record) -> Self {
        Self(Arc::new(record))
    }

    pub(super) fn record(&self) -> &Record {
        &self.0
    }

    fn get(&self, key: &str) -> Fallible<Dynamic> {
        let value = self.0.get(key).cloned();
        value.map(values::of_value).ok_or_else(|| missing(key))
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = std::vec::IntoIter<Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows().collect::<Vec<_>>().into_iter()
    }
}

/// Teaches an engine both types.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Rows>("table")
        .register_type_with_name::<Row>("record")
        .register_type_with_name::<Shown>("data")
        .register_indexer_get(|shown: &mut Shown, key: ImmutableString| shown.get(&key))
        .register_iterator::<Rows>()
        .register_fn("len", |rows: &mut Rows| rows.len())
        .register_get("len", |rows: &mut Rows| rows.len())
        .register_indexer_get(|rows: &mut Rows, place: i64| rows.at(place))
        .register_fn("to_array", |rows: &mut Rows| -> Array {
            rows.rows().map(Dynamic::from).collect()
        })
        .register_fn("filter", filter)
        .register_fn("map", map)
        .register_fn("sort_by", sort_by)
        .register_fn("head", |rows: &mut Rows, count: i64| {
            rows.at_places(0..usize::try_from(count).unwrap_or(0).min(rows.0.len()))
        })
        .register_indexer_get(|row: &mut Row, key: ImmutableString| row.get(&key))
        .register_fn("keys", |row: &mut Row| -> Array {
            row.0.keys().map(|key| key.to_owned().into()).collect()
        })
        .register_fn("contains", |row: &mut Row, key: &str| {
            row.0.get(key).is_some()
        });
}

fn missing(key: &str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorPropertyNotFound(key.to_owned(), Position::NONE).into()
}

/// Keeps the rows of which a function says so.
fn filter(context: NativeCallContext<'_>, rows: &mut Rows, holds: FnPtr) -> Fallible<Rows> {
    let mut places = Vec::new();
    for (place, row) in rows.rows().enumerate() {
        if holds.call_within_context::<bool>(&context, (row,))? {
            places.push(place);
        }
    }
    Ok(rows.at_places(places))
}

fn map(context: NativeCallContext<'_>, rows: &mut Rows, function: FnPtr) -> Fallible<Array> {
    rows.rows()
        .map(|row| function.call_within_context::<Dynamic>(&context, (row,)))
        .collect()
}

/// Sorts by a column: what is missing first, then numbers, then texts.
fn sort_by(rows: &mut Rows, key: &str) -> Fallible<Rows> {
    let mut keyed = Vec::with_capacity(rows.0.len());
    for (place, row) in rows.rows().enumerate() {
        let value = row.0.get(key).cloned();
        keyed.push((value.ok_or_else(|| missing(key))?, place));
    }
    keyed.sort_by(|(one, _), (other, _)| order(one, other));
    Ok(rows.at_places(keyed.into_iter().map(|(_, place)| place)))
}

fn order(one: &Value, other: &Value) -> std::cmp::Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let float = |number: &serde_json::Number| number.as_f64().unwrap_or(f64::NAN);
            float(one).total_cmp(&float(other))
        }
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (one, other) => kind(one)
            .cmp(&kind(other))
            .then_with(|| one.to_string().cmp(&other.to_string())),
    }
}

const fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}
