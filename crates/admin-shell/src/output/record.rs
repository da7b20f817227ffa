//! One thing with its fields.

use serde::{Serialize, ser::SerializeMap};
use serde_json::{Map, Value};
use session_model::escape;

use super::{Cell, Kind, View, cell};

/// Fields in an order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    fields: Vec<(Field, Cell)>,
}

/// The name and kind of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    key: String,
    title: String,
    kind: Kind,
}

impl Record {
    /// Makes a record without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field: `key` is its name for programs, `title` for people, who do not see one without a title.
    #[must_use]
    pub fn field(
        self,
        key: impl Into<String>,
        title: impl Into<String>,
        value: impl Into<Cell>,
    ) -> Self {
        self.field_of(key, title, Kind::Text, value)
    }

    /// Adds a field that is shown as its kind asks.
    #[must_use]
    pub fn field_of(
        mut self,
        key: impl Into<String>,
        title: impl Into<String>,
        kind: Kind,
        value: impl Into<Cell>,
    ) -> Self {
        let field = Field {
            key: key.into(),
            title: title.into(),
            kind,
        };
        self.fields.push((field, value.into()));
        self
    }

    /// Makes a record of a map, in the order of the alphabet.
    pub(crate) fn of_map(map: &Map<String, Value>) -> Self {
        let record = Self::new();
        map.iter().fold(record, |record, (key, value)| {
            record.field(key, key, value.clone())
        })
    }

    /// Gives the names of its fields for programs.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(field, _)| field.key.as_str())
    }

    /// Gives a field.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let found = self.fields.iter().find(|(field, _)| field.key == key);
        found.map(|(_, cell)| &cell.value)
    }

    pub(super) fn to_value(&self) -> Value {
        let fields = self.fields.iter();
        Value::Object(
            fields
                .map(|(field, cell)| (field.key.clone(), cell.value.clone()))
                .collect(),
        )
    }

    /// Visits its fields.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields
            .iter()
            .map(|(field, cell)| (field.key.as_str(), &cell.value))
    }

    /// Writes `Title: value` lines; what is null, or has no title, is left out.
    pub fn for_people(&self, view: &View) -> String {
        let shown = || {
            self.fields
                .iter()
                .filter(|(field, cell)| !field.title.is_empty() && !cell.is_empty())
        };
        // A title may be a key of somebody else's data.
        let title_of = |field: &Field| format!("{}:", escape::for_line(&field.title));
        let widths = shown().map(|(field, _)| cell::width(&title_of(field)));
        let titles = widths.max().unwrap_or(0);
        let mut text = String::new();
        for (field, cell) in shown() {
            let title = title_of(field);
            let blanks = " ".repeat(titles.saturating_sub(cell::width(&title)));
            let mut value = cell.for_people(field.kind, view);
            if let Some(width) = view.width {
                value = cell::cut(&value, width.saturating_sub(titles + 1).max(1), '…');
            }
            text.push_str(&format!("{title}{blanks} {value}"));
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

impl Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (field, cell) in &self.fields {
            map.serialize_entry(&field.key, &cell.value)?;
        }
        map.end()
    }
}
