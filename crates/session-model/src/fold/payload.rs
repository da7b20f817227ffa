//! How an accepted record is written in the ledger: compact JSON with sorted keys,
//! `{"event", "judgement", "origin", "subject"}`, those that are null or empty left out.

use serde_json::{Map, Value};

use super::{Accepted, ByHand, Counters, Fact, Imported, Loss, Origin, Report, Revival, Started};
use crate::{
    event::SessionEndEvent,
    field::{Field, FieldErrors, model},
    record::Gap,
    text::Integer,
    timestamp::Timestamp,
    words::{EndKnownBy, LossCause, Transport},
};

/// The kind of a ledger record about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A start.
    Start,
    /// A session's own report of its end.
    End,
    /// A loss, or a closure by hand.
    Closed,
    /// A revival.
    Revived,
    /// A session that another server tells of.
    Imported,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Start,
        Self::End,
        Self::Closed,
        Self::Revived,
        Self::Imported,
    ];

    /// Gives the word that stands in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Closed => "closed",
            Self::Revived => "revived",
            Self::Imported => "imported",
        }
    }

    /// Tells whether a session can begin with it.
    pub const fn begins_a_session(self) -> bool {
        match self {
            Self::Start | Self::Imported => true,
            Self::End | Self::Closed | Self::Revived => false,
        }
    }
}

/// Why the payload of a ledger record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// It is no JSON.
    #[error("it is not JSON")]
    Json(#[from] serde_json::Error),
    /// A key is missing or wrong.
    #[error("{0}")]
    Fields(FieldErrors),
}

impl From<FieldErrors> for PayloadError {
    fn from(errors: FieldErrors) -> Self {
        Self::Fields(errors)
    }
}

model! {
    /// Where a payload came from.
    struct OriginPart {
        required transport: Transport,
        optional address: String,
        optional uid: Integer<0, { u32::MAX as i64 }>,
    }
}

model! {
    /// What the server made of a start.
    struct StartJudgement {
        optional skew_micros: i64,
    }
}

model! {
    /// What the server made of an end, a closure, a revival.
    struct ClosureJudgement {
        optional known_by: EndKnownBy,
        optional round: Integer<0, { u32::MAX as i64 - 1 }>,
        optional end_time: Timestamp,
        optional last_seen: Timestamp,
        optional closed_by: String,
        optional reason: String,
        optional command_count: i64,
        optional error_count: i64,
        optional last_error: String,
        optional gap: Gap,
    }
}

impl Fact {
    /// Gives the kind of the record that holds it.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Start(_) => Kind::Start,
            Self::Ended(_) => Kind::End,
            Self::Lost(_) | Self::ClosedByHand(_) => Kind::Closed,
            Self::Revived(_) => Kind::Revived,
            Self::Imported(_) => Kind::Imported,
        }
    }
}

impl Accepted {
    /// Writes the payload: the exact bytes that the ledger hashes.
    pub fn payload(&self) -> Vec<u8> {
        let (event, judgement) = match &self.fact {
            Fact::Start(started) => (
                to_value(&started.event),
                to_value(&StartJudgement {
                    skew_micros: started.skew_micros,
                }),
            ),
            Fact::Ended(report) => (
                to_value(&report.event),
                to_value(&ClosureJudgement::counting(
                    &report.counters.beyond(&Counters::from(&report.event)),
                )),
            ),
            Fact::Lost(loss) => (
                loss.event.as_ref().map_or(Value::Null, to_value),
                to_value(&ClosureJudgement {
                    known_by: Some(loss.cause.end_known_by()),
                    round: Some(
                        Integer::new(loss.round.into())
                            .expect("rounds are counted from 0 one by one"),
                    ),
                    end_time: Some(loss.end_time),
                    last_seen: Some(loss.last_seen),
                    closed_by: loss.closed_by.clone(),
                    ..ClosureJudgement::counting(&loss.counters)
                }),
            ),
            Fact::ClosedByHand(act) => (
                Value::Null,
                to_value(&ClosureJudgement {
                    known_by: Some(EndKnownBy::ByHand),
                    last_seen: Some(act.last_seen),
                    closed_by: Some(act.by.clone()),
                    reason: act.reason.clone(),
                    ..ClosureJudgement::counting(&act.counters)
                }),
            ),
            Fact::Revived(revival) => (
                to_value(&revival.event),
                to_value(&ClosureJudgement {
                    round: Some(
                        Integer::new(revival.round.into())
                            .expect("rounds are counted from 0 one by one"),
                    ),
                    gap: Some(revival.gap.clone()),
                    ..ClosureJudgement::counting(&Counters::default())
                }),
            ),
            Fact::Imported(imported) => (imported.to_value(), Value::Null),
        };
        payload_of(
            event,
            judgement,
            self.origin.as_ref(),
            self.subject.as_deref(),
        )
    }

    /// Reads a payload back.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or not what a record of this kind holds.
    pub fn from_payload(
        kind: Kind,
        received_at: Timestamp,
        payload: &[u8],
    ) -> Result<Self, PayloadError> {
        let mut value: Value = serde_json::from_slice(payload)?;
        let parts = value
            .as_object_mut()
            .ok_or_else(|| problem("", "expected an object"))?;
        let event = parts.get("event").unwrap_or(&Value::Null);
        let empty = Value::Object(Map::new());
        let judgement = parts.get("judgement").unwrap_or(&empty);
        let fact = match kind {
            Kind::Start => Fact::Start(Box::new(Started {
                event: Field::from_json(event)?,
                skew_micros: StartJudgement::from_json(judgement)?.skew_micros,
            })),
            Kind::End => {
                let event = SessionEndEvent::from_json(event)?;
                let judged = ClosureJudgement::from_json(judgement)?.counters();
                Fact::Ended(Box::new(Report {
                    counters: Counters::from(&event).or(&judged),
                    event,
                }))
            }
            Kind::Closed => closure(event, ClosureJudgement::from_json(judgement)?)?,
            Kind::Revived => {
                let judgement = ClosureJudgement::from_json(judgement)?;
                let round = judgement.round()?;
                let gap = judgement
                    .gap
                    .ok_or_else(|| problem("judgement.gap", "required"))?;
                Fact::Revived(Box::new(Revival {
                    round,
                    gap,
                    event: Field::from_json(event)?,
                }))
            }
            Kind::Imported => Fact::Imported(Box::new(Imported::from_json(event)?)),
        };
        Ok(Self {
            received_at,
            origin: origin_of(parts.get("origin").unwrap_or(&Value::Null))?,
            subject: Field::from_json(parts.get("subject").unwrap_or(&Value::Null))?,
            fact,
        })
    }
}

