//! The record of a session: what its state comes to, in public fields.

use serde_json::Value;

use super::{Counters, Session, SessionState, Vitals};
use crate::{
    event::SessionEndEvent,
    record::{SessionRecord, micros_of_seconds, seconds_of_micros},
    text::{Metadata, Number},
    timestamp::Timestamp,
    words::{EndKnownBy, ExitReason, SessionStatus, Transport},
};

impl Session {
    /// Gives its record, as it is stored: of an active session without duration and liveness. `vitals` is what
    /// heartbeats fed, which the ledger does not hold.
    pub fn record(&self, vitals: &Vitals) -> SessionRecord {
        let started = self.started();
        let event = &started.event;
        let ending = self.ending(vitals);
        let text = |text: &str| text.to_owned();
        SessionRecord {
            session_id: self.id.to_string(),
            session_type: event.session_type.to_string(),
            component_name: event.component_name.to_string(),
            shell_type: event.shell_type.to_string(),
            status: ending.status,
            liveness: None,
            username: event.user.username.to_string(),
            hostname: event.hostname.to_string(),
            pid: event.pid.get(),
            platform: event.environment.platform.to_string(),
            python_version: event.environment.python_version.to_string(),
            working_directory: event.environment.cwd.to_string(),
            start_time: event.timestamp,
            end_time: ending.at,
            duration_seconds: ending.duration_micros.map(|micros| micros / 1_000_000),
            end_known_by: ending.known_by,
            end_estimated: ending
                .known_by
                .is_some_and(|known_by| known_by != EndKnownBy::Reported),
            end_earliest: ending.bounds.map(|(earliest, _)| earliest),
            end_latest: ending.bounds.map(|(_, latest)| latest),
            error_occurred: ending.error_occurred(),
            quality_score: ending.quality(),
            closed_by: ending.closed_by,
            exit_reason: ending.exit_reason,
            exit_code: ending.exit_code,
            command_count: ending.counters.command_count,
            error_count: ending.counters.error_count,
            error_message: ending.counters.last_error,
            project: project(&event.metadata),
            reason: event.reason.as_deref().map(text),
            parent_session_id: event.parent_session_id.as_ref().map(ToString::to_string),
            actor_kind: event.actor.as_ref().map(|actor| actor.kind),
            actor_name: event
                .actor
                .as_ref()
                .and_then(|actor| actor.name.as_deref())
                .map(text),
            login_name: event.user.login_name.as_deref().map(text),
            login_name_source: event.user.login_name_source,
            tty: event.tty.as_deref().map(text),
            remote_address: event.remote_address.as_deref().map(text),
            runtime: event.runtime.as_deref().map(text),
            user_home: Some(event.user.home.to_string()),
            origin_transport: self
                .start
                .origin
                .as_ref()
                .map_or(Transport::Stdio, |origin| origin.transport),
            origin_address: self
                .start
                .origin
                .as_ref()
                .and_then(|origin| origin.address.clone()),
            origin_uid: self
                .start
                .origin
                .as_ref()
                .and_then(|origin| origin.uid)
                .map(i64::from),
            token_subject: self.start.subject.clone(),
            event_id: event.event_id.to_string(),
            created_at: self.start.received_at,
            skew_seconds: started.skew_micros.map(seconds_of_micros),
            last_seen: vitals.last_seen,
            gaps: self.gaps.iter().map(|(_, gap)| gap.clone()).collect(),
            metadata: event.metadata.clone(),
            end_metadata: ending.metadata,
        }
    }

