//! Bounded texts and numbers.

use std::{fmt, ops::Deref};

use schemars::json_schema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::field::{Field, FieldErrors, Place, expected, inline_schema, quoted};

/// The pattern that keeps U+0000 out, which no C program and no SQL text can hold.
pub(crate) const NO_NUL: &str = "^[^\\u0000]*$";

/// Finds what is wrong with a text of at most `max` code points; shared by all texts.
pub(crate) fn text_problem(text: &str, max: usize) -> Option<String> {
    // A text of at most `max` bytes has at most `max` code points.
    let length = if text.len() <= max {
        text.len()
    } else {
        text.chars().count()
    };
    if length > max {
        Some(format!("at most {max} characters, found {length}"))
    } else if text.contains('\0') {
        Some("U+0000 is not allowed".to_owned())
    } else {
        None
    }
}

/// Reads a string, or notes that there is none.
pub(crate) fn string<'a>(
    value: &'a Value,
    at: Place<'_>,
    errors: &mut FieldErrors,
) -> Option<&'a str> {
    let Value::String(text) = value else {
        errors.add(at, expected("a string", value));
        return None;
    };
    Some(text)
}

/// A text of at most `MAX` code points without U+0000, kept as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// A text of at most `MAX` code points without U+0000, its outer white space taken off after it was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Trimmed<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Takes a text that is within bounds.
    ///
    /// # Errors
    ///
    /// What is wrong with it, naming bound and length.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        text_problem(&text, MAX).map_or(Ok(Self(text)), Err)
    }

    /// Takes as much of a text as the bound allows, cut at a character boundary, U+0000 left out.
    ///
    /// ```
    /// let cut = session_model::Text::<3>::cut("né\0glige");
    /// assert_eq!(&*cut, "nég");
    /// ```
    pub fn cut(text: &str) -> Self {
        Self(text.chars().filter(|&c| c != '\0').take(MAX).collect())
    }
}

impl<const MAX: usize> Trimmed<MAX> {
    /// Takes as much of a text as the bound allows, U+0000 left out, outer white space taken off before and after the
    /// cut at a character boundary.
    ///
    /// ```
    /// let cut = session_model::Trimmed::<4>::cut(" \0 né glige");
    /// assert_eq!(&*cut, "né g");
    /// assert_eq!(&*session_model::Trimmed::<3>::cut("né glige"), "né");
    /// ```
    pub fn cut(text: &str) -> Self {
        let text = text.replace('\0', "");
        let cut: String = text.trim().chars().take(MAX).collect();
        Self(cut.trim_end().to_owned())
    }
}

macro_rules! bounded_text {
    ($name:ident, $keep:expr) => {
        impl<const MAX: usize> Field for $name<MAX> {
            fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
                let text = string(value, at, errors)?;
                match text_problem(text, MAX) {
                    Some(problem) => {
                        errors.add(at, problem);
                        None
                    }
                    None => Some(Self($keep(text).to_owned())),
                }
            }
        }

        impl<const MAX: usize> Deref for $name<MAX> {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<const MAX: usize> fmt::Display for $name<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        inline_schema!([const MAX: usize] $name<MAX>, {
            json_schema!({"type": "string", "maxLength": MAX, "pattern": NO_NUL})
        });
    };
}

bounded_text!(Text, |text| text);
bounded_text!(Trimmed, str::trim);

/// The kind of a session: 1 to 50 of `[a-z0-9_-]`; `admin_shell` unless its sender says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionType(String);

impl SessionType {
    /// Gives the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SessionType {
    fn default() -> Self {
        Self("admin_shell".to_owned())
    }
}

impl fmt::Display for SessionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Field for SessionType {
    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        if value.is_null() {
            return Self::absent();
        }
        let text = string(value, at, errors)?;
        let word = text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if word && (1..=50).contains(&text.len()) {
            return Some(Self(text.to_owned()));
        }
        errors.add(
            at,
            format!(
                "expected 1 to 50 of a-z, 0-9, _ and -, found {}",
                quoted(text)
            ),
        );
        None
    }
}

inline_schema!(SessionType, {
    json_schema!({
        "type": ["string", "null"],
        "pattern": "^[a-z0-9_-]{1,50}$",
        "default": "admin_shell",
    })
});

/// An integer from `MIN` to `MAX`; a float without a fraction counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Integer<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Integer<MIN, MAX> {
    /// Takes an integer that is within bounds.
    ///
    /// # Errors
    ///
    /// The bounds and what was found.
    pub fn new(number: i64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(format!(
            "expected an integer from {MIN} to {MAX}, found {number}"
        ))
    }

    /// Gives the number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// Gives the integer that a JSON number stands for; `None` where it has a fraction or needs more than 64 bits.
