//! Between the engine's values and plain data.

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};
use serde_json::Value;

use super::rows::{Row, Rows, Shown};
use crate::{helper::Given, output::Reply};

/// An argument that was given by name.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) name: ImmutableString,
    pub(super) value: Dynamic,
}

/// Takes a value as an argument of a helper.
pub(super) fn given(value: &Dynamic) -> Given {
    match value.read_lock::<Named>() {
        Some(named) => Given::Named(named.name.to_string(), to_value(&named.value)),
        None => Given::Positional(to_value(value)),
    }
}

/// Makes plain data of a value; what is none is told in words.
pub(super) fn to_value(value: &Dynamic) -> Value {
    to_reply(value).to_value()
}

/// Makes a reply of a value.
pub(super) fn to_reply(value: &Dynamic) -> Reply {
    if let Some(rows) = value.read_lock::<Rows>() {
        return Reply::Table(rows.table().clone());
    }
    if let Some(row) = value.read_lock::<Row>() {
        return Reply::Record(row.record().clone());
    }
    if let Some(shown) = value.read_lock::<Shown>() {
        return shown.to_reply();
    }
    Reply::Value(plain(value))
}

fn plain(value: &Dynamic) -> Value {
    if value.is_unit() {
        Value::Null
    } else if let Ok(value) = value.as_bool() {
        value.into()
    } else if let Ok(value) = value.as_int() {
        value.into()
    } else if let Ok(value) = value.as_float() {
        serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
    } else if let Ok(value) = value.as_char() {
        value.to_string().into()
    } else if let Ok(value) = value.as_immutable_string_ref() {
        value.as_str().into()
    } else if let Some(items) = value.read_lock::<Array>() {
        items.iter().map(to_value).collect()
    } else if let Some(map) = value.read_lock::<Map>() {
        let members = map
            .iter()
            .map(|(key, value)| (key.to_string(), to_value(value)));
        Value::Object(members.collect())
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        format!("function {}", function.fn_name()).into()
    } else {
        value.to_string().into()
    }
}

/// Makes a value of a reply.
pub(super) fn of_reply(reply: Reply) -> Dynamic {
    match reply {
        Reply::Nothing => Dynamic::UNIT,
        Reply::Value(value) => of_value(value),
        Reply::Shown { value, text } => Dynamic::from(Shown::new(value, text, None)),
        Reply::Report { value, text, rows } => Dynamic::from(Shown::new(value, text, Some(rows))),
        Reply::Table(table) => Dynamic::from(Rows::new(table)),
        Reply::Record(record) => Dynamic::from(Row::new(record)),
    }
}

/// Makes a value of plain data.
pub(super) fn of_value(value: Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(float)) => float.into(),
            (None, None) => number.to_string().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => items.into_iter().map(of_value).collect::<Array>().into(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (key.into(), of_value(value)))
            .collect::<Map>()
            .into(),
    }
}
