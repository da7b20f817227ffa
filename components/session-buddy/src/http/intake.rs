//! The one door for events: from the JSON of an event to its result.

use std::time::Instant;

use serde_json::{Map, Value};
use session_model::{
    ErrorCode, Field, FieldErrors, SessionEndResult, SessionHeartbeatResult, SessionId,
    SessionStartResult, Timestamp, escape::for_line, event::without_nulls, field::Place,
    fold::Origin, result,
};
use tokio::task::spawn_blocking;

use super::{App, Problem};
use crate::{
    auth::{Caller, Refusal, Voice},
    liveness::Sender,
    metrics::{Emission, Outcome},
    tracker::{Delivery, Event, EventResult},
};

/// Which event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventType {
    Start,
    End,
    Heartbeat,
}

impl EventType {
    const ALL: [Self; 3] = [Self::Start, Self::End, Self::Heartbeat];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "session_start",
            Self::End => "session_end",
            Self::Heartbeat => "session_heartbeat",
        }
    }

    /// Reads what an event names as its type.
    pub(super) fn of(event: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let named = event.get("event_type").filter(|named| !named.is_null());
        let known = |named: &Value| Self::ALL.into_iter().find(|known| named == known.as_str());
        named.and_then(known).ok_or_else(|| {
            let found = named.map_or_else(|| "none".to_owned(), shortened);
            let message =
                format!("expected session_start, session_end or session_heartbeat, found {found}");
            let mut errors = FieldErrors::default();
            errors.add(Place::root().member("event_type"), message);
            errors
        })
    }
}

/// Nobody wants to read all of a value that is no word, and nothing in it acts where it is read.
fn shortened(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", for_line(&text[..end])),
        None => for_line(&text).into_owned(),
    }
}

/// What the sender of an event is answered, and whether it failed in a way that another try may mend.
pub(super) struct Answer {
    pub(super) result: EventResult,
    pub(super) failed: bool,
}

/// An event that was read: it can be taken, or is refused for good.
pub(super) struct Read {
    emission: Emission,
    event: ReadEvent,
}

/// An event and how it came, or why it is none.
type ReadEvent = Result<(Event, Delivery), EventResult>;

/// Who sends events, as their deliveries have it.
pub(super) struct From {
    origin: Origin,
    sender: Sender,
    subject: Option<String>,
    voice: Voice,
}

impl From {
    pub(super) fn of(app: &App, caller: &Caller) -> Self {
        Self {
            origin: caller.origin(),
            sender: caller.peer.sender(),
            subject: caller.subject().map(str::to_owned),
            voice: app.gate.voice(caller),
        }
    }

    fn delivery(&self, sent_at: Option<Timestamp>) -> Delivery {
        Delivery {
            origin: self.origin.clone(),
            sender: self.sender,
            subject: self.subject.clone(),
            sent_at,
            voice: self.voice.clone(),
        }
    }
}

/// Reads an event and what travels beside it.
pub(super) fn read(event_type: EventType, arguments: Map<String, Value>, from: &From) -> Read {
    let arguments = Value::Object(without_nulls(arguments));
    let mut errors = FieldErrors::default();
    let sent_at = arguments
        .get("sent_at")
        .map(|sent_at| Timestamp::read(sent_at, Place::root().member("sent_at"), &mut errors));
    let event = match event_type {
        EventType::Start => read_as(&arguments, &mut errors).map(Event::Start),
        EventType::End => read_as(&arguments, &mut errors).map(Event::End),
        EventType::Heartbeat => read_as(&arguments, &mut errors).map(Event::Heartbeat),
    };
    Read {
        emission: emission(event_type, &arguments),
        event: match event {
            Some(event) if errors.is_empty() => Ok((event, from.delivery(sent_at.flatten()))),
            _ => {
                let problem = Problem::fields(ErrorCode::InvalidEvent, &errors);
                Err(refused(event_type, &arguments, &problem))
            }
        },
    }
}

