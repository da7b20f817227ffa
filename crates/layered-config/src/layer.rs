use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::{FileError, Origin, file};

/// Holds what one source says: the text of each key that it sets, with its origin.
///
/// Values come out only through [`Layers`](crate::Layers), which knows the secrets among them.
pub struct Layer {
    source: Source,
    /// `None` for a file that does not exist.
    values: Option<BTreeMap<String, Value>>,
}

/// Names where a layer comes from; later variants are stronger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The program's own defaults.
    Defaults,
    /// The configuration file at this path.
    File(PathBuf),
    /// Variables of the environment.
    Environment,
    /// Arguments of the command line.
    Flags,
}

/// Refuses a variable whose value is not UTF-8. The value is not kept: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} is not UTF-8")]
pub struct VariableError {
    /// The variable's name.
    pub variable: String,
}

/// A value as it was written. Without `Debug`: it may be a secret.
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

impl Layer {
    /// Makes the weakest layer from pairs of key and text.
    pub fn defaults<K, T>(pairs: impl IntoIterator<Item = (K, T)>) -> Self
    where
        K: Into<String>,
        T: Into<String>,
    {
        let value = |text: T| Value {
            text: text.into(),
            origin: Origin::Default,
        };
        Self::new(
            Source::Defaults,
            pairs
                .into_iter()
                .map(|(key, text)| (key.into(), value(text))),
        )
    }

    /// Reads the YAML file at `path`; one that does not exist makes an absent layer.
    ///
    /// # Errors
    ///
    /// The file is unreadable, over [`FILE_SIZE_MAX_BYTES`](crate::FILE_SIZE_MAX_BYTES), or
    /// refused by [`from_yaml`](Self::from_yaml).
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        match file::read(&path)? {
            Some(bytes) => Self::from_yaml(path, &bytes),
            None => Ok(Self {
                source: Source::File(path),
                values: None,
            }),
        }
    }

    /// Parses what the file at `path` holds, without reading it.
    ///
    /// Accepted is one YAML document, empty or a mapping, nested at most
    /// [`DEPTH_MAX`](crate::DEPTH_MAX) deep. Keys are made of ASCII letters, digits, `_` and `-`;
    /// nested ones are joined by dots and at most
    /// [`KEY_LENGTH_MAX_BYTES`](crate::KEY_LENGTH_MAX_BYTES) long. Values keep their text, null
    /// means not set, and a list of single values is joined by commas.
    ///
    /// # Errors
    ///
    /// Anything else, above all anchors, aliases, tags, keys set twice and further documents;
    /// bytes over [`FILE_SIZE_MAX_BYTES`](crate::FILE_SIZE_MAX_BYTES) or not UTF-8.
    pub fn from_yaml(path: impl Into<PathBuf>, bytes: &[u8]) -> Result<Self, FileError> {
        let path = path.into();
        let entries = file::parse(&path, bytes)?;
        let origin = |line| Origin::File {
            path: path.clone(),
            line,
        };
        let values: BTreeMap<_, _> = entries
            .into_iter()
            .map(|entry| {
                (
                    entry.key,
                    Value {
                        text: entry.text,
                        origin: origin(entry.line),
                    },
                )
            })
            .collect();
        Ok(Self::new(Source::File(path), values))
    }

    /// Makes the layer of a file that is not YAML, from key, text and line, as whoever can read it found them.
    pub fn from_entries<K, T>(
        path: impl Into<PathBuf>,
        entries: impl IntoIterator<Item = (K, T, usize)>,
    ) -> Self
    where
        K: Into<String>,
        T: Into<String>,
    {
        let path = path.into();
        let value = |text: T, line| Value {
            text: text.into(),
            origin: Origin::File {
                path: path.clone(),
                line,
            },
        };
        let values: Vec<_> = entries
            .into_iter()
            .map(|(key, text, line)| (key.into(), value(text, line)))
            .collect();
        Self::new(Source::File(path), values)
    }

    /// Takes declared variables, as pairs of key and name, from an environment such as
    /// `|name| std::env::var_os(name)`. An empty variable counts as not set.
    ///
    /// Where two variables serve one key, give each a layer of its own, the stronger one last.
    ///
    /// # Errors
    ///
    /// A declared variable is set, but not to UTF-8.
    pub fn from_environment<K, V>(
        declared: impl IntoIterator<Item = (K, V)>,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, VariableError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut values = BTreeMap::new();
        for (key, variable) in declared {
            let variable = variable.into();
            let Some(text) = lookup(&variable).filter(|text| !text.is_empty()) else {
                continue;
            };
            let Ok(text) = text.into_string() else {
                return Err(VariableError { variable });
            };
            values.insert(
                key.into(),
                Value {
                    text,
                    origin: Origin::Environment { variable },
                },
            );
        }
        Ok(Self::new(Source::Environment, values))
    }

    /// Makes the strongest layer from key, flag as typed, and text if the flag was given.
    ///
    /// A flag that was given an empty text counts as set.
    pub fn from_flags<K, F>(flags: impl IntoIterator<Item = (K, F, Option<String>)>) -> Self
    where
        K: Into<String>,
        F: Into<String>,
    {
        let values = flags.into_iter().filter_map(|(key, flag, text)| {
            Some((
                key.into(),
                Value {
                    text: text?,
                    origin: Origin::Flag { flag: flag.into() },
                },
            ))
        });
        Self::new(Source::Flags, values)
    }

    fn new(source: Source, values: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self {
            source,
            values: Some(values.into_iter().collect()),
        }
    }

    /// Names where the layer comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Tells whether the source exists; only a file can be absent.
    pub fn is_present(&self) -> bool {
        self.values.is_some()
    }

    /// Lists the keys that the layer sets, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values
            .iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.values.as_ref()?.get(key)
    }
}

