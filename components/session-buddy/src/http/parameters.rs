//! Parameters that lists and reports take: one table for the arguments of tools and for the queries of routes.

use serde_json::{Value, json};
use session_model::{Search, SessionStatus, words::Period};

use super::api::PAGE_MAX;
use crate::analytics::request::{COMPONENTS, COMPONENTS_MAX, DAYS, DAYS_MAX, Metric, ViewName};

/// A parameter.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    description: &'static str,
    kind: Kind,
    required: bool,
}

/// What a parameter is made of.
#[derive(Clone, Copy)]
enum Kind {
    /// Alternatives; none of them may be blank unless said otherwise.
    Texts { may_be_blank: bool },
    /// Alternatives out of a set.
    Words(fn() -> Vec<&'static str>),
    /// One of a set.
    Word(fn() -> Vec<&'static str>),
    /// One text.
    Text,
    /// An instant or a date.
    Time,
    /// Words to search for.
    Search,
    /// A zone of the system's database.
    Zone,
    /// A text of a format that a schema can only name.
    Format(&'static str),
    /// From the first to the second; the third unless asked otherwise.
    Integer(u64, u64, Option<u32>),
    /// Yes or no, by any of these words.
    Switch(&'static [&'static str]),
}

const fn parameter(name: &'static str, description: &'static str, kind: Kind) -> Parameter {
    Parameter {
        name,
        description,
        kind,
        required: false,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is 1,000")]
const PAGE: Option<u32> = Some(PAGE_MAX as u32);

const TYPE: Parameter = parameter(
    "type",
    "Kind of session, such as admin_shell",
    Kind::Texts {
        may_be_blank: false,
    },
);
const COMPONENT: Parameter = parameter(
    "component",
    "Component",
    Kind::Texts {
        may_be_blank: false,
    },
);
const USER: Parameter = parameter("user", "Account name", Kind::Texts { may_be_blank: true });
const STATUS: Parameter = parameter(
    "status",
    "active, ended or lost",
    Kind::Words(|| {
        SessionStatus::ALL
            .iter()
            .map(|word| word.as_str())
            .collect()
    }),
);
const AFTER: Parameter = parameter(
    "after",
    "Began at this time or later, RFC 3339 or a date",
    Kind::Time,
);
const BEFORE: Parameter = parameter(
    "before",
    "Began before this time, RFC 3339 or a date",
    Kind::Time,
);
const DURATION_GREATER: Parameter = parameter(
    "duration_greater",
    "Ran longer than this, seconds",
    Kind::Integer(0, i64::MAX as u64, None),
);
const INCOMPLETE: Parameter = parameter(
    "incomplete",
    "Only what is active",
    Kind::Switch(&["true", "false", "1", "0", "yes", "no", "on", "off", ""]),
);
const SEARCH: Parameter = parameter(
    "search",
    "Has these words in component, user, host, folder, reason, error or metadata; the last one may be a beginning, \"...\" keeps \
     words together",
    Kind::Search,
);
const LIMIT: Parameter = parameter(
    "limit",
    "The most to give",
    Kind::Integer(1, PAGE_MAX as u64, PAGE),
);

/// The filters of sessions, in the order of [`session_model::SessionFilter::NAMES`].
const FILTERS: &[Parameter] = &[
    TYPE,
    COMPONENT,
    USER,
    STATUS,
    AFTER,
    BEFORE,
    DURATION_GREATER,
    INCOMPLETE,
    SEARCH,
];

/// Gives those of a list of sessions.
pub(super) fn list() -> Vec<Parameter> {
    let of_pages = [
        LIMIT,
        parameter(
            "cursor",
            "next_cursor of the page before",
            Kind::Format("session-cursor"),
        ),
        parameter(
            "count",
            "Say in X-Total-Count how many match in all, however long that takes",
            Kind::Switch(&["true", "false", "1", "0"]),
        ),
    ];
    [FILTERS, &of_pages].concat()
}

/// Gives those of an export.
pub(super) fn export() -> Vec<Parameter> {
    let format = Parameter {
        required: true,
        ..parameter(
            "format",
            "How sessions are written",
            Kind::Word(|| vec!["csv", "json", "ndjson"]),
        )
    };
    [&[format][..], FILTERS].concat()
}

/// Of a stream of what happens.
pub(super) const FOLLOW: &[Parameter] = &[
    TYPE,
    COMPONENT,
    USER,
    STATUS,
    parameter(
        "since",
        "Begins with what happened at this time, RFC 3339 or a date, instead of what happens from now on",
        Kind::Time,
    ),
];

/// Of a report.
pub(super) const REPORT: &[Parameter] = &[
    Parameter {
        required: true,
        ..parameter(
            "metric",
            "What to tell",
            Kind::Word(|| Metric::ALL.map(Metric::as_str).to_vec()),
        )
    },
    parameter(
        "period",
        "Of count, which goes by day without, and of unique_users",
        Kind::Word(|| Period::ALL.iter().map(|word| word.as_str()).collect()),
    ),
    TYPE,
    COMPONENT,
    USER,
    AFTER,
    BEFORE,
    parameter("tz", "Zone in which hours and days are meant", Kind::Zone),
];

/// Of the list of acts.
pub(super) const ACTS: &[Parameter] = &[
    LIMIT,
    parameter(
        "cursor",
        "Of the link of the page before",
        Kind::Format("act-cursor"),
    ),
];

/// Gives those of a view.
pub(super) fn of_view(view: ViewName) -> Vec<Parameter> {
    let known = [
        parameter(
            "days",
            "How many days back",
            Kind::Integer(1, DAYS_MAX as u64, Some(DAYS)),
        ),
        parameter("component", "Component", Kind::Text),
        parameter(
            "limit",
            "The most components to give",
            Kind::Integer(1, COMPONENTS_MAX as u64, Some(COMPONENTS)),
        ),
    ];
    let taken = known.into_iter();
    taken
        .filter(|known| view.names().contains(&known.name))
        .collect()
}

/// At least one character of each alternative is no white space (Unicode's `White_Space`, which is what is trimmed).
const NOT_BLANK: &str = "^[^,]*[^,\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000][^,]*\
    (,[^,]*[^,\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000][^,]*)*$";

impl Parameter {
    /// Gives its schema as an argument of a tool, where null is absent.
    pub(super) fn argument(&self) -> Value {
        let mut schema = match self.kind {
            Kind::Texts { .. } | Kind::Words(_) => json!({
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
            }),
            Kind::Word(words) if self.required => json!({"type": "string", "enum": words()}),
            Kind::Word(words) => {
                let words = words().into_iter().map(Value::from).chain([Value::Null]);
                json!({"type": ["string", "null"], "enum": words.collect::<Vec<_>>()})
            }
            Kind::Text | Kind::Time | Kind::Format(_) => json!({"type": ["string", "null"]}),
            Kind::Search => {
                json!({"type": ["string", "null"], "maxLength": Search::CHARACTERS_MAX})
            }
            Kind::Zone => json!({"type": ["string", "null"], "default": "UTC"}),
            Kind::Integer(minimum, maximum, default) => {
                json!({"type": ["integer", "null"], "minimum": minimum, "maximum": maximum, "default": default})
            }
            Kind::Switch(_) => json!({"type": ["boolean", "null"]}),
        };
        schema["description"] = match self.kind {
            Kind::Texts { .. } | Kind::Words(_) => {
                format!("{}; several are alternatives", self.description).into()
            }
            _ => self.description.into(),
        };
        without_null_default(schema)
    }

    /// Gives it as a parameter of a query in OpenAPI.
    pub(super) fn query(&self) -> Value {
        let schema = match self.kind {
            Kind::Texts { may_be_blank: true } => {
                json!({"type": "array", "items": {"type": "string"}})
            }
            Kind::Texts {
                may_be_blank: false,
            } => json!({"type": "array", "items": {"type": "string", "pattern": NOT_BLANK}}),
            Kind::Words(words) => json!({"type": "array", "items": {"enum": words()}}),
            Kind::Word(words) => json!({"type": "string", "enum": words()}),
            Kind::Text => json!({"type": "string"}),
            Kind::Time => json!({
                "type": "string",
                "anyOf": [{"format": "date-time"}, {"format": "date"}],
            }),
            Kind::Search => json!({
                "type": "string",
                "format": "search",
                "maxLength": Search::CHARACTERS_MAX,
            }),
            Kind::Zone => json!({"type": "string", "format": "time-zone", "default": "UTC"}),
            Kind::Format(format) => json!({"type": "string", "format": format}),
            Kind::Integer(minimum, maximum, default) => {
                json!({"type": "integer", "minimum": minimum, "maximum": maximum, "default": default})
            }
            Kind::Switch(words) => json!({"type": "string", "enum": words}),
        };
        let description = match self.kind {
            Kind::Texts { .. } | Kind::Words(_) => {
                format!(
                    "{}; repeated or separated by commas, these are alternatives",
                    self.description
                )
            }
            _ => self.description.to_owned(),
        };
        json!({
            "name": self.name,
            "in": "query",
            "description": description,
            "required": self.required,
            "schema": without_null_default(schema),
        })
    }
}

fn without_null_default(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.retain(|keyword, value| keyword != "default" || !value.is_null());
    }
    schema
}

#[cfg(test)]
mod tests {
    use session_model::SessionFilter;

    use super::*;
    use crate::analytics::request::REPORT_NAMES;

    fn names(parameters: &[Parameter]) -> Vec<&str> {
        parameters.iter().map(|known| known.name).collect()
    }

    #[test]
    fn the_tables_name_what_the_readers_know() {
        let of_lists = SessionFilter::NAMES.into_iter();
        let of_lists: Vec<_> = of_lists.chain(["limit", "cursor", "count"]).collect();
        assert_eq!(names(&list()), of_lists);
        assert_eq!(names(REPORT), REPORT_NAMES);
        for view in [ViewName::Sessions, ViewName::Components, ViewName::Active] {
            assert_eq!(names(&of_view(view)), view.names());
        }
    }
}
