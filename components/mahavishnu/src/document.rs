//! The part of YAML that is accepted, as a tree that knows its lines; and how one asks it for values, so that all that is
//! wrong is found at once.

mod reader;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::problem::{Invalid, Problem, similar};

/// The largest file that is read, 1 MiB: a thousand repositories take a tenth of it.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A value and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) node: Node,
}

/// Reads a file as text.
pub(crate) fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let problem = format!("it is over {FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::other(problem));
    }
    Ok(text)
}

/// What is wrong, gathered while values are asked for.
pub(crate) struct Checker {
    file: PathBuf,
    problems: Vec<Problem>,
}

/// A mapping whose keys are known, and the keys around it.
pub(crate) struct Fields<'a> {
    path: String,
    pub(crate) line: usize,
    entries: &'a [Entry],
}

impl Checker {
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            problems: Vec::new(),
        }
    }

    /// Reads a text; nothing in it is null.
    pub(crate) fn parse(&mut self, text: &str) -> Node {
        match reader::read(text) {
            Ok(node) => node,
            Err((line, problem)) => {
                self.blame(line, "", problem);
                Node {
                    line,
                    value: Value::Null,
                }
            }
        }
    }

    pub(crate) fn blame(&mut self, line: usize, key: &str, problem: impl Into<String>) {
        self.suggest(line, key, problem, None);
    }

    pub(crate) fn suggest(
        &mut self,
        line: usize,
        key: &str,
        problem: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.problems.push(Problem {
            file: self.file.clone(),
            line,
            key: key.to_owned(),
            problem: problem.into(),
            suggestion,
        });
    }

    pub(crate) const fn is_content(&self) -> bool {
        self.problems.is_empty()
    }

    /// Gives what was read, or all that is wrong in it.
    pub(crate) fn finish<T>(mut self, read: T) -> Result<T, Invalid> {
        if self.problems.is_empty() {
            return Ok(read);
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(Invalid(self.problems))
    }

    /// Takes a mapping, and finds keys that nobody knows.
    pub(crate) fn fields<'a>(
        &mut self,
        node: &'a Node,
        path: &str,
        known: &[&str],
    ) -> Option<Fields<'a>> {
        let Value::Map(entries) = &node.value else {
            let problem = format!("a mapping with {} is expected", known.join(", "));
            self.blame(node.line, path, problem);
            return None;
        };
        for entry in entries {
            if !known.contains(&&*entry.key) {
                let problem = format!("unknown key; known are {}", known.join(", "));
                let meant = similar(&entry.key, known.iter().copied());
                self.suggest(entry.line, &join(path, &entry.key), problem, meant);
            }
        }
        Some(Fields {
            path: path.to_owned(),
            line: node.line,
            entries,
        })
    }

    /// Takes a text that is not empty.
    pub(crate) fn text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let entry = fields.get(key)?;
        match &entry.node.value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            _ => self.expect(fields, entry, "text that is not empty"),
        }
    }

    /// Takes a name: it becomes part of file names, and stands in tables.
    pub(crate) fn name(&mut self, name: &str, line: usize, key: &str) {
        let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty()
            || name.len() > NAME_BYTES_MAX
            || name.starts_with('.')
            || !name.chars().all(accepted)
        {
            let problem = format!(
                "a name is 1 to {NAME_BYTES_MAX} ASCII letters, digits, `_`, `-` and `.`, and does not begin with a `.`"
            );
            self.blame(line, key, problem);
        }
    }

    /// Takes a list of texts, or one text.
    pub(crate) fn texts(&mut self, fields: &Fields<'_>, key: &str) -> Vec<(String, usize)> {
        let Some(entry) = fields.get(key) else {
            return Vec::new();
        };
        let items = match &entry.node.value {
            Value::List(items) => items.as_slice(),
            Value::Text(_) => std::slice::from_ref(&entry.node),
            Value::Null => &[],
            Value::Map(_) => {
                self.expect::<()>(fields, entry, "a list of texts");
                &[]
            }
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) if !text.trim().is_empty() => {
                    texts.push((text.clone(), item.line))
                }
                _ => {
                    let key = join(&fields.path, key);
                    self.blame(
                        item.line,
                        &key,
                        "a list of texts that are not empty is expected",
                    );
                }
            }
        }
        texts
    }

    /// Takes a mapping of names to texts, as an environment is.
    pub(crate) fn pairs(&mut self, fields: &Fields<'_>, key: &str) -> Vec<(String, String)> {
        let Some(entry) = fields.get(key) else {
            return Vec::new();
        };
        let Value::Map(entries) = &entry.node.value else {
            self.expect::<()>(fields, entry, "a mapping of names to texts");
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for pair in entries {
            let key = join(&join(&fields.path, key), &pair.key);
            match &pair.node.value {
                Value::Text(text) if !pair.key.contains('=') && !text.contains('\0') => {
                    pairs.push((pair.key.clone(), text.clone()));
                }
                _ => self.blame(
                    pair.line,
                    &key,
                    "text is expected, under a name without `=`",
                ),
            }
        }
        pairs
    }

    pub(crate) fn boolean(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        let entry = fields.get(key)?;
        match entry.node.as_text() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => self.expect(fields, entry, "true or false"),
        }
    }

    pub(crate) fn number(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let entry = fields.get(key)?;
        let number = entry.node.as_text().and_then(|text| text.parse().ok());
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Some(number),
            None => {
                let expected = format!("a number from {} to {}", bounds.start(), bounds.end());
                self.expect(fields, entry, &expected)
            }
        }
    }

    pub(crate) fn duration(&mut self, fields: &Fields<'_>, key: &str) -> Option<Duration> {
        let entry = fields.get(key)?;
        match entry.node.as_text().and_then(duration) {
            Some(duration) => Some(duration),
            None => self.expect(
                fields,
                entry,
                "a number of ms, s, m or h, up to 24h, such as 30s",
            ),
        }
    }

    fn expect<T>(&mut self, fields: &Fields<'_>, entry: &Entry, expected: &str) -> Option<T> {
        let key = join(&fields.path, &entry.key);
        let problem = match entry.node.as_text() {
            Some(text) => format!("{expected} is expected, found {text:?}"),
            None => format!("{expected} is expected"),
        };
        self.blame(entry.line, &key, problem);
        None
    }
}

