//! Which sessions, of which servers: what `list-sessions` has as flags, as a map, as a text or as flags.

use std::path::PathBuf;

use admin_shell::dates;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use session_client::Destination;
use session_model::{SessionFilter, SessionStatus, Timestamp};

use crate::{
    history::{Name, Visit},
    settings::Settings,
    source::Source,
    words,
};

/// What names servers, beside the names of [`SessionFilter`].
const SERVER: &str = "server";

/// Which sessions are meant, and where they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Which sessions.
    pub filter: SessionFilter,
    /// The servers that were named.
    pub servers: Vec<Destination>,
}

/// A filter is wrong: which, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectionError(String);

impl Selection {
    /// Reads a map of filters, whose values are texts, numbers, booleans, or lists of them; a text such as
    /// `component=akosha status=lost`; or nothing. Times are meant in `zone`, ages counted back from `now`.
    ///
    /// # Errors
    ///
    /// What is wrong, by its name.
    pub fn read(
        filters: Option<&Value>,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<Self, SelectionError> {
        let pairs = match filters {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(map)) => of_map(map)?,
            Some(Value::String(text)) => of_text(text)?,
            Some(other) => {
                let problem = format!(
                    "filters: a map such as #{{user: \"les\"}} or a text such as \"user=les\" is expected, found {other}"
                );
                return Err(SelectionError(problem));
            }
        };
        let (servers, pairs): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(name, _)| name == SERVER);
        let servers = servers
            .iter()
            .flat_map(|(_, text)| text.split(','))
            .map(|text| text.trim().parse());
        let servers: Result<_, String> = servers.collect();
        let pairs = pairs
            .into_iter()
            .map(|(name, value)| at_time(name, value, now, zone))
            .collect::<Result<Vec<_>, _>>()?;
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        Ok(Self {
            servers: servers.map_err(|problem| SelectionError(format!("{SERVER}: {problem}")))?,
            filter: SessionFilter::from_pairs(pairs)
                .map_err(|errors| SelectionError(errors.to_string()))?,
        })
    }

    /// Gives where to read: the servers that were named, else those that are set, else the one of this user.
    #[must_use]
    pub fn sources(&self, settings: &Settings, own_socket: PathBuf) -> Vec<Source> {
        let named = [&self.servers, &settings.servers];
        let named = named.into_iter().find(|servers| !servers.is_empty());
        let Some(named) = named else {
            return vec![Source::Own(own_socket)];
        };
        let mut sources: Vec<Source> = Vec::with_capacity(named.len());
        for server in named {
            let source = Source::Server(server.clone());
            // Whoever is named twice is asked once.
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }
}

/// Tells whether a filter takes a session, as a server does.
pub(crate) fn takes(filter: &SessionFilter, visit: &Visit) -> bool {
    fn is_one_of(names: &[String], name: &Name) -> bool {
        names.is_empty() || names.iter().any(|known| **known == **name)
    }
    #[expect(clippy::cast_precision_loss, reason = "nothing runs for 2^52 seconds")]
    let is_long = |least: i64| {
        visit
            .duration_seconds
            .is_some_and(|seconds| seconds > least as f64)
    };
    is_one_of(&filter.session_type, &visit.session_type)
        && is_one_of(&filter.component, &visit.component)
        && is_one_of(&filter.user, &visit.user)
        && (filter.status.is_empty() || filter.status.contains(&visit.status))
        && filter.after.is_none_or(|after| visit.start >= after)
        && filter.before.is_none_or(|before| visit.start < before)
        && filter.duration_greater.is_none_or(is_long)
        && (!filter.incomplete || visit.status == SessionStatus::Active)
}

fn of_map(map: &Map<String, Value>) -> Result<Vec<(String, String)>, SelectionError> {
    let mut pairs = Vec::new();
    for (name, value) in map {
        let name = known(name)?;
        match value {
            Value::Null => {}
            Value::Array(items) => {
                for item in items {
                    pairs.push((name.clone(), text(&name, item)?));
                }
            }
            value => pairs.push((name.clone(), text(&name, value)?)),
        }
    }
    Ok(pairs)
}

fn text(name: &str, value: &Value) -> Result<String, SelectionError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(SelectionError(format!(
            "{name}: a text, a number, a boolean or a list of them is expected, found {value}"
        ))),
    }
}

fn of_text(text: &str) -> Result<Vec<(String, String)>, SelectionError> {
    let words = text.split_whitespace();
    let pair = |word: &str| match word.split_once('=') {
        Some((name, value)) => Ok((known(name)?, value.to_owned())),
        None if word == "incomplete" => Ok((word.to_owned(), "true".to_owned())),
        None => Err(SelectionError(format!(
            "filters: pairs such as user=les are expected, found {word:?}"
        ))),
    };
    words.map(pair).collect()
}

