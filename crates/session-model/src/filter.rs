//! Which sessions are meant: one set of filters for CLI, REST and MCP.

use serde::Serialize;
use serde_json::Value;

use crate::{
    field::{FieldErrors, Place},
    id::spellings,
    timestamp::Timestamp,
    words::SessionStatus,
};

/// Filters over sessions. Values of one filter are alternatives; different filters are all required.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionFilter {
    /// Kinds of session, exact.
    #[serde(rename = "type")]
    pub session_type: Vec<String>,
    /// Components, exact.
    pub component: Vec<String>,
    /// Account names, exact.
    pub user: Vec<String>,
    /// States.
    pub status: Vec<SessionStatus>,
    /// Sessions that began at this instant or later.
    pub after: Option<Timestamp>,
    /// Sessions that began before this instant.
    pub before: Option<Timestamp>,
    /// Sessions that have run longer than this many seconds, active ones included.
    pub duration_greater: Option<i64>,
    /// Active sessions only.
    pub incomplete: bool,
}

impl SessionFilter {
    /// The names of the filters, as they are spelled in queries and arguments.
    pub const NAMES: [&'static str; 8] = [
        "type",
        "component",
        "user",
        "status",
        "after",
        "before",
        "duration_greater",
        "incomplete",
    ];

    /// Reads a filter from names and values; a repeated name and a comma both give alternatives. Names that are no
    /// filter are left to the caller.
    ///
    /// # Errors
    ///
    /// Every value that is wrong, and `after` where it is later than `before`.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, FieldErrors> {
        let mut filter = Self::default();
        let mut errors = FieldErrors::default();
        for (name, value) in pairs {
            filter.set(name, value, &mut errors);
        }
        if let (Some(after), Some(before)) = (filter.after, filter.before)
            && after > before
        {
            errors.add(
                Place::root().member("after"),
                format!("{after} is later than before, {before}"),
            );
        }
        if errors.is_empty() {
            Ok(filter)
        } else {
            Err(errors)
        }
    }

    fn set(&mut self, name: &str, value: &str, errors: &mut FieldErrors) {
        let mut problem = |message: String| errors.add(Place::root().member(name), message);
        let alternatives = || value.split(',').map(str::trim);
        // A name that is empty by accident must not stand for everybody; an account name may be empty.
        if matches!(name, "type" | "component" | "status") && alternatives().any(str::is_empty) {
            problem("must not be empty".to_owned());
            return;
        }
        match name {
            "type" => self.session_type.extend(alternatives().map(str::to_owned)),
            "component" => {
                for spelling in alternatives().flat_map(spellings) {
                    if !self.component.iter().any(|known| known == spelling) {
                        self.component.push(spelling.to_owned());
                    }
                }
            }
            "user" => self.user.extend(alternatives().map(str::to_owned)),
            "status" => {
                for word in alternatives() {
                    match word.parse() {
                        Ok(status) => self.status.push(status),
                        Err(error) => problem(format!("{error}")),
                    }
                }
            }
            "after" | "before" => match instant(value) {
                Ok(instant) if name == "after" => self.after = Some(instant),
                Ok(instant) => self.before = Some(instant),
                Err(error) => problem(error),
            },
            "duration_greater" => match value.parse() {
                Ok(seconds) if seconds >= 0 => self.duration_greater = Some(seconds),
                _ => problem(format!(
                    "expected a number of seconds from 0 to {}, found {value:?}",
                    i64::MAX
                )),
            },
            "incomplete" => match value {
                "true" | "1" | "yes" | "on" | "" => self.incomplete = true,
                "false" | "0" | "no" | "off" => self.incomplete = false,
                _ => problem(format!("expected true or false, found {value:?}")),
            },
            _ => {}
        }
    }

    /// Reads a filter from a tool's arguments: texts, numbers, booleans or arrays of texts.
    ///
    /// # Errors
    ///
    /// As [`SessionFilter::from_pairs`].
    pub fn from_arguments(arguments: &serde_json::Map<String, Value>) -> Result<Self, FieldErrors> {
        let pairs = Self::pairs_of(arguments);
        Self::from_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// Gives the names and values of a tool's arguments, as a query has them: a value for each text of an array. Null is
    /// absent.
    pub fn pairs_of(arguments: &serde_json::Map<String, Value>) -> Vec<(&str, String)> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        arguments
            .iter()
            .filter(|(_, value)| !value.is_null())
            .flat_map(|(name, value)| match value {
                Value::Array(values) => values
                    .iter()
                    .map(|value| (name.as_str(), text(value)))
                    .collect(),
                value => vec![(name.as_str(), text(value))],
            })
            .collect()
    }

    /// Gives the names and values from which [`SessionFilter::from_pairs`] makes this filter.
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let mut texts = |name, values: &[String]| {
            pairs.extend(values.iter().map(|value| (name, value.clone())))
        };
        texts("type", &self.session_type);
        texts("component", &self.component);
        texts("user", &self.user);
        pairs.extend(
            self.status
                .iter()
                .map(|status| ("status", status.to_string())),
        );
        pairs.extend(self.after.map(|after| ("after", after.to_string())));
        pairs.extend(self.before.map(|before| ("before", before.to_string())));
        pairs.extend(
            self.duration_greater
                .map(|seconds| ("duration_greater", seconds.to_string())),
        );
        pairs.extend(self.incomplete.then(|| ("incomplete", "true".to_owned())));
        pairs
    }
}

