//! What was asked for, as it is spelled in queries, arguments and flags.

use std::fmt;

use jiff::{civil, tz::TimeZone};
use serde_json::{Map, Value};
use session_model::{
    Field, FieldErrors, Metadata, SessionFilter, Timestamp, field::Place, words::Period,
};

use super::{Calendar, Question, Scope, Unit, Wanted};

/// What is known of many sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Metric {
    /// How long they ran, by component: mean, median, 95th percentile
    Duration,
    /// How many began in each hour, day, week or month
    Count,
    /// How many account names they have
    UniqueUsers,
    /// How many began in each hour of the week
    PeakHours,
    /// In how many something failed, by component, and the most common error
    ErrorRate,
    /// How many are lost, and how many are active, by component
    Lost,
    /// How good they were, by component
    Quality,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Duration,
        Self::Count,
        Self::UniqueUsers,
        Self::PeakHours,
        Self::ErrorRate,
        Self::Lost,
        Self::Quality,
    ];

    /// Gives its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Count => "count",
            Self::UniqueUsers => "unique_users",
            Self::PeakHours => "peak_hours",
            Self::ErrorRate => "error_rate",
            Self::Lost => "lost",
            Self::Quality => "quality",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request for an [`AnalyticsReport`](session_model::AnalyticsReport).
#[derive(Clone, Debug)]
pub struct ReportRequest {
    /// What to tell.
    pub metric: Metric,
    /// By which span, where the metric goes by one.
    pub period: Option<Period>,
    /// Of which sessions.
    pub scope: Scope,
    /// The zone in which hours and days are meant.
    pub zone: TimeZone,
    /// Its name.
    pub tz: String,
}

/// What [`ReportRequest::from_pairs`] knows.
pub const REPORT_NAMES: [&str; 8] = [
    "metric",
    "period",
    "type",
    "component",
    "user",
    "after",
    "before",
    "tz",
];

/// Filters of lists that no sum can answer.
const LIST_ONLY: [&str; 4] = ["status", "duration_greater", "incomplete", "search"];

impl ReportRequest {
    /// Reads a request from names and values; a repeated name and a comma both give alternatives. Dates are meant in
    /// `tz`. Names that it does not know are left to the caller.
    ///
    /// # Errors
    ///
    /// Every value that is wrong.
    pub fn from_pairs(pairs: &[(String, String)]) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let last = |name: &str| {
            let found = pairs.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        for name in LIST_ONLY {
            if last(name).is_some() {
                let what = "no filter of analytics, which is answered from sums; list the sessions instead";
                errors.add(Place::root().member(name), what);
            }
        }
        let metric = metric(last("metric"), &mut errors);
        let period = period(last("period"), metric, &mut errors);
        let zone = zone(last("tz"), &mut errors);
        let scope = scope(pairs, zone.as_ref(), &mut errors);
        match (metric, period, zone, scope) {
            (Some(metric), Some(period), Some(zone), Some(scope)) if errors.is_empty() => {
                Ok(Self {
                    metric,
                    period,
                    scope,
                    tz: zone.iana_name().unwrap_or("UTC").to_owned(),
                    zone,
                })
            }
            _ => Err(errors),
        }
    }

    /// Reads a request from a tool's arguments.
    ///
    /// # Errors
    ///
    /// As [`Self::from_pairs`].
    pub fn from_arguments(arguments: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let pairs = SessionFilter::pairs_of(arguments);
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Self::from_pairs(&pairs)
    }

    /// Gives the question to which this is an answer.
    pub fn question(&self) -> Question {
        let calendar = |unit| Calendar {
            zone: self.zone.clone(),
            unit,
        };
        let by_period = || calendar(self.period.map_or(Unit::All, Unit::from));
        let wanted = match self.metric {
            Metric::Duration | Metric::Lost | Metric::Quality => Wanted::Totals,
            Metric::ErrorRate => Wanted::Errors,
            Metric::Count => Wanted::Starts(by_period()),
            Metric::UniqueUsers => Wanted::Users(by_period()),
            Metric::PeakHours => Wanted::Starts(calendar(Unit::HourOfWeek)),
        };
        Question {
            scope: self.scope.clone(),
            wanted,
        }
    }

