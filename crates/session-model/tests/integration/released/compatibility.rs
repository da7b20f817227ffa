//! Which changes of a schema break somebody.
//!
//! What senders write must stay welcome: all that the released schema allowed is allowed now. What the server writes must
//! stay what its readers know: all that is allowed now was allowed by the released schema. So both are one question, whether
//! one schema lies within another, asked in two directions. A property that is gone breaks both. A keyword that this does
//! not know must not change at all.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use session_model::schema::WrittenBy;

/// Says of every change that breaks somebody where it is and what it is.
pub(super) fn breaks(written_by: WrittenBy, released: &Value, now: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match written_by {
        WrittenBy::Senders => Comparison::new(released, now, Side::Wide).run("", &mut found),
        WrittenBy::Server => Comparison::new(now, released, Side::Narrow).run("", &mut found),
    }
    found
}

/// Which of two schemas is the newer one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Narrow,
    Wide,
}

/// Whether all that `narrow` allows is allowed by `wide`.
struct Comparison<'a> {
    narrow: &'a Value,
    wide: &'a Value,
    newer: Side,
}

/// Keywords that say nothing of what is allowed.
const ANNOTATIONS: [&str; 4] = ["$schema", "title", "description", "examples"];
/// Keywords that [`Comparison`] understands.
const UNDERSTOOD: [&str; 13] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "properties",
    "required",
    "items",
    "anyOf",
    "oneOf",
    "default",
];

impl<'a> Comparison<'a> {
    fn new(narrow: &'a Value, wide: &'a Value, newer: Side) -> Self {
        Self {
            narrow,
            wide,
            newer,
        }
    }

    fn run(&self, at: &str, found: &mut Vec<String>) {
        let (narrow, wide) = (branches(self.narrow), branches(self.wide));
        if narrow.is_none() && wide.is_none() {
            self.plain(at, found);
            return;
        }
        // What stands beside the alternatives holds for each of them.
        if narrow.is_some() && wide.is_some() {
            self.plain(at, found);
        }
        let wide = wide.unwrap_or_else(|| vec![self.wide]);
        for narrow in narrow.unwrap_or_else(|| vec![self.narrow]) {
            let fits = wide.iter().any(|wide| {
                let mut problems = Vec::new();
                Comparison::new(narrow, wide, self.newer).run(at, &mut problems);
                problems.is_empty()
            });
            if !fits {
                found.push(format!("{at}: no alternative takes {narrow}"));
            }
        }
    }

    fn plain(&self, at: &str, found: &mut Vec<String>) {
        self.types(at, found);
        self.words(at, found);
        self.bounds(at, found);
        self.object(at, found);
        if self.narrow.get("default") != self.wide.get("default") {
            found.push(format!("{at}: what an absent value stands for has changed"));
        }
        if let (Some(narrow), Some(wide)) = (self.narrow.get("items"), self.wide.get("items")) {
            Comparison::new(narrow, wide, self.newer).run(&format!("{at}[]"), found);
        } else if self.wide.get("items").is_some() {
            found.push(format!("{at}: what is in the array is no longer said"));
        }
        for keyword in keywords(self.narrow).union(&keywords(self.wide)) {
            let known = ANNOTATIONS.contains(keyword) || UNDERSTOOD.contains(keyword);
            let (narrow, wide) = (self.narrow.get(*keyword), self.wide.get(*keyword));
            // Without the keyword more is allowed.
            if !known && narrow != wide && wide.is_some() {
                found.push(format!("{at}: `{keyword}` has changed"));
            }
        }
    }

    fn types(&self, at: &str, found: &mut Vec<String>) {
        let (narrow, wide) = (types(self.narrow), types(self.wide));
        let allowed = |kind: &str| {
            wide.is_empty() || wide.contains(kind) || (kind == "integer" && wide.contains("number"))
        };
        if narrow.is_empty() && !wide.is_empty() || !narrow.iter().all(|kind| allowed(kind)) {
            let (released, now) = self.in_time(&narrow, &wide);
            found.push(format!("{at}: type was {released:?}, is {now:?}"));
        }
    }

    fn words(&self, at: &str, found: &mut Vec<String>) {
        let Some(wide) = words(self.wide) else {
            return;
        };
        match words(self.narrow) {
            Some(narrow) if narrow.iter().all(|word| wide.contains(word)) => {}
            narrow => {
                let narrow = narrow.unwrap_or_default();
                let (released, now) = self.in_time(&narrow, &wide);
                found.push(format!("{at}: words were {released:?}, are {now:?}"));
            }
        }
    }