    fn ending(&self, vitals: &Vitals) -> Ending {
        let start = self.started().event.timestamp;
        let lasted = |end: Timestamp| Some(end.micros_since(start).max(0));
        let reported = |event: Option<&SessionEndEvent>| {
            let seconds = event.and_then(|event| event.duration_seconds)?;
            Some(micros_of_seconds(seconds.get()))
        };
        match &self.state {
            SessionState::Active => Ending::none(vitals.counters.clone()),
            SessionState::Ended(report) => {
                let event = &report.event;
                Ending {
                    status: SessionStatus::Ended,
                    at: Some(event.timestamp),
                    duration_micros: reported(Some(event)).or_else(|| lasted(event.timestamp)),
                    known_by: Some(EndKnownBy::Reported),
                    exit_reason: event.exit_reason,
                    exit_code: event.exit_code.map(|code| code.get()),
                    counters: report.counters.clone(),
                    metadata: event.metadata.clone(),
                    ..Ending::none(Counters::default())
                }
            }
            SessionState::Closed { at, act } => Ending {
                status: SessionStatus::Ended,
                at: Some(*at),
                duration_micros: lasted(*at),
                known_by: Some(EndKnownBy::ByHand),
                bounds: Some((act.last_seen, *at)),
                closed_by: Some(act.by.clone()),
                counters: act.counters.clone(),
                ..Ending::none(Counters::default())
            },
            SessionState::Lost { closed_at, loss } => Ending {
                status: SessionStatus::Lost,
                at: Some(loss.end_time),
                duration_micros: reported(loss.event.as_ref()).or_else(|| lasted(loss.end_time)),
                known_by: Some(loss.cause.end_known_by()),
                bounds: Some((loss.last_seen, *closed_at)),
                closed_by: loss.closed_by.clone(),
                exit_code: loss
                    .event
                    .as_ref()
                    .and_then(|event| event.exit_code)
                    .map(|code| code.get()),
                counters: loss.counters.clone(),
                metadata: loss
                    .event
                    .as_ref()
                    .map(|event| event.metadata.clone())
                    .unwrap_or_default(),
                ..Ending::none(Counters::default())
            },
        }
    }
}

/// What a record says of the end of its session.
struct Ending {
    status: SessionStatus,
    at: Option<Timestamp>,
    duration_micros: Option<i64>,
    known_by: Option<EndKnownBy>,
    bounds: Option<(Timestamp, Timestamp)>,
    closed_by: Option<String>,
    exit_reason: Option<ExitReason>,
    exit_code: Option<i64>,
    counters: Counters,
    metadata: Metadata,
}

impl Ending {
    fn none(counters: Counters) -> Self {
        Self {
            status: SessionStatus::Active,
            at: None,
            duration_micros: None,
            known_by: None,
            bounds: None,
            closed_by: None,
            exit_reason: None,
            exit_code: None,
            counters,
            metadata: Metadata::default(),
        }
    }

    fn error_occurred(&self) -> bool {
        self.counters.error_count.is_some_and(|count| count > 0)
            || matches!(
                self.exit_reason,
                Some(ExitReason::Error | ExitReason::Panic)
            )
    }

    /// 100 - 40 x share of commands that failed - 30 if the end was not reported - 30 x min(1, width / 600 s).
    fn quality(&self) -> Option<Number> {
        /// An estimate this wide says nothing of the end: ten minutes.
        const WIDEST_SECONDS: f64 = 600.0;
        let known_by = self.known_by?;
        let failed = match (self.counters.command_count, self.counters.error_count) {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a share needs no more than 53 bits"
            )]
            (Some(commands), Some(errors)) if commands > 0 => {
                (errors as f64 / commands as f64).min(1.0)
            }
            _ => f64::from(u8::from(self.error_occurred())),
        };
        let unreported = f64::from(u8::from(known_by != EndKnownBy::Reported));
        let width = self.bounds.map_or(0.0, |(earliest, latest)| {
            seconds_of_micros(latest.micros_since(earliest))
        });
        let width = (width / WIDEST_SECONDS).clamp(0.0, 1.0);
        Some(Number::saturating(
            100.0 - 40.0 * failed - 30.0 * unreported - 30.0 * width,
        ))
    }
}

fn project(metadata: &Metadata) -> Option<String> {
    let text = |key: &str| {
        metadata
            .as_map()
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let root = || {
        text("project_root")?
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .filter(|part| !part.is_empty())
    };
    text("project").or_else(root).map(str::to_owned)
}
