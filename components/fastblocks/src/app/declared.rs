//! What a block says that it is given.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

/// Names, and what they are.
pub type Names = BTreeMap<String, Declared>;

/// What something is that a block is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its type.
    pub shape: Shape,
    /// Whether it may be null, or not there at all, which is null then.
    pub optional: bool,
    /// The line of the block that says so.
    pub line: usize,
}

/// The types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// Names with values.
    Map,
    /// Whatever it is.
    Any,
}

const SHAPES: [(&str, Shape); 6] = [
    ("text", Shape::Text),
    ("number", Shape::Number),
    ("boolean", Shape::Boolean),
    ("list", Shape::List),
    ("map", Shape::Map),
    ("any", Shape::Any),
];

impl Declared {
    /// Reads a type, with a question mark if there may be nothing: `number?`.
    pub(crate) fn read(text: &str, line: usize) -> Option<Self> {
        let (word, optional) = match text.strip_suffix('?') {
            Some(word) => (word, true),
            None => (text, false),
        };
        let (_, shape) = SHAPES.iter().find(|(known, _)| *known == word)?;
        Some(Self {
            shape: *shape,
            optional,
            line,
        })
    }

    /// Declares something of which nothing is known.
    pub(crate) const fn anything(line: usize) -> Self {
        Self {
            shape: Shape::Any,
            optional: true,
            line,
        }
    }

    /// Gives the words for the types.
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        SHAPES.iter().map(|(word, _)| *word)
    }

    /// Tells what is wrong with a value; `None` is one that is not there.
    pub(crate) fn mismatch(self, value: Option<&Value>) -> Option<String> {
        let found = match value {
            None | Some(Value::Null) if self.optional => return None,
            None => "nothing",
            Some(value) if self.shape.fits(value) => return None,
            Some(value) => word_for(value),
        };
        Some(format!("{} is expected, found {found}", self.shape))
    }
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
            Self::Any => true,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = SHAPES.iter().find(|(_, shape)| shape == self);
        f.write_str(word.map_or("any", |(word, _)| word))
    }
}

fn word_for(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_takes_its_values_and_says_what_it_found() {
        let read = |text| Declared::read(text, 1);
        let number = read("number").unwrap();
        assert_eq!(number.mismatch(Some(&json!(1.5))), None);
        let found = number.mismatch(Some(&json!("1")));
        assert_eq!(found.unwrap(), "number is expected, found text");
        assert_eq!(
            number.mismatch(None).unwrap(),
            "number is expected, found nothing"
        );
        assert_eq!(
            number.mismatch(Some(&json!(null))).unwrap(),
            "number is expected, found null"
        );
        let maybe = read("number?").unwrap();
        assert_eq!(
            (maybe.mismatch(None), maybe.mismatch(Some(&json!(null)))),
            (None, None)
        );
        assert!(maybe.mismatch(Some(&json!([]))).is_some());
        assert_eq!((read("nubmer"), read("?")), (None, None));
    }
}