    fn bounds(&self, at: &str, found: &mut Vec<String>) {
        for (keyword, lower) in [
            ("minimum", true),
            ("minLength", true),
            ("maximum", false),
            ("maxLength", false),
        ] {
            let bound = |schema: &Value| schema.get(keyword).and_then(Value::as_f64);
            let (narrow, wide) = (bound(self.narrow), bound(self.wide));
            let fits = match (narrow, wide) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(narrow), Some(wide)) if lower => narrow >= wide,
                (Some(narrow), Some(wide)) => narrow <= wide,
            };
            if !fits {
                let (released, now) = self.in_time(narrow, wide);
                found.push(format!("{at}: {keyword} was {released:?}, is {now:?}"));
            }
        }
    }

    fn object(&self, at: &str, found: &mut Vec<String>) {
        let required = |schema: &Value| -> BTreeSet<String> {
            let names = schema.get("required").and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        };
        for name in required(self.wide).difference(&required(self.narrow)) {
            let what = match self.newer {
                Side::Wide => "is required now",
                Side::Narrow => "is no longer always there",
            };
            found.push(format!("{at}.{name}: {what}"));
        }
        let none = Map::new();
        let members = |schema: &'a Value| schema.get("properties").and_then(Value::as_object);
        let narrow = members(self.narrow).unwrap_or(&none);
        let wide = members(self.wide).unwrap_or(&none);
        let (released, now) = self.in_time(narrow, wide);
        for name in released.keys().filter(|name| !now.contains_key(*name)) {
            found.push(format!("{at}.{name}: removed"));
        }
        for (name, narrow) in narrow {
            if let Some(wide) = wide.get(name) {
                let member = Comparison::new(narrow, wide, self.newer);
                member.run(&format!("{at}.{name}"), found);
            }
        }
    }

    /// Gives two things of the schemas as released and now.
    fn in_time<T>(&self, narrow: T, wide: T) -> (T, T) {
        match self.newer {
            Side::Wide => (narrow, wide),
            Side::Narrow => (wide, narrow),
        }
    }
}

fn branches(schema: &Value) -> Option<Vec<&Value>> {
    let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf"))?;
    Some(alternatives.as_array()?.iter().collect())
}

fn types(schema: &Value) -> BTreeSet<&str> {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(kind) => kind.as_str().into_iter().collect(),
        None => BTreeSet::new(),
    }
}

fn words(schema: &Value) -> Option<Vec<&Value>> {
    let words = schema.get("enum").and_then(Value::as_array);
    let words = words.map(|words| words.iter().collect());
    words.or_else(|| schema.get("const").map(|word| vec![word]))
}