/// Tells what an event says that it is, before anybody knows whether it is one.
fn emission(event_type: EventType, event: &Value) -> Emission {
    let named = match event_type {
        EventType::Start => event["component_name"].as_str(),
        EventType::End | EventType::Heartbeat => {
            event["session_id"].as_str().map(SessionId::component_of)
        }
    };
    Emission {
        component: named.unwrap_or_default().to_owned(),
        event_type: Some(event_type.as_str()),
    }
}

/// Refuses an event whose sender may not bring it, in the words of its answer.
pub(super) fn turned_away(
    app: &App,
    event_type: EventType,
    event: &Value,
    problem: &Problem,
) -> EventResult {
    let result = refused(event_type, event, problem);
    count(
        app,
        &[emission(event_type, event)],
        [&result],
        Instant::now(),
    );
    result
}

fn refused(event_type: EventType, event: &Value, problem: &Problem) -> EventResult {
    let session_id = event.get("session_id").and_then(Value::as_str);
    let asked = Asked {
        event_type,
        session_id: session_id.map(str::to_owned),
    };
    asked.refused(problem)
}

fn read_as<E: Field>(arguments: &Value, errors: &mut FieldErrors) -> Option<Box<E>> {
    E::read(arguments, Place::root(), errors).map(Box::new)
}

/// Refuses for good what is no event at all.
pub(super) fn no_event(error: impl Into<String>) -> Read {
    let refusal = result::Refusal {
        error: error.into(),
        error_code: Some(ErrorCode::InvalidEvent.to_string()),
    };
    Read {
        emission: Emission {
            component: String::new(),
            event_type: None,
        },
        event: Err(EventResult::Start(SessionStartResult::Error(refusal))),
    }
}

/// Takes one event, as [`take`] does.
pub(super) async fn take_one(app: &App, caller: &Caller, read: Read) -> Answer {
    let mut answers = take(app, caller, vec![read]).await;
    answers.pop().expect("every event has an answer")
}

/// Takes events in their order and answers each in its place. A refusal that is final (a bad event, a conflict) is a
/// result like any other; a failure that another try, or another credential, may mend is marked.
pub(super) async fn take(app: &App, caller: &Caller, read: Vec<Read>) -> Vec<Answer> {
    let began = Instant::now();
    let (emissions, events): (Vec<_>, Vec<_>) = read
        .into_iter()
        .map(|Read { emission, event }| (emission, event))
        .unzip();
    let answers = take_events(app, caller, events).await;
    let results = answers.iter().map(|answer| &answer.result);
    count(app, &emissions, results, began);
    answers
}

/// Counts events that were answered, all of which were read at one time.
fn count<'a>(
    app: &App,
    emissions: &[Emission],
    results: impl IntoIterator<Item = &'a EventResult>,
    began: Instant,
) {
    let took = began.elapsed();
    for (emission, result) in emissions.iter().zip(results) {
        let outcome = match result.refusal() {
            Some(refusal) => Outcome::Refused(refusal.error_code.as_deref().unwrap_or_default()),
            None if result.is_not_found() => Outcome::NotFound,
            None => Outcome::Taken,
        };
        app.metrics.emitted(emission, outcome, took);
    }
}

async fn take_events(app: &App, caller: &Caller, read: Vec<ReadEvent>) -> Vec<Answer> {
    let of_others = spoken_for(caller, &read);
    let mut answers = take_once(app, read).await;
    prove(app, caller, of_others, &mut answers).await;
    for answer in answers
        .iter_mut()
        .filter(|answer| answer.result.is_forbidden())
    {
        answer.failed = true;
        let refusal = match &answer.result {
            EventResult::End(SessionEndResult::Error { session_id, .. }) => session_id.parse(),
            EventResult::Heartbeat(SessionHeartbeatResult::Error { session_id, .. }) => {
                session_id.as_deref().unwrap_or_default().parse()
            }
            EventResult::Start(_) | EventResult::End(_) | EventResult::Heartbeat(_) => {
                Err(String::new())
            }
        };
        let refusal = match (refusal, caller.component()) {
            (Ok(id), _) => Refusal::NotYours(id),
            (Err(_), Some(bound)) => Refusal::Bound(bound.clone()),
            (Err(_), None) => continue,
        };
        app.refuse(refusal, caller, "event").await;
    }
    answers
}

