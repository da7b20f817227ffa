//! Views with the shapes that the Python version's users know.

use std::{fmt, marker::PhantomData};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use session_model::{SessionRecord, Timestamp};

use super::Total;

/// Sums of a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStats {
    /// The component.
    pub component_name: String,
    /// All sessions.
    pub total_sessions: i64,
    /// Mean length of the closed ones, in seconds; 0 where there are none.
    pub avg_duration: f64,
    /// Those that are active.
    pub active_sessions: i64,
    /// The share in which something failed, 0 to 100.
    pub error_rate: f64,
    /// Of which time, in words.
    pub date_range: String,
}

impl SessionStats {
    pub(crate) fn of(component_name: String, total: &Total, days: u32) -> Self {
        let sums = &total.aggregate;
        Self {
            component_name,
            total_sessions: sums.sessions,
            avg_duration: sums.mean_seconds().unwrap_or_default(),
            active_sessions: sums.active,
            error_rate: sums.error_rate(),
            date_range: format!("Last {days} days"),
        }
    }
}

/// How much a component is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentUsage {
    /// The component.
    pub component_name: String,
    /// All sessions.
    pub session_count: i64,
    /// How long the closed ones ran, in seconds.
    pub total_duration: i64,
    /// Mean quality of the closed ones, 0 to 100; null where there are none.
    pub avg_quality_score: Option<f64>,
    /// When the latest began.
    pub last_active: Option<Timestamp>,
}

impl ComponentUsage {
    pub(crate) fn of(component_name: String, total: &Total) -> Self {
        let sums = &total.aggregate;
        let last_start = sums.last_start;
        Self {
            component_name,
            session_count: sums.sessions,
            total_duration: sums.seconds,
            avg_quality_score: sums.mean_quality(),
            last_active: last_start.and_then(|micros| Timestamp::from_micros(micros).ok()),
        }
    }
}

/// What failed in a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRate {
    /// The share in which something failed, 0 to 100.
    pub error_rate: f64,
    /// All sessions.
    pub total_sessions: i64,
    /// Those in which something failed.
    pub failed_sessions: i64,
    /// The error text that most of them have.
    pub most_common_error: Option<String>,
}

impl ErrorRate {
    pub(crate) fn of(total: Total) -> Self {
        Self {
            error_rate: total.aggregate.error_rate(),
            total_sessions: total.aggregate.sessions,
            failed_sessions: total.aggregate.failed,
            most_common_error: total.most_common_error,
        }
    }
}

/// A session that is active.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActiveSession {
    /// Its id.
    pub session_id: String,
    /// Its component.
    pub component_name: String,
    /// When it began.
    pub start_time: Timestamp,
    /// How long it has run, in seconds.
    pub duration_seconds: i64,
    /// Its project, if it has one.
    pub project: Option<String>,
}

impl ActiveSession {
    pub(crate) fn of(record: SessionRecord) -> Self {
        Self {
            session_id: record.session_id,
            component_name: record.component_name,
            start_time: record.start_time,
            duration_seconds: record.duration_seconds.unwrap_or_default(),
            project: record.project,
        }
    }
}

/// One of the views.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum View {
    /// Most sessions first.
    Sessions(Vec<SessionStats>),
    /// Mean length of closed sessions in seconds, longest first.
    Duration(Named<f64>),
    /// Most sessions first.
    Components(Vec<ComponentUsage>),
    /// Worst first.
    Errors(Named<ErrorRate>),
    /// Newest first.
    Active(Vec<ActiveSession>),
}

/// An object whose keys have an order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Named(members))
            }
        }
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}