/// Writes the parts of a payload.
pub(crate) fn payload_of(
    event: Value,
    judgement: Value,
    origin: Option<&Origin>,
    subject: Option<&str>,
) -> Vec<u8> {
    let origin = origin.map_or(Value::Null, |origin| {
        to_value(&OriginPart {
            transport: origin.transport,
            address: origin.address.clone(),
            uid: origin
                .uid
                .map(|uid| Integer::new(uid.into()).expect("every u32 is within the bounds")),
        })
    });
    let subject = subject.map_or(Value::Null, Value::from);
    let parts = [
        ("event", event),
        ("judgement", judgement),
        ("origin", origin),
        ("subject", subject),
    ];
    // What says nothing is not written: a database has one of these for every record.
    let says_something =
        |part: &Value| !part.is_null() && part.as_object().is_none_or(|part| !part.is_empty());
    let parts: Map<String, Value> = parts
        .into_iter()
        .filter(|(_, part)| says_something(part))
        .map(|(key, part)| (key.to_owned(), part))
        .collect();
    let mut payload = Vec::with_capacity(1024);
    write_sorted_members(&parts, &mut payload);
    payload
}

/// Reads where a payload came from.
pub(crate) fn origin_of(part: &Value) -> Result<Option<Origin>, PayloadError> {
    let origin: Option<OriginPart> = Field::from_json(part)?;
    Ok(origin.map(|origin| Origin {
        transport: origin.transport,
        address: origin.address,
        uid: origin.uid.and_then(|uid| u32::try_from(uid.get()).ok()),
    }))
}

fn closure(event: &Value, judgement: ClosureJudgement) -> Result<Fact, PayloadError> {
    let last_seen = judgement
        .last_seen
        .ok_or_else(|| problem("judgement.last_seen", "required"))?;
    let counters = judgement.counters();
    let cause = match judgement.known_by {
        Some(EndKnownBy::ByHand) => {
            let by = judgement
                .closed_by
                .ok_or_else(|| problem("judgement.closed_by", "required"))?;
            return Ok(Fact::ClosedByHand(Box::new(ByHand {
                by,
                reason: judgement.reason,
                last_seen,
                counters,
            })));
        }
        Some(EndKnownBy::LeaseExpired) => LossCause::LeaseExpired,
        Some(EndKnownBy::ProcessGone) => LossCause::ProcessGone,
        Some(EndKnownBy::HostRestarted) => LossCause::HostRestarted,
        Some(EndKnownBy::Reported) | None => {
            return Err(problem("judgement.known_by", "not a closure"));
        }
    };
    Ok(Fact::Lost(Box::new(Loss {
        cause,
        round: judgement.round()?,
        end_time: judgement
            .end_time
            .ok_or_else(|| problem("judgement.end_time", "required"))?,
        last_seen,
        closed_by: judgement.closed_by,
        counters,
        event: Field::from_json(event)?,
    })))
}

impl ClosureJudgement {
    fn counting(counters: &Counters) -> Self {
        Self {
            known_by: None,
            round: None,
            end_time: None,
            last_seen: None,
            closed_by: None,
            reason: None,
            command_count: counters.command_count,
            error_count: counters.error_count,
            last_error: counters.last_error.clone(),
            gap: None,
        }
    }

    fn counters(&self) -> Counters {
        Counters {
            command_count: self.command_count,
            error_count: self.error_count,
            last_error: self.last_error.clone(),
        }
    }

    fn round(&self) -> Result<u32, PayloadError> {
        let round = self.round.and_then(|round| u32::try_from(round.get()).ok());
        round.ok_or_else(|| problem("judgement.round", "required"))
    }
}

pub(crate) fn problem(field: &str, message: &str) -> PayloadError {
    let mut errors = FieldErrors::default();
    let root = crate::field::Place::root();
    errors.add(root.member(field), message);
    PayloadError::Fields(errors)
}

pub(super) fn to_value(model: &impl serde::Serialize) -> Value {
    serde_json::to_value(model).expect("models have text keys and finite numbers")
}

/// Writes compact JSON with sorted keys, whatever order the map of this build keeps.
fn write_sorted(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            to.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    to.push(b',');
                }
                write_sorted(item, to);
            }
            to.push(b']');
        }
        Value::Object(members) => write_sorted_members(members, to),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            write_scalar(value, to)
        }
    }
}

fn write_sorted_members(members: &Map<String, Value>, to: &mut Vec<u8>) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    to.push(b'{');
    for (n, (key, value)) in sorted.into_iter().enumerate() {
        if n > 0 {
            to.push(b',');
        }
        write_scalar(key, to);
        to.push(b':');
        write_sorted(value, to);
    }
    to.push(b'}');
}

fn write_scalar(scalar: &impl serde::Serialize, to: &mut Vec<u8>) {
    serde_json::to_writer(to, scalar).expect("a scalar can be written to memory");
}
