//! What a helper gives, and how it is written: for people as wide as the terminal, for programs exactly.
//!
//! - [`Table`] and [`Record`] are what most helpers give; [`Column`] says how a value is shown.
//! - [`Format`] and [`View`] say how it is written.
//! - `literal` writes a single value the way it would be typed.

mod cell;
mod csv;
pub(crate) mod literal;
mod record;
mod table;
mod view;

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;
use session_model::escape;
pub use session_model::escape::for_line as one_line;

pub use cell::{Cell, cut, width};
pub use csv::{cell as csv_cell, text_cell as csv_text};
pub use record::Record;
pub use table::{Column, Kind, Table};
pub use view::{View, length};

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// One JSON document a result
    Json,
    /// A header and a line each
    Csv,
}

/// What a helper gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Nothing; what there was to say has been said.
    Nothing,
    /// A value: text, number, list, map.
    Value(Value),
    /// Rows.
    Table(Table),
    /// One thing with its fields.
    Record(Record),
    /// Plain data that people are shown in a way of its own.
    Shown {
        /// For programs.
        value: Value,
        /// For people, in lines; what came from elsewhere is escaped in it.
        text: String,
    },
    /// The same, of which spreadsheets get rows.
    Report {
        /// For programs.
        value: Value,
        /// For people, as above.
        text: String,
        /// For spreadsheets.
        rows: Table,
    },
}

impl Reply {
    /// Writes the reply, with a line break at its end; nothing for [`Self::Nothing`] and, for people, for null.
    pub fn write(&self, format: Format, view: &View) -> String {
        match (self, format) {
            (Self::Nothing, _) | (Self::Value(Value::Null), Format::Table) => String::new(),
            (Self::Table(table), Format::Table) => table.for_people(view),
            (Self::Record(record), Format::Table) => record.for_people(view),
            (Self::Value(value), Format::Table) => people(value, view),
            (Self::Shown { text, .. } | Self::Report { text, .. }, Format::Table) => {
                format!("{text}\n")
            }
            (reply, Format::Json) => json(reply),
            (reply, Format::Csv) => csv::write(reply),
        }
    }

    /// Gives the reply as plain data: rows and records are maps.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Value(value) | Self::Shown { value, .. } | Self::Report { value, .. } => {
                value.clone()
            }
            Self::Table(table) => table.to_value(),
            Self::Record(record) => record.to_value(),
        }
    }
}

impl Serialize for Reply {
    /// Keeps the order of columns and fields.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Value(value) | Self::Shown { value, .. } | Self::Report { value, .. } => {
                value.serialize(serializer)
            }
            Self::Table(table) => table.serialize(serializer),
            Self::Record(record) => record.serialize(serializer),
        }
    }
}

/// Writes plain data for people: a list of maps is a table of them, a map its fields.
fn people(value: &Value, view: &View) -> String {
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            Table::of_maps(items).for_people(view)
        }
        Value::Object(fields) if !fields.is_empty() => Record::of_map(fields).for_people(view),
        value => format!("{}\n", literal::repr(value)),
    }
}

/// Writes indented JSON in which no character acts.
fn json(reply: &Reply) -> String {
    let text = serde_json::to_string_pretty(reply).unwrap_or_default();
    let mut written = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(written, "{}", escape::in_json(line));
    }
    written
}