/// Gives a filter's name as it is spelled here.
fn known(name: &str) -> Result<String, SelectionError> {
    let spelled = name.replace('-', "_");
    let names = SessionFilter::NAMES.into_iter().chain([SERVER]);
    if names.clone().any(|known| known == spelled) {
        return Ok(spelled);
    }
    Err(SelectionError(words::unknown("filter", name, names)))
}

/// Writes what people type for a time as an instant.
fn at_time(
    name: String,
    value: String,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<(String, String), SelectionError> {
    if !matches!(&*name, "after" | "before") {
        return Ok((name, value));
    }
    match dates::instant(&value, now, zone) {
        Ok(at) => Ok((name, at.to_string())),
        Err(problem) => Err(SelectionError(format!("{name}: {problem}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(filters: Value) -> Result<Selection, String> {
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        Selection::read(Some(&filters), now, &TimeZone::UTC).map_err(|error| error.to_string())
    }

    #[test]
    fn a_map_and_a_text_mean_the_same() {
        let map = json!({"user": ["les", "ana"], "status": "lost", "after": "7d", "duration_greater": 60, "server": "unix:/s"});
        let text = "user=les,ana status=lost after=7d duration-greater=60 server=unix:/s";
        let selection = read(map).unwrap();
        assert_eq!(Ok(selection.clone()), read(json!(text)));
        assert_eq!(selection.filter.user, ["les", "ana"]);
        assert_eq!(selection.filter.status, [SessionStatus::Lost]);
        let after = selection.filter.after.map(|after| after.to_string());
        assert_eq!(after.as_deref(), Some("2026-11-20T12:00:00.000000Z"));
        assert_eq!(selection.servers, [Destination::Socket("/s".into())]);
        assert_eq!(read(Value::Null), Ok(Selection::default()));
    }

    #[test]
    fn a_filter_takes_what_a_server_would_give() {
        let visit = Visit {
            duration_seconds: Some(60.0),
            ..Visit::new(
                "1",
                "billing",
                "les",
                "ops",
                "2026-11-26T12:00:00Z".parse().unwrap(),
            )
        };
        for (filters, is_taken) in [
            ("", true),
            ("user=les,ana component=billing type=admin_shell", true),
            ("user=ana", false),
            ("component=vault", false),
            ("type=x", false),
            ("status=ended", true),
            ("status=lost,active", false),
            ("after=2026-11-26T12:00:00Z", true),
            ("before=2026-11-26T12:00:00Z", false),
            ("duration_greater=59", true),
            ("duration_greater=60", false),
            ("incomplete", false),
        ] {
            let filter = read(json!(filters)).unwrap().filter;
            assert_eq!(takes(&filter, &visit), is_taken, "{filters}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (filters, problem) in [
            (
                json!({"usr": "les"}),
                "there is no filter \"usr\", did you mean user?",
            ),
            (
                json!("les"),
                "filters: pairs such as user=les are expected, found \"les\"",
            ),
            (
                json!(7),
                "filters: a map such as #{user: \"les\"} or a text such as \"user=les\" is expected, found 7",
            ),
            (
                json!({"user": {}}),
                "user: a text, a number, a boolean or a list of them is expected, found {}",
            ),
            (
                json!({"after": "yesterday"}),
                "after: expected a date (2026-02-06), an RFC 3339 time or an age (90m, 12h, 7d, 2w), found \"yesterday\"",
            ),
            (
                json!({"status": "gone"}),
                "status: expected one of active, ended, lost, found \"gone\"",
            ),
            (
                json!({"server": "ops"}),
                "server: expected http://HOST:PORT, https://HOST:PORT or unix:PATH, found \"ops\"",
            ),
        ] {
            assert_eq!(read(filters).unwrap_err(), problem);
        }
    }

    #[test]
    fn named_servers_win_over_set_ones_and_those_over_the_own() {
        let server = |text: &str| text.parse::<Destination>().unwrap();
        let settings = |servers: &[&str]| Settings {
            servers: servers.iter().map(|text| server(text)).collect(),
            ..Settings::default()
        };
        let sources = |named: &[&str], set: &[&str]| {
            let selection = Selection {
                servers: named.iter().map(|text| server(text)).collect(),
                ..Selection::default()
            };
            let sources = selection.sources(&settings(set), "/own".into());
            sources.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(sources(&[], &[]), ["local"]);
        assert_eq!(sources(&[], &["unix:/a"]), ["unix:/a"]);
        assert_eq!(
            sources(&["http://b", "http://b:80"], &["unix:/a"]),
            ["http://b:80"]
        );
    }
}