/// Gives the ends and heartbeats that may turn out to be about sessions of the user whose connection this is: the kernel
/// is asked for that user only once it matters, because that takes longer than to take an event.
fn spoken_for(caller: &Caller, read: &[ReadEvent]) -> Vec<Option<(Event, Delivery)>> {
    let owner_matters = caller.token.is_none() && caller.peer.is_local();
    if !owner_matters || caller.peer.known_owner().is_some() {
        return Vec::new();
    }
    let kept = read.iter().map(|read| match read {
        Ok((event @ (Event::End(_) | Event::Heartbeat(_)), delivery)) => {
            Some((event.clone(), delivery.clone()))
        }
        Ok((Event::Start(_), _)) | Err(_) => None,
    });
    kept.collect()
}

/// Takes once more what was refused for want of a proof, with the kernel's word for whose connection it is.
async fn prove(
    app: &App,
    caller: &Caller,
    of_others: Vec<Option<(Event, Delivery)>>,
    answers: &mut [Answer],
) {
    let refused = of_others.into_iter().zip(answers);
    let refused = refused.filter(|(_, answer)| answer.result.is_forbidden());
    let (again, answers): (Vec<_>, Vec<_>) = refused
        .filter_map(|(event, answer)| Some((event?, answer)))
        .unzip();
    if again.is_empty() {
        return;
    }
    let peer = caller.peer.clone();
    if !matches!(spawn_blocking(move || peer.find_owner()).await, Ok(Some(_))) {
        return;
    }
    let from = From::of(app, caller);
    let again = again
        .into_iter()
        .map(|(event, delivery)| Ok((event, from.delivery(delivery.sent_at))));
    for (answer, proved) in answers
        .into_iter()
        .zip(take_once(app, again.collect()).await)
    {
        *answer = proved;
    }
}

async fn take_once(app: &App, read: Vec<ReadEvent>) -> Vec<Answer> {
    let mut events = Vec::with_capacity(read.len());
    let asked: Vec<Result<Asked, EventResult>> = read
        .into_iter()
        .map(|read| {
            let (event, delivery) = read?;
            let asked = Asked::of(&event);
            events.push((event, delivery));
            Ok(asked)
        })
        .collect();
    let count = events.len();
    let results = app.tracker.take(events).await;
    let mut results = results
        .unwrap_or_else(|failure| vec![Err(failure); count])
        .into_iter();
    let answer = |asked: Result<Asked, EventResult>| match asked {
        Err(result) => Answer {
            result,
            failed: false,
        },
        Ok(asked) => match results
            .next()
            .expect("every event that is taken has a result")
        {
            Ok(result) => Answer {
                result,
                failed: false,
            },
            Err(failure) => Answer {
                result: asked.refused(&Problem::from(failure)),
                failed: true,
            },
        },
    };
    asked.into_iter().map(answer).collect()
}

/// What a refusal of an event repeats of it.
struct Asked {
    event_type: EventType,
    session_id: Option<String>,
}

impl Asked {
    fn of(event: &Event) -> Self {
        let (event_type, session_id) = match event {
            Event::Start(_) => (EventType::Start, None),
            Event::End(event) => (EventType::End, Some(event.session_id.to_string())),
            Event::Heartbeat(event) => (EventType::Heartbeat, Some(event.session_id.to_string())),
        };
        Self {
            event_type,
            session_id,
        }
    }

    fn refused(self, problem: &Problem) -> EventResult {
        let refusal = result::Refusal {
            error: problem.detail().to_owned(),
            error_code: Some(problem.code().to_string()),
        };
        match self.event_type {
            EventType::Start => EventResult::Start(SessionStartResult::Error(refusal)),
            EventType::End => EventResult::End(SessionEndResult::Error {
                session_id: self.session_id.unwrap_or_default(),
                refusal,
            }),
            EventType::Heartbeat => EventResult::Heartbeat(SessionHeartbeatResult::Error {
                session_id: self.session_id,
                refusal,
            }),
        }
    }
}
