//! Rows.

use serde::{Serialize, ser::SerializeMap};
use serde_json::{Map, Value};
use session_model::escape;

use super::{Cell, Record, View, cell};

/// The narrowest that a column is made before others give way, in columns of the terminal.
const WIDTH_MIN: usize = 8;
/// What stands between two columns.
const GAP: &str = "  ";

/// What a column holds, which decides how it is shown to people. Programs get the value as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    #[default]
    Text,
    /// A number, aligned to the right.
    Number,
    /// A time as RFC 3339 text: shown as the time of day if it is today's.
    Time,
    /// A number of seconds: shown as `5m 30s`.
    Seconds,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    key: String,
    title: String,
    kind: Kind,
    rank: u8,
}

impl Column {
    /// Makes a column: `key` is its name for programs, `title` for people, who do not see one without a title.
    pub fn new(key: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            title: title.into(),
            kind: Kind::Text,
            rank: 0,
        }
    }

    /// Says what it holds.
    #[must_use]
    pub const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Lets it be left out where the terminal is narrow: the highest rank goes first, 0 stays.
    #[must_use]
    pub const fn dispensable(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

/// Rows under columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    empty: String,
}

impl Table {
    /// Makes a table without rows. `empty` is what people are told if it stays so, such as `no sessions`.
    pub fn new(columns: impl IntoIterator<Item = Column>, empty: impl Into<String>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            empty: empty.into(),
        }
    }

    /// Adds a row, a value for each column; missing ones are null, and those that are too many are left out.
    pub fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<_> = row.into_iter().collect();
        row.resize(self.columns.len(), Value::Null.into());
        self.rows.push(row);
    }

    /// Makes a table of maps, a column for each key in the order of the alphabet.
    pub fn of_maps(maps: &[Value]) -> Self {
        let keys = maps.iter().filter_map(Value::as_object).flat_map(Map::keys);
        let keys: std::collections::BTreeSet<&String> = keys.collect();
        let mut table = Self::new(keys.iter().map(|key| Column::new(*key, *key)), "");
        for map in maps {
            let value = |key: &&String| map.get(key.as_str()).cloned().unwrap_or_default();
            table.push(keys.iter().map(value).map(Cell::from));
        }
        table
    }

    /// Gives how many rows there are.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tells whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Gives the names of its columns for programs.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.key.as_str())
    }

    /// Visits its rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = &Value>> {
        self.rows
            .iter()
            .map(|row| row.iter().map(|cell| &cell.value))
    }

    /// Gives a row as a record.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub(crate) fn record(&self, row: usize) -> Record {
        let fields = self.columns.iter().zip(&self.rows[row]);
        fields.fold(Record::new(), |record, (column, cell)| {
            record.field_of(&column.key, &column.title, column.kind, cell.clone())
        })
    }

    /// Gives a table of the rows at these places, in their order.
    pub(crate) fn with_rows_at(&self, places: impl IntoIterator<Item = usize>) -> Self {
        let rows = places.into_iter().filter_map(|place| self.rows.get(place));
        Self {
            columns: self.columns.clone(),
            rows: rows.cloned().collect(),
            empty: self.empty.clone(),
        }
    }

    pub(super) fn to_value(&self) -> Value {
        let map = |row: &Vec<Cell>| {
            let keys = self.columns.iter().map(|column| column.key.clone());
            let values = row.iter().map(|cell| cell.value.clone());
            Value::Object(keys.zip(values).collect())
        };
        self.rows.iter().map(map).collect()
    }

    /// Gives what people are told if there are no rows.
    pub fn empty_text(&self) -> &str {
        &self.empty
    }

    /// Writes it for people: the title and a line for each row; nothing if there are none.
    pub fn for_people(&self, view: &View) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut shown = Shown::of(self, view);
        if let Some(width) = view.width {
            shown.fit(width);
        }
        shown.lines()
    }
}

impl Serialize for Table {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| Row(&self.columns, row)))
    }
}

/// A row as an object, its keys in the order of the columns.
struct Row<'a>(&'a [Column], &'a [Cell]);

impl Serialize for Row<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, cell) in self.0.iter().zip(self.1) {
            map.serialize_entry(&column.key, &cell.value)?;
        }
        map.end()
    }
}

/// A table on its way to the terminal: columns of texts, the title first.
struct Shown {
    columns: Vec<ShownColumn>,
}

struct ShownColumn {
    rank: u8,
    right: bool,
    width: usize,
    cells: Vec<String>,
}

impl Shown {
    fn of(table: &Table, view: &View) -> Self {
        let column = |(number, column): (usize, &Column)| {
            let shown = |row: &Vec<Cell>| row[number].for_people(column.kind, view);
            // A title may be a key of somebody else's data.
            let title = std::iter::once(escape::for_line(&column.title).into_owned());
            let cells: Vec<_> = title.chain(table.rows.iter().map(shown)).collect();
            ShownColumn {
                rank: column.rank,
                right: column.kind == Kind::Number,
                width: cells
                    .iter()
                    .map(|cell| cell::width(cell))
                    .max()
                    .unwrap_or(0),
                cells,
            }
        };
        let titled = |(_, column): &(usize, &Column)| !column.title.is_empty();
        Self {
            columns: table
                .columns
                .iter()
                .enumerate()
                .filter(titled)
                .map(column)
                .collect(),
        }
    }

    /// Leaves out columns, then cuts the widest ones, until a line is at most `width` wide.
    fn fit(&mut self, width: usize) {
        while self.width() > width {
            let least = self.columns.iter().map(|column| column.rank).max();
            match least.filter(|rank| *rank > 0) {
                Some(rank) => self.columns.retain(|column| column.rank != rank),
                None => break,
            }
        }
        let mut excess = self.width().saturating_sub(width);
        while excess > 0 {
            let widest = self.columns.iter_mut().max_by_key(|column| column.width);
            let Some(column) = widest.filter(|column| column.width > WIDTH_MIN) else {
                return;
            };
            column.width -= 1;
            excess -= 1;
        }
    }

    fn width(&self) -> usize {
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        gaps + self
            .columns
            .iter()
            .map(|column| column.width)
            .sum::<usize>()
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        let count = self.columns.first().map_or(0, |column| column.cells.len());
        for line in 0..count {
            let cells: Vec<_> = self
                .columns
                .iter()
                .map(|column| column.cell(line))
                .collect();
            text.push_str(cells.join(GAP).trim_end());
            text.push('\n');
        }
        text
    }
}

impl ShownColumn {
    fn cell(&self, line: usize) -> String {
        let text = cell::cut(&self.cells[line], self.width, '…');
        let blanks = " ".repeat(self.width.saturating_sub(cell::width(&text)));
        if self.right {
            [blanks, text].concat()
        } else {
            [text, blanks].concat()
        }
    }
}