    /// Gives the filters that are applied, by their names.
    pub(super) fn filters(&self) -> Metadata {
        let scope = &self.scope;
        let lists = [
            ("type", &scope.session_types),
            ("component", &scope.components),
            ("user", &scope.users),
        ];
        let given = lists.into_iter().filter(|(_, values)| !values.is_empty());
        let filters = given.map(|(name, values)| (name.to_owned(), Value::from(values.clone())));
        // Only a list of many long names is too long to be repeated.
        Metadata::new(filters.collect()).unwrap_or_default()
    }
}

fn metric(text: Option<&str>, errors: &mut FieldErrors) -> Option<Metric> {
    let found = text.and_then(|text| Metric::ALL.into_iter().find(|known| known.as_str() == text));
    if found.is_none() {
        let names = Metric::ALL.map(Metric::as_str).join(", ");
        let message = match text {
            None => format!("required, one of {names}"),
            Some(text) => format!("expected one of {names}, found {text:?}"),
        };
        errors.add(Place::root().member("metric"), message);
    }
    found
}

/// Sessions are counted by day, users over all of the time, unless something else is wanted.
#[expect(
    clippy::option_option,
    reason = "the outer one tells whether it could be read"
)]
fn period(
    text: Option<&str>,
    metric: Option<Metric>,
    errors: &mut FieldErrors,
) -> Option<Option<Period>> {
    let root = Place::root();
    let place = root.member("period");
    match (text, metric) {
        (None, Some(Metric::Count)) => Some(Some(Period::Daily)),
        (None, _) => Some(None),
        (Some(text), None | Some(Metric::Count | Metric::UniqueUsers)) => {
            Period::read(&Value::from(text), place, errors).map(Some)
        }
        (Some(_), Some(metric)) => {
            let message = format!("{metric} goes by no period; count and unique_users do");
            errors.add(place, message);
            None
        }
    }
}

fn zone(name: Option<&str>, errors: &mut FieldErrors) -> Option<TimeZone> {
    let Some(name) = name else {
        return Some(TimeZone::UTC);
    };
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        let message = format!("expected a zone such as UTC or Europe/Berlin, found {name:?}");
        errors.add(Place::root().member("tz"), message);
    }
    zone
}

fn scope(
    pairs: &[(String, String)],
    zone: Option<&TimeZone>,
    errors: &mut FieldErrors,
) -> Option<Scope> {
    let filters = pairs
        .iter()
        .filter(|(name, _)| !LIST_ONLY.contains(&name.as_str()));
    let with_dates: Vec<_> = filters
        .map(|(name, value)| match (name.as_str(), zone) {
            ("after" | "before", Some(zone)) => (name.as_str(), first_instant(value, zone)),
            _ => (name.as_str(), value.clone()),
        })
        .collect();
    let filter =
        SessionFilter::from_pairs(with_dates.iter().map(|(name, value)| (*name, &**value)));
    match filter {
        Ok(filter) => Some(Scope {
            session_types: filter.session_type,
            components: filter.component,
            users: filter.user,
            after: filter.after,
            before: filter.before,
        }),
        Err(problems) => {
            for problem in problems.as_slice() {
                errors.add(
                    Place::root().member(&problem.field),
                    problem.message.clone(),
                );
            }
            None
        }
    }
}

/// Writes a date as its first instant in a zone; anything else is left as it is.
fn first_instant(text: &str, zone: &TimeZone) -> String {
    let date = text
        .parse::<civil::Date>()
        .ok()
        .filter(|_| text.len() == 10);
    let first = date.and_then(|date| date.to_zoned(zone.clone()).ok());
    match first {
        Some(first) => Timestamp::saturating_from(first.timestamp()).to_string(),
        None => text.to_owned(),
    }
}

/// A request for one of the views that have shapes of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRequest {
    /// Which one.
    pub view: ViewName,
    /// Of how many days back.
    pub days: u32,
    /// Of which component, if of one.
    pub component: Option<String>,
    /// The most components to give.
    pub limit: usize,
}

/// The views, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewName {
    /// Sums by component.
    Sessions,
    /// Mean length by component.
    Duration,
    /// The components that are used most.
    Components,
    /// Shares of errors by component.
    Errors,
    /// What is active.
    Active,
}

impl ViewName {
    /// Gives its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Duration => "duration",
            Self::Components => "components",
            Self::Errors => "errors",
            Self::Active => "active",
        }
    }

    /// Gives the parameters that it takes.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Sessions | Self::Duration | Self::Errors => &["days", "component"],
            Self::Components => &["days", "limit"],
            Self::Active => &[],
        }
    }
}

