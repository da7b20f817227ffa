//! Sessions that break the policy of their component. They are recorded like any other, for they were open in fact; that
//! they should not have been is a record of its own, and a list of those that still are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use session_client::Policies;
use session_model::{
    ActName, Deed, SessionFilter, SessionRecord, SessionStatus, Violation, fold::Origin,
};
use tracing::warn;

use super::{Delivery, Event, ListRequest, Tracker};
use crate::store::StoreError;

/// How many sessions are looked at in one go.
const PAGE: usize = 1_000;

/// An open session that breaks the policy of its component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violating {
    /// Its id.
    pub session_id: String,
    /// Its component.
    pub component_name: String,
    /// Account name, as sent.
    pub username: String,
    /// Which rules, by their keys in `config.yaml`.
    pub rules: Vec<String>,
    /// How, for people.
    pub messages: Vec<String>,
    /// When it began.
    pub start_time: session_model::Timestamp,
    /// How long it is open.
    pub duration_seconds: i64,
}

/// Starts that break a policy, by their place among the events that came together.
#[derive(Default)]
pub(super) struct Broken(BTreeMap<usize, Finding>);

pub(super) struct Finding {
    session_id: String,
    component: String,
    violations: Vec<Violation>,
    origin: Origin,
    subject: Option<String>,
}

impl Broken {
    /// Looks at an event, and keeps what it breaks.
    pub(super) fn note(
        &mut self,
        policies: &Policies,
        number: usize,
        event: &Event,
        delivery: &Delivery,
    ) {
        let Event::Start(start) = event else { return };
        if policies.is_empty() {
            return;
        }
        let policy = policies.of(&start.component_name);
        let reason = start.reason.as_deref();
        let subject = delivery.subject.as_deref();
        let violations = policy.judge_start(reason, subject, &delivery.origin);
        if violations.is_empty() {
            return;
        }
        let finding = Finding {
            session_id: start.session_id().to_string(),
            component: start.component_name.to_string(),
            violations,
            origin: delivery.origin.clone(),
            subject: delivery.subject.clone(),
        };
        self.0.insert(number, finding);
    }

    pub(super) fn take(&mut self, number: usize) -> Option<Finding> {
        self.0.remove(&number)
    }
}

impl Tracker {
    /// Records that a session that has just begun should not have, and logs it.
    pub(super) async fn record_broken(&self, found: Option<Finding>) {
        let Some(found) = found else { return };
        let rules: Vec<_> = found
            .violations
            .iter()
            .map(|broken| broken.rule.as_str())
            .collect();
        let messages = joined(&found.violations);
        let (id, component) = (&found.session_id, &found.component);
        warn!(
            session.id = %id, component = %component, rules = %rules.join(","),
            "Session {id} breaks the policy of `{component}`: {messages:?}"
        );
        let deed = Deed {
            what: Some(found.session_id.clone()),
            code: Some(rules.join(",")),
            reason: Some(messages),
            ..Deed::new(ActName::PolicyViolated)
        };
        // The session is on record whatever becomes of this, and is listed while it is open.
        if let Err(error) = self.record(deed, found.origin, found.subject).await {
            warn!("That session {id} breaks a policy could not be recorded: {error}");
        }
    }

    /// Lists the open sessions that break the policy of their component as it is now, newest first.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`](crate::store::SessionStore::apply).
    pub async fn violations(&self) -> Result<Vec<Violating>, StoreError> {
        let mut found = Vec::new();
        if self.policies.is_empty() {
            return Ok(found);
        }
        let mut request = ListRequest {
            filter: SessionFilter {
                status: vec![SessionStatus::Active],
                ..SessionFilter::default()
            },
            cursor: None,
            limit: PAGE,
            count: false,
        };
        loop {
            let page = self.list(request.clone()).await?;
            found.extend(
                page.sessions
                    .iter()
                    .filter_map(|record| self.judged(record)),
            );
            match page.next {
                Some(next) => request.cursor = Some(next),
                None => return Ok(found),
            }
        }
    }

    fn judged(&self, record: &SessionRecord) -> Option<Violating> {
        let policy = self.policies.of(&record.component_name.parse().ok()?);
        let violations = policy.judge(record);
        (!violations.is_empty()).then(|| Violating {
            session_id: record.session_id.clone(),
            component_name: record.component_name.clone(),
            username: record.username.clone(),
            rules: violations
                .iter()
                .map(|broken| broken.rule.to_string())
                .collect(),
            messages: violations
                .into_iter()
                .map(|broken| broken.message)
                .collect(),
            start_time: record.start_time,
            duration_seconds: record.duration_seconds.unwrap_or_default(),
        })
    }
}

fn joined(violations: &[Violation]) -> String {
    let messages: Vec<_> = violations.iter().map(ToString::to_string).collect();
    messages.join("; ")
}
