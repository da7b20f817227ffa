//! Routes about many sessions at once.

use serde_json::{Value, json};

use super::{super::answers::reference, OF_STORE, Operation, answer, array, get, queries};
use crate::{analytics::request::ViewName, http::parameters};

pub(super) fn report() -> Operation {
    Operation {
        description: "Over all of history. Percentiles are at most 0.8 % off, all else is exact. `period` goes with the \
            metrics count and unique_users alone; `after` is not later than `before`.",
        parameters: queries(parameters::REPORT),
        answers: answer("The report", reference("AnalyticsReport")),
        refusals: OF_STORE,
        ..get(
            "/api/analytics",
            "report",
            "analytics",
            "Tells how long sessions ran, how many began when, by how many users, and what failed",
        )
    }
}

pub(super) fn view(view: ViewName) -> Operation {
    let by_component = |value: Value| json!({"type": "object", "additionalProperties": value});
    let (path, id, summary, schema) = match view {
        ViewName::Sessions => (
            "/api/analytics/sessions",
            "viewSessions",
            "Sums by component",
            array(reference("SessionStats")),
        ),
        ViewName::Duration => (
            "/api/analytics/duration",
            "viewDuration",
            "Mean length of closed sessions by component, in seconds",
            by_component(json!({"type": "number"})),
        ),
        ViewName::Components => (
            "/api/analytics/components",
            "viewComponents",
            "The components that are used most",
            array(reference("ComponentUsage")),
        ),
        ViewName::Errors => (
            "/api/analytics/errors",
            "viewErrors",
            "Shares of errors by component",
            by_component(reference("ErrorRate")),
        ),
        ViewName::Active => (
            "/api/analytics/active",
            "viewActive",
            "What is active",
            array(reference("ActiveSession")),
        ),
    };
    Operation {
        parameters: queries(&parameters::of_view(view)),
        answers: answer("The view", schema),
        refusals: OF_STORE,
        ..get(path, id, "analytics", summary)
    }
}