fn integral(number: &serde_json::Number) -> Option<i64> {
    /// 2^63: the first float above every i64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "integral and within the bounds of i64 by the guard"
        )]
        (float.fract() == 0.0 && (-LIMIT..LIMIT).contains(&float)).then_some(float as i64)
    })
}

impl<const MIN: i64, const MAX: i64> Field for Integer<MIN, MAX> {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::Number(number) = value else {
            errors.add(at, expected("an integer", value));
            return None;
        };
        match integral(number).map(Self::new) {
            Some(Ok(integer)) => return Some(integer),
            Some(Err(problem)) => errors.add(at, problem),
            None => errors.add(
                at,
                format!("expected an integer from {MIN} to {MAX}, found {number}"),
            ),
        }
        None
    }
}

inline_schema!([const MIN: i64, const MAX: i64] Integer<MIN, MAX>, {
    json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
});

/// A process id: 1 to 4194304 (2^22, the kernel's limit). Read from an integer, a float without a fraction, or a
/// decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Pid(Integer<1, 4_194_304>);

impl Pid {
    /// Takes a process id.
    ///
    /// # Errors
    ///
    /// The bounds and what was found.
    pub fn new(number: i64) -> Result<Self, String> {
        Integer::new(number).map(Self)
    }

    /// Gives the number.
    pub const fn get(self) -> i64 {
        self.0.get()
    }
}

impl Field for Pid {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::String(text) = value else {
            return Integer::read(value, at, errors).map(Self);
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits
            .then(|| text.trim_start_matches('0').parse().ok())
            .flatten();
        let pid = number
            .and_then(|number| Integer::new(number).ok())
            .map(Self);
        if pid.is_none() {
            errors.add(
                at,
                format!(
                    "expected an integer from 1 to 4194304, found {}",
                    quoted(text)
                ),
            );
        }
        pid
    }
}

inline_schema!(Pid, {
    json_schema!({
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": 4_194_304,
        "pattern": "^0*([1-9][0-9]{0,5}|[1-3][0-9]{6}|40[0-9]{5}|41[0-8][0-9]{4}|419[0-3][0-9]{3}\
            |4194[0-2][0-9]{2}|419430[0-4])$",
    })
});

/// A finite number that is not negative.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Number(f64);

impl Number {
    /// Takes a number that is finite and not negative; anything else becomes 0.
    pub fn saturating(number: f64) -> Self {
        Self(if number.is_finite() {
            number.max(0.0)
        } else {
            0.0
        })
    }

    /// Gives the number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Field for Number {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Some(number) = value.as_f64() else {
            errors.add(at, expected("a number", value));
            return None;
        };
        if number < 0.0 {
            errors.add(
                at,
                format!("expected a number of at least 0, found {number}"),
            );
            return None;
        }
        // -0.0 is not below zero; it is written as the zero that it equals.
        Some(Self(number.abs()))
    }
}

inline_schema!(Number, json_schema!({"type": "number", "minimum": 0}));

impl Field for f64 {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let number = value.as_f64();
        if number.is_none() {
            errors.add(at, expected("a number", value));
        }
        number
    }
}

impl Field for bool {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let boolean = value.as_bool();
        if boolean.is_none() {
            errors.add(at, expected("a boolean", value));
        }
        boolean
    }
}

impl Field for String {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        string(value, at, errors).map(str::to_owned)
    }
}

/// What a sender wants to keep beside an event: a JSON object of at most 16 KiB, 16 levels deep, without U+0000.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// The most bytes of its compact JSON.
    pub const BYTES_MAX: usize = 16 * 1024;
    /// The most levels of objects and arrays, itself included.
    pub const DEPTH_MAX: usize = 16;

    /// Takes members that are within bounds.
    ///
    /// # Errors
    ///
    /// What is wrong with them, naming bound and size.
    pub fn new(members: Map<String, Value>) -> Result<Self, String> {
        Self::problem(&members).map_or(Ok(Self(members)), Err)
    }

    fn problem(members: &Map<String, Value>) -> Option<String> {
        if let Some(problem) = members_problem(members, Self::DEPTH_MAX - 1) {
            return Some(problem.to_owned());
        }
        let bytes = json_bytes(members);
        (bytes > Self::BYTES_MAX)
            .then(|| format!("at most {} bytes as JSON, found {bytes}", Self::BYTES_MAX))
    }

    /// Gives the members.
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Tells what is wrong with a value that may have `levels` of nesting and no U+0000.
fn value_problem(value: &Value, levels: usize) -> Option<&'static str> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => text.contains('\0').then_some(METADATA_NUL),
        Value::Array(_) | Value::Object(_) if levels == 0 => Some("at most 16 levels deep"),
        Value::Array(items) => items
            .iter()
            .find_map(|item| value_problem(item, levels - 1)),
        Value::Object(members) => members_problem(members, levels - 1),
    }
}