/// How many days back a view goes at most.
pub const DAYS_MAX: u32 = 365;
/// How many days back it goes unless asked otherwise.
pub const DAYS: u32 = 7;
/// How many components a view names at most.
pub const COMPONENTS_MAX: u32 = 100;
/// How many it names unless asked otherwise.
pub const COMPONENTS: u32 = 10;

impl ViewRequest {
    /// Reads a request for a view from names and values.
    ///
    /// # Errors
    ///
    /// Every value that is wrong, and names that the view does not take.
    pub fn from_pairs(view: ViewName, pairs: &[(String, String)]) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut request = Self {
            view,
            days: DAYS,
            component: None,
            limit: COMPONENTS as usize,
        };
        for (name, value) in pairs {
            let root = Place::root();
            let place = root.member(name);
            match name.as_str() {
                name if !view.names().contains(&name) => {
                    let known = match view.names() {
                        [] => "none is known".to_owned(),
                        names => format!("known are {}", names.join(", ")),
                    };
                    errors.add(place, format!("unknown; {known}"));
                }
                "days" => match bounded("days", value, DAYS_MAX) {
                    Ok(days) => request.days = days,
                    Err(problem) => errors.add(place, problem),
                },
                "limit" => match bounded("limit", value, COMPONENTS_MAX) {
                    Ok(limit) => request.limit = limit as usize,
                    Err(problem) => errors.add(place, problem),
                },
                _ => request.component = Some(value.clone()),
            }
        }
        if errors.is_empty() {
            Ok(request)
        } else {
            Err(errors)
        }
    }
}

/// Reads a number from 1 to a bound, and refuses in the words that the Python version used.
pub fn bounded(name: &str, text: &str, max: u32) -> Result<u32, String> {
    match text.parse::<i64>() {
        Ok(number) if number < 1 => Err(format!("{name} must be at least 1")),
        Ok(number) => u32::try_from(number)
            .ok()
            .filter(|number| *number <= max)
            .ok_or_else(|| format!("{name} cannot exceed {max}")),
        Err(_) => Err(format!(
            "{name} must be a number from 1 to {max}, found {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<ReportRequest, String> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        ReportRequest::from_pairs(&pairs).map_err(|errors| errors.to_string())
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, problem) in [
            (
                "",
                "metric: required, one of duration, count, unique_users, peak_hours, error_rate, lost, quality",
            ),
            ("metric=durations", "metric: expected one of"),
            ("metric=count&period=yearly", "period: "),
            (
                "metric=duration&period=daily",
                "period: duration goes by no period",
            ),
            (
                "metric=count&tz=Mars/Olympus",
                "tz: expected a zone such as UTC or Europe/Berlin, found \"Mars/Olympus\"",
            ),
            ("metric=count&after=yesterday", "after: "),
            (
                "metric=count&after=2026-02-08&before=2026-02-01",
                "after: 2026-02-08T00:00:00.000000Z is later than before",
            ),
            ("metric=count&status=lost", "status: no filter of analytics"),
            ("metric=count&component=", "component: must not be empty"),
        ] {
            let found = read(query).unwrap_err();
            assert!(found.starts_with(problem), "{query}: {found}");
        }
        let both = read("metric=x&tz=y").unwrap_err();
        assert!(
            both.contains("metric: ") && both.contains("; tz: "),
            "{both}"
        );
    }

    #[test]
    fn dates_are_meant_in_the_zone() {
        let request = read("metric=count&after=2026-02-06&tz=europe/berlin").unwrap();
        assert_eq!(
            request.scope.after.map(|at| at.to_string()).as_deref(),
            Some("2026-02-05T23:00:00.000000Z")
        );
        assert_eq!(request.tz, "Europe/Berlin");
        assert_eq!(request.period, Some(Period::Daily));
    }

    #[test]
    fn days_are_bounded_in_known_words() {
        let view = |query: &str| {
            let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            ViewRequest::from_pairs(ViewName::Sessions, &pairs).map_err(|errors| errors.to_string())
        };
        assert_eq!(view("days=365").unwrap().days, 365);
        assert_eq!(view("days=0").unwrap_err(), "days: days must be at least 1");
        assert_eq!(
            view("days=366").unwrap_err(),
            "days: days cannot exceed 365"
        );
        assert_eq!(
            view("limit=3").unwrap_err(),
            "limit: unknown; known are days, component"
        );
    }
}