/// Reads an instant, or a date, which means its first instant in UTC.
fn instant(text: &str) -> Result<Timestamp, String> {
    let with_time = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    with_time
        .parse()
        .map_err(|error| format!("{error} or a date such as 2026-02-06, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn commas_and_repeats_are_alternatives() {
        let filter = SessionFilter::from_pairs([
            ("user", "les,ana"),
            ("user", "bo"),
            ("status", "active"),
            ("x", "y"),
        ])
        .unwrap();
        assert_eq!(filter.user, ["les", "ana", "bo"]);
        assert_eq!(
            SessionFilter::from_pairs(filter.to_pairs().iter().map(|(n, v)| (*n, v.as_str()))),
            Ok(filter)
        );
    }

    #[test]
    fn a_component_is_meant_in_all_its_spellings() {
        for typed in ["akasha", "akosha", "akosha,akasha"] {
            let filter = SessionFilter::from_pairs([("component", typed)]).unwrap();
            assert_eq!(filter.component, ["akosha", "akasha"], "{typed}");
        }
    }

    #[test]
    fn arguments_give_the_filter_that_a_query_gives() {
        let Value::Object(arguments) = json!({"user": ["les", "ana"], "duration_greater": 60, "incomplete": true, "after": null})
        else {
            unreachable!("the literal is an object")
        };
        assert_eq!(
            SessionFilter::from_arguments(&arguments),
            SessionFilter::from_pairs([
                ("user", "les,ana"),
                ("duration_greater", "60"),
                ("incomplete", "true")
            ])
        );
    }

    #[test]
    fn every_wrong_value_is_named() {
        let empty = SessionFilter::from_pairs([("component", "")]).unwrap_err();
        assert_eq!(empty.to_string(), "component: must not be empty");
        assert_eq!(
            SessionFilter::from_pairs([("user", "")]).unwrap().user,
            [""]
        );
        let pairs = [
            ("status", "gone"),
            ("after", "yesterday"),
            ("duration_greater", "-1"),
            ("incomplete", "maybe"),
        ];
        let errors = SessionFilter::from_pairs(pairs).unwrap_err();
        let fields: Vec<_> = errors
            .as_slice()
            .iter()
            .map(|error| error.field.as_str())
            .collect();
        assert_eq!(
            fields,
            ["status", "after", "duration_greater", "incomplete"]
        );
        let errors = SessionFilter::from_pairs([("after", "2026-02-08"), ("before", "2026-02-01")])
            .unwrap_err();
        assert!(errors.to_string().starts_with("after: "), "{errors}");
    }
}