fn keywords(schema: &Value) -> BTreeSet<&str> {
    let members = schema.as_object();
    members
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An invented model of which each rule finds something to say.
    fn released() -> Value {
        json!({
            "type": "object",
            "description": "What is sold.",
            "properties": {
                "name": {"type": "string", "maxLength": 100, "minLength": 1, "pattern": "^[a-z]*$"},
                "price": {"type": "number", "minimum": 0, "maximum": 1000},
                "state": {"type": "string", "enum": ["new", "old"]},
                "kind": {"type": "string", "const": "thing", "default": "thing"},
                "note": {"type": ["string", "null"]},
                "parts": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}},
                "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            },
            "required": ["name", "price"],
        })
    }

    fn changed(pointer: &str, to: Value) -> Value {
        let mut schema = released();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = schema.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match to {
            // Stands for leaving it out.
            Value::Null => parent.remove(key),
            to => parent.insert(key.to_owned(), to),
        };
        schema
    }

    #[test]
    fn the_same_schema_breaks_nobody() {
        for written_by in [WrittenBy::Senders, WrittenBy::Server] {
            assert_eq!(breaks(written_by, &released(), &released()), [""; 0]);
        }
    }

    /// What is found when senders write, and when the server does; empty where that breaks nobody.
    const CHANGES: &[(&str, &str, &str, &str)] = &[
        // Additions.
        ("/properties/colour", r#"{"type": "string"}"#, "", ""),
        ("/description", r#""Anything.""#, "", ""),
        // Properties.
        (
            "/properties/note",
            "null",
            ".note: removed",
            ".note: removed",
        ),
        (
            "/properties/parts/items/properties/id",
            "null",
            ".parts[].id: removed",
            ".parts[].id: removed",
        ),
        (
            "/required",
            r#"["name", "price", "state"]"#,
            ".state: is required now",
            "",
        ),
        (
            "/required",
            r#"["name"]"#,
            "",
            ".price: is no longer always there",
        ),
        (
            "/properties/parts/items/required",
            "[]",
            "",
            ".parts[].id: is no longer always there",
        ),
        // Types.
        (
            "/properties/name/type",
            r#""integer""#,
            ".name: type was",
            ".name: type was",
        ),
        (
            "/properties/note/type",
            r#""string""#,
            ".note: type was",
            "",
        ),
        (
            "/properties/name/type",
            r#"["string", "null"]"#,
            "",
            ".name: type was",
        ),
        (
            "/properties/price/type",
            r#""integer""#,
            ".price: type was",
            "",
        ),
        ("/properties/price/type", "null", "", ".price: type was"),
        (
            "/properties/parts/items/properties/id/type",
            r#""string""#,
            ".parts[].id: type was",
            ".parts[].id: type was",
        ),
        (
            "/properties/parts/items",
            "null",
            "",
            ".parts: what is in the array is no longer said",
        ),
        // Words.
        (
            "/properties/state/enum",
            r#"["new"]"#,
            ".state: words were",
            "",
        ),
        (
            "/properties/state/enum",
            r#"["new", "old", "sold"]"#,
            "",
            ".state: words were",
        ),
        ("/properties/state/enum", "null", "", ".state: words were"),
        ("/properties/note/enum", r#"["x"]"#, ".note: words were", ""),
        (
            "/properties/kind/const",
            r#""other""#,
            ".kind: words were",
            ".kind: words were",
        ),
        (
            "/properties/kind/default",
            "null",
            ".kind: what an absent value stands for",
            ".kind: what an absent value stands for",
        ),
        // Bounds.
        (
            "/properties/name/maxLength",
            "99",
            ".name: maxLength was Some(100.0), is Some(99.0)",
            "",
        ),
        (
            "/properties/name/maxLength",
            "101",
            "",
            ".name: maxLength was",
        ),
        (
            "/properties/name/minLength",
            "2",
            ".name: minLength was",
            "",
        ),
        (
            "/properties/name/minLength",
            "0",
            "",
            ".name: minLength was",
        ),
        ("/properties/price/minimum", "1", ".price: minimum was", ""),
        (
            "/properties/price/minimum",
            "null",
            "",
            ".price: minimum was",
        ),
        (
            "/properties/price/maximum",
            "999",
            ".price: maximum was",
            "",
        ),
        (
            "/properties/note/maxLength",
            "10",
            ".note: maxLength was None, is Some(10.0)",
            "",
        ),
        // Patterns cannot be compared, so that a change of one may break both.
        (
            "/properties/name/pattern",
            r#""^[a-z]+$""#,
            ".name: `pattern` has changed",
            ".name: `pattern` has changed",
        ),
        (
            "/properties/name/pattern",
            "null",
            "",
            ".name: `pattern` has changed",
        ),
        (
            "/properties/note/pattern",
            r#""^x""#,
            ".note: `pattern` has changed",
            "",
        ),
        // What this does not know.
        (
            "/additionalProperties",
            "false",
            ": `additionalProperties` has changed",
            "",
        ),
        // Alternatives.
        (
            "/properties/either/anyOf",
            r#"[{"type": "string"}]"#,
            ".either: no alternative takes",
            "",
        ),
        (
            "/properties/either/anyOf",
            r#"[{"type": "string"}, {"type": "integer"}, {"type": "null"}]"#,
            "",
            ".either: no alternative takes",
        ),
        (
            "/properties/note",
            r#"{"anyOf": [{"type": ["string", "null"]}, {"type": "integer"}]}"#,
            "",
            ".note: no alternative takes",
        ),
        (
            "/properties/either",
            r#"{"type": "string"}"#,
            ".either: no alternative takes",
            "",
        ),
    ];

    #[test]
    fn every_change_is_judged_for_whoever_relies_on_it() {
        for (pointer, to, senders, server) in CHANGES {
            let now = changed(pointer, serde_json::from_str(to).unwrap());
            for (written_by, expected) in
                [(WrittenBy::Senders, senders), (WrittenBy::Server, server)]
            {
                let found = breaks(written_by, &released(), &now);
                let fits = match *expected {
                    "" => found.is_empty(),
                    expected => matches!(&found[..], [one] if one.starts_with(expected)),
                };
                assert!(
                    fits,
                    "{written_by:?}: {pointer} to {to}: expected {expected:?}, found {found:?}"
                );
            }
        }
    }
}
