//! Results for spreadsheets.

use std::borrow::Cow;

use serde_json::Value;
use session_model::escape;

use super::{Reply, Table};

/// Writes a header and a line each; a single value is a table of one row and one column, `value`.
pub(super) fn write(reply: &Reply) -> String {
    match reply {
        Reply::Nothing => String::new(),
        Reply::Table(table) | Reply::Report { rows: table, .. } => lines(table),
        Reply::Record(record) => {
            let (keys, values): (Vec<&str>, Vec<_>) = record.columns().unzip();
            [header(keys), line(values.into_iter().map(cell))].concat()
        }
        Reply::Value(Value::Array(items))
        | Reply::Shown {
            value: Value::Array(items),
            ..
        } if items.iter().all(Value::is_object) => lines(&Table::of_maps(items)),
        Reply::Value(value) | Reply::Shown { value, .. } => {
            [line(["value"]), line([cell(value)])].concat()
        }
    }
}

fn lines(table: &Table) -> String {
    let rows = table.rows().map(|row| line(row.map(cell)));
    std::iter::once(header(table.keys())).chain(rows).collect()
}

/// Writes the names of columns, which may be keys of somebody else's data.
fn header<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    line(keys.into_iter().map(|key| cell(&key.into())))
}

fn line(cells: impl IntoIterator<Item: AsRef<[u8]>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to a Vec cannot fail.
    let _ = writer.write_record(cells);
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// Gives a value as a cell of CSV. Characters that act on a terminal are escaped, and a text that a spreadsheet would take for
/// a formula gets an apostrophe in front of it.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text_cell(text).into_owned(),
        Value::Array(_) | Value::Object(_) => escape::in_json(&value.to_string()).into_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Gives a text as a cell of CSV, as [`cell`] does.
pub fn text_cell(text: &str) -> Cow<'_, str> {
    let escaped = escape::for_line(text);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{escaped}"))
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for (value, written) in [
            (json!("=1+1"), "'=1+1"),
            (json!("@sum"), "'@sum"),
            (json!(-1), "-1"),
            (json!(null), ""),
            (json!({"a": "\u{202e}"}), r#"{"a":"\u202e"}"#),
            (json!("plain, \"quoted\""), "plain, \"quoted\""),
            (json!("\u{1b}[31m"), "\\u{1b}[31m"),
        ] {
            assert_eq!(cell(&value), written);
        }
    }
}