/// Tells what is wrong with the members of an object, whose values may have `levels` of nesting.
fn members_problem(members: &Map<String, Value>, levels: usize) -> Option<&'static str> {
    members.iter().find_map(|(key, value)| {
        key.contains('\0')
            .then_some(METADATA_NUL)
            .or_else(|| value_problem(value, levels))
    })
}

const METADATA_NUL: &str = "U+0000 is not allowed";

/// Counts the bytes of an object's compact JSON without writing them anywhere.
fn json_bytes(members: &Map<String, Value>) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, members)
        .expect("counting cannot fail, and every Value can be written");
    counter.0
}

impl Field for Metadata {
    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::Object(members) = value else {
            errors.add(at, expected("an object", value));
            return None;
        };
        if let Some(problem) = Self::problem(members) {
            errors.add(at, problem);
            return None;
        }
        Some(Self(members.clone()))
    }
}

impl<'de> serde::Deserialize<'de> for Metadata {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(&value).map_err(serde::de::Error::custom)
    }
}

inline_schema!(Metadata, {
    json_schema!({
        "type": "object",
        "description": "at most 16 KiB as JSON, 16 levels deep, without U+0000",
    })
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_float_without_a_fraction_is_an_integer_up_to_the_last_one() {
        type Any = Integer<{ i64::MIN }, { i64::MAX }>;
        assert_eq!(Any::from_json(&json!(7.0)).map(Integer::get), Ok(7));
        assert_eq!(
            Any::from_json(&json!(-9_223_372_036_854_775_808.0)).map(Integer::get),
            Ok(i64::MIN)
        );
        for refused in [
            json!(7.5),
            json!(9.3e18),
            json!(u64::MAX),
            json!("7"),
            json!(true),
        ] {
            assert!(Any::from_json(&refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn metadata_is_bounded_in_bytes_depth_and_characters() {
        let of_bytes = |bytes: usize| json!({"k": "x".repeat(bytes - r#"{"k":""}"#.len())});
        let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"k": inner}));
        assert!(Metadata::from_json(&of_bytes(16_384)).is_ok());
        assert_eq!(
            Metadata::from_json(&of_bytes(16_385))
                .unwrap_err()
                .to_string(),
            "at most 16384 bytes as JSON, found 16385"
        );
        assert!(Metadata::from_json(&deep(16)).is_ok());
        assert!(Metadata::from_json(&deep(17)).is_err());
        assert!(Metadata::from_json(&json!({"k": ["\0"]})).is_err());
        assert!(Metadata::from_json(&json!({"\0": 1})).is_err());
    }

    #[test]
    fn metadata_is_made_of_members_within_the_same_bounds() {
        let made = |value: Value| Metadata::new(value.as_object().unwrap().clone());
        let small = json!({"k": [{"a": 1}]});
        assert_eq!(
            made(small.clone()),
            Ok(Metadata::from_json(&small).unwrap())
        );
        for (refused, problem) in [
            (
                json!({"k": "x".repeat(16_377)}),
                "at most 16384 bytes as JSON, found 16385",
            ),
            (json!({"k": ["\0"]}), "U+0000 is not allowed"),
            (
                (1..17).fold(json!({}), |inner, _| json!({"k": inner})),
                "at most 16 levels deep",
            ),
        ] {
            assert_eq!(made(refused), Err(problem.to_owned()));
        }
    }

    #[test]
    fn a_cut_text_is_one_that_is_read_back_the_same() {
        for (text, cut) in [
            ("", ""),
            (" \0 a \0", "a"),
            ("ab  cd", "ab"),
            ("🦀🦀🦀🦀🦀", "🦀🦀🦀🦀"),
        ] {
            let made = Trimmed::<4>::cut(text);
            assert_eq!(&*made, cut, "{text:?}");
            assert_eq!(Trimmed::from_json(&json!(cut)), Ok(made));
        }
    }

    #[test]
    fn a_pid_is_within_the_kernels_bounds() {
        assert_eq!(Pid::new(4_194_304).map(Pid::get), Ok(4_194_304));
        assert!(Pid::new(0).is_err() && Pid::new(4_194_305).is_err());
    }

    #[test]
    fn length_counts_code_points_and_names_bound_and_length() {
        assert!(Text::<3>::from_json(&json!("🦀🦀🦀")).is_ok());
        let errors = Text::<3>::from_json(&json!("🦀🦀🦀🦀")).unwrap_err();
        assert_eq!(errors.to_string(), "at most 3 characters, found 4");
    }
}
