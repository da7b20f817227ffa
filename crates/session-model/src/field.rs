//! Reading a model from JSON with every problem collected.
//!
//! Serde stops at the first problem; a sender is helped by all of them. So each model is declared once with
//! `model!`, which gives the struct, its JSON Schema and a reader that visits every field.

use std::fmt;

use serde_json::{Map, Value};

/// A value that is read from JSON.
pub trait Field: Sized {
    /// Gives the value that an absent key stands for; `None` where the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Reads the value found at `at`; on a problem notes it in `errors` and gives `None`.
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self>;

    /// Reads a whole document.
    ///
    /// # Errors
    ///
    /// Every field that is wrong, in the order of the model.
    fn from_json(value: &Value) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        match Self::read(value, Place::root(), &mut errors) {
            Some(model) if errors.is_empty() => Ok(model),
            _ => Err(errors),
        }
    }
}

/// A model with a fixed set of keys.
pub trait Keyed {
    /// The keys, in the order in which they are declared.
    const KEYS: &'static [&'static str];
}

impl<T: Field> Field for Option<T> {
    fn absent() -> Option<Self> {
        Some(None)
    }

    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value, at, errors).map(Some),
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::Array(items) = value else {
            errors.add(at, expected("an array", value));
            return None;
        };
        // Every item is visited before the first failure decides.
        let read: Vec<_> = items.iter().map(|item| T::read(item, at, errors)).collect();
        read.into_iter().collect()
    }
}

/// Where a value stands in its document: a chain of keys, spelled out only when something is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    key: &'a str,
    parent: Option<&'a Self>,
}

impl<'a> Place<'a> {
    /// Gives the document itself.
    pub const fn root() -> Self {
        Self {
            key: "",
            parent: None,
        }
    }

    /// Gives the member `key` of this place.
    pub const fn member(&'a self, key: &'a str) -> Self {
        Self {
            key,
            parent: Some(self),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            if !parent.key.is_empty() {
                write!(f, "{parent}.")?;
            }
            f.write_str(self.key)?;
        }
        Ok(())
    }
}

/// One field and what is wrong with it.
#[derive(
    Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct FieldError {
    /// The field's path, such as `user.username`; empty for the document itself.
    pub field: String,
    /// What is wrong, with bound and length where there is one.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}

/// Everything that is wrong with one document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Notes a problem.
    pub fn add(&mut self, at: Place<'_>, message: impl Into<String>) {
        self.0.push(FieldError {
            field: at.to_string(),
            message: message.into(),
        });
    }

    /// Gives these problems and then others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Gives the problems in the order in which they were found.
    pub fn as_slice(&self) -> &[FieldError] {
        &self.0
    }

    /// Tells whether nothing is wrong.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}

/// Reads the member `key` of `object`.
#[doc(hidden)]
pub fn member<T: Field>(
    object: &Map<String, Value>,
    key: &str,
    at: Place<'_>,
    errors: &mut FieldErrors,
) -> Option<T> {
    let place = at.member(key);
    match object.get(key) {
        Some(value) => T::read(value, place, errors),
        None => {
            let absent = T::absent();
            if absent.is_none() {
                errors.add(place, "required");
            }
            absent
        }
    }
}

/// Says which kind of JSON value was expected and which was found.
pub(crate) fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    format!("expected {what}, found {found}")
}

/// Quotes a found string for an error: cut to 60 characters, control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Gives a value its JSON Schema, which stands in place wherever the value does.
macro_rules! inline_schema {
    ([$($generics:tt)*] $type:ty, $schema:expr) => {
        impl<$($generics)*> schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
    ($type:ty, $schema:expr) => {
        inline_schema!([] $type, $schema);
    };
}
pub(crate) use inline_schema;

/// Declares a model: the struct, its serializer, its schema and its reader.
///
/// `required` keys must be there; `defaulted` keys have a value when absent; `optional` keys may be absent or null and
/// are then left out of what is written; `nullable` keys may be absent or null and are always written. Unknown keys
/// are ignored.
macro_rules! model {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($fields:tt)* }) => {
        model!(@build [$(#[$meta])* $vis] $name {} [] $($fields)*);
    };
    (@build [$($meta:tt)*] $name:ident {$($built:tt)*} [$($key:ident)*]
        $(#[$doc:meta])* required $field:ident: $type:ty, $($rest:tt)*) => {
        model!(@build [$($meta)*] $name
            {$($built)* $(#[$doc])* pub $field: $type,} [$($key)* $field] $($rest)*);
    };
    (@build [$($meta:tt)*] $name:ident {$($built:tt)*} [$($key:ident)*]
        $(#[$doc:meta])* defaulted $field:ident: $type:ty, $($rest:tt)*) => {
        model!(@build [$($meta)*] $name
            {$($built)* $(#[$doc])* #[serde(default)] pub $field: $type,} [$($key)* $field] $($rest)*);
    };
    (@build [$($meta:tt)*] $name:ident {$($built:tt)*} [$($key:ident)*]
        $(#[$doc:meta])* optional $field:ident: $type:ty, $($rest:tt)*) => {
        model!(@build [$($meta)*] $name
            {$($built)* $(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,}
            [$($key)* $field] $($rest)*);
    };
    (@build [$($meta:tt)*] $name:ident {$($built:tt)*} [$($key:ident)*]
        $(#[$doc:meta])* nullable $field:ident: $type:ty, $($rest:tt)*) => {
        model!(@build [$($meta)*] $name
            {$($built)* $(#[$doc])* pub $field: Option<$type>,} [$($key)* $field] $($rest)*);
    };
    (@build [$($meta:tt)*] $name:ident {$($built:tt)*} [$($key:ident)*]) => {
        #[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
        $($meta)* struct $name { $($built)* }

        impl $crate::field::Keyed for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }

        impl $crate::field::Field for $name {
            fn read(
                value: &serde_json::Value,
                at: $crate::field::Place<'_>,
                errors: &mut $crate::field::FieldErrors,
            ) -> Option<Self> {
                let serde_json::Value::Object(object) = value else {
                    errors.add(at, $crate::field::expected("an object", value));
                    return None;
                };
                // Every member is visited before the first failure decides.
                $(let $key = $crate::field::member(object, stringify!($key), at, errors);)*
                Some(Self { $($key: $key?,)* })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <serde_json::Value as serde::Deserialize>::deserialize(deserializer)?;
                <Self as $crate::field::Field>::from_json(&value).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use model;