/// Shows the keys, but no value: a layer does not know which are secret.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer")
            .field("source", &self.source)
            .field("present", &self.is_present())
            .field("keys", &self.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Orders sources by strength; files are equally strong among themselves.
    pub(crate) fn strength(&self) -> u8 {
        match self {
            Self::Defaults => 0,
            Self::File(_) => 1,
            Self::Environment => 2,
            Self::Flags => 3,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Flags => f.write_str("flags"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: [(&str, &str); 2] = [("port", "BUDDY_PORT"), ("host", "BUDDY_HOST")];

    #[test]
    fn only_declared_variables_that_hold_something_are_set() {
        let lookup = |name: &str| match name {
            "BUDDY_PORT" => Some(OsString::from("80")),
            "BUDDY_HOST" => Some(OsString::new()),
            _ => Some(OsString::from("stranger")),
        };
        let layer = Layer::from_environment(DECLARED, lookup).unwrap();
        assert_eq!(layer.keys().collect::<Vec<_>>(), ["port"]);
        assert_eq!(layer.value("port").unwrap().text, "80");
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_refused_by_name() {
        use std::os::unix::ffi::OsStringExt;

        let lookup =
            |name: &str| (name == "BUDDY_HOST").then(|| OsString::from_vec(b"s3cret\xff".to_vec()));
        let error = Layer::from_environment(DECLARED, lookup).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable BUDDY_HOST is not UTF-8"
        );
        assert!(!format!("{error:?}").contains("s3cret"));
    }

    #[test]
    fn a_flag_counts_when_it_was_given_even_if_empty() {
        let flags = [
            ("port", "--port", None),
            ("host", "--host", Some(String::new())),
        ];
        let layer = Layer::from_flags(flags);
        assert_eq!(layer.keys().collect::<Vec<_>>(), ["host"]);
        assert_eq!(layer.value("host").unwrap().text, "");
    }

    #[test]
    fn debug_shows_keys_and_no_values() {
        let layer = Layer::defaults([("token", "s3cret")]);
        let expected = r#"Layer { source: Defaults, present: true, keys: ["token"], .. }"#;
        assert_eq!(format!("{layer:?}"), expected);
    }
}