/// The longest name: with two of them and a number a file name keeps far below 255 bytes.
const NAME_BYTES_MAX: usize = 64;

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

impl Node {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Reads `500ms`, `30s`, `10m`, `2h`; more than none, at most a day.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u32 = number.parse().ok()?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return None,
    };
    let duration = unit.checked_mul(number)?;
    (!duration.is_zero() && duration <= Duration::from_hours(24)).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_bounds() {
        for (text, expected) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("24h", Some(86_400_000)),
            ("25h", None),
            ("0s", None),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("99999999999s", None),
        ] {
            assert_eq!(
                duration(text),
                expected.map(Duration::from_millis),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_plain_yaml_is_refused_where_it_stands() {
        for (text, problem) in [
            ("a: 1\na: 2\n", "f:2: a is already set on line 1"),
            ("a: &x 1\n", "f:1: anchors and tags are not accepted"),
            ("a: 1\n---\nb: 1\n", "f:3: a second document starts here"),
            (
                "a: [1\n",
                "f:2: while parsing a flow sequence, expected ',' or ']'",
            ),
        ] {
            let mut checker = Checker::new(Path::new("f"));
            checker.parse(text);
            let found = checker.finish(()).unwrap_err().to_string();
            assert_eq!(found, problem);
        }
        for (depth, is_content) in [(16, true), (17, false), (100_000, false)] {
            let mut checker = Checker::new(Path::new("f"));
            checker.parse(&["[".repeat(depth), "]".repeat(depth)].concat());
            assert_eq!(checker.is_content(), is_content, "{depth}");
        }
    }
}
