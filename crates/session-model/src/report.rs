//! How many sessions are shown.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use crate::event::Count;
use crate::{
    field::{Field, FieldErrors, Place, model},
    text::{Integer, Metadata, Number},
    timestamp::Timestamp,
    words::Period,
};

model! {
    /// The answer to a question about many sessions.
    pub struct AnalyticsReport {
        /// What was asked for, such as `duration`.
        required metric: String,
        /// The span by which sessions are counted, where they are.
        nullable period: Period,
        /// The first instant that counts.
        nullable after: Timestamp,
        /// The first instant that no longer counts.
        nullable before: Timestamp,
        /// The zone in which hours and days are meant.
        required tz: String,
        /// The filters that were applied.
        required filters: Metadata,
        /// The answer, a row per component, bucket or hour of the week.
        required rows: Vec<AnalyticsRow>,
    }
}

model! {
    /// How long the sessions of a component ran.
    pub struct DurationRow {
        /// The component.
        required component_name: String,
        /// Closed sessions.
        required sessions: Count,
        /// Mean, in seconds.
        required mean_seconds: Number,
        /// Median, in seconds.
        required median_seconds: Number,
        /// 95th percentile, in seconds.
        required p95_seconds: Number,
    }
}

model! {
    /// Where the sessions of a component went wrong.
    pub struct ErrorRateRow {
        /// The component.
        required component_name: String,
        /// All sessions.
        required sessions: Count,
        /// Those with an error.
        required failed: Count,
        /// Their share, 0 to 100.
        required error_rate: Number,
        /// The error text that most of them have.
        nullable most_common_error: String,
    }
}

model! {
    /// How many sessions of a component have no reported end.
    pub struct LostRow {
        /// The component.
        required component_name: String,
        /// All sessions.
        required sessions: Count,
        /// Those that are lost.
        required lost: Count,
        /// Those that are active.
        required active: Count,
    }
}

model! {
    /// How good the record of a component is.
    pub struct QualityRow {
        /// The component.
        required component_name: String,
        /// Closed sessions.
        required sessions: Count,
        /// Their mean quality, 0 to 100.
        required score: Number,
    }
}

model! {
    /// How many sessions began in an hour of the week.
    pub struct PeakHourRow {
        /// 1, Monday, to 7.
        required weekday: Integer<1, 7>,
        /// 0 to 23.
        required hour: Integer<0, 23>,
        /// Sessions that began then.
        required sessions: Count,
    }
}

model! {
    /// How many people had sessions.
    pub struct UniqueUsersRow {
        /// The span; null for all of it.
        nullable bucket: String,
        /// Distinct user names.
        required users: Count,
    }
}

model! {
    /// How many sessions began in a span.
    pub struct CountRow {
        /// The span, such as `2026-02-06`.
        required bucket: String,
        /// Sessions that began in it.
        required sessions: Count,
    }
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident($row:ident),)+) => {
        /// A row of a report. Which one follows from the metric.
        #[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
        #[serde(untagged)]
        pub enum AnalyticsRow {
            $($(#[$doc])* $name($row),)+
        }

        impl Field for AnalyticsRow {
            fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
                $(if let Ok(row) = $row::from_json(value) {
                    return Some(Self::$name(row));
                })+
                errors.add(at, "a row of no known metric");
                None
            }
        }
    };
}

rows! {
    /// Metric `duration`.
    Duration(DurationRow),
    /// Metric `error_rate`.
    ErrorRate(ErrorRateRow),
    /// Metric `lost`.
    Lost(LostRow),
    /// Metric `quality`.
    Quality(QualityRow),
    /// Metric `peak_hours`.
    PeakHour(PeakHourRow),
    /// Metric `unique_users`.
    UniqueUsers(UniqueUsersRow),
    /// Metric `count`.
    Count(CountRow),
}
