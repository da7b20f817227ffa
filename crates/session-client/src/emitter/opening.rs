//! How a session begins.

use std::{
    sync::{Condvar, Mutex, atomic::AtomicU64},
    time::Duration,
};

use serde_json::json;
use session_model::{
    EventId, SessionStartEvent, Text,
    text::Integer,
    words::{EventVersion, SessionStartType},
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Beginning, Boottime, Delivery, Shared, Storage};
use crate::{
    Clock,
    delivery::adoption::event_json,
    identity::{self, Identity},
    leaving,
    settings::Settings,
    spool::{Dropped, Header, Spool, SpoolFile},
};

pub(super) fn open(
    settings: &Settings,
    identity: Identity,
    mut beginning: Beginning,
    clock: Clock,
) -> Shared {
    let mut notices = Vec::new();
    let mut spools = spools(settings, &mut notices);
    let told = spools
        .iter()
        .find_map(|spool| spool.dropped().ok().flatten());
    if let Some(dropped) = &told {
        beginning
            .metadata
            .insert("dropped_events".to_owned(), note(dropped));
    }
    let boot_id = identity
        .process
        .as_ref()
        .map(|process| process.boot_id.to_string());
    let emitter_id = fresh_id();
    let heartbeat = settings.timing.heartbeat;
    let start = start_event(identity, beginning, emitter_id, heartbeat, &clock);
    let session_id = start.session_id();
    let header = Header {
        session_id: session_id.to_string(),
        component: start.component_name.to_string(),
        destination: settings.target.to_string(),
        boot_id: boot_id.or_else(identity::boot_id),
    };
    let json = event_json(&start).expect("an event is plain data");
    let (file, spool, storage) = store(header, json, &mut spools, settings, &mut notices);
    Shared {
        session_id,
        emitter_id,
        file: Mutex::new(file),
        spool,
        storage,
        target: settings.target.clone(),
        bounds: settings.bounds,
        timing: settings.timing,
        told,
        clock,
        began: Boottime::now(),
        commands: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        sequence: AtomicU64::new(1),
        last_error: Mutex::new(None),
        notices,
        delivery: Mutex::new(Delivery::default()),
        changed: Condvar::new(),
        wake: Notify::new(),
    }
}

/// Opens the first folder that can be used.
fn spools(settings: &Settings, notices: &mut Vec<String>) -> Vec<Spool> {
    if settings.buffer_off.is_some() {
        return Vec::new();
    }
    let mut usable = Vec::new();
    for folder in &settings.state_folders {
        match Spool::open(folder) {
            Ok(spool) => {
                usable.push(spool);
                break;
            }
            Err(error) => notices.push(with_cause(&error)),
        }
    }
    usable
}

/// Writes the start event to the spool, or keeps it in memory.
fn store(
    header: Header,
    start: String,
    spools: &mut Vec<Spool>,
    settings: &Settings,
    notices: &mut Vec<String>,
) -> (SpoolFile, Option<Spool>, Storage) {
    if let Some(spool) = spools.pop() {
        match SpoolFile::create(spool.path(), header.clone(), start.clone()) {
            Ok(file) => {
                let storage = Storage::Spool(spool.path().to_owned());
                return (file, Some(spool), storage);
            }
            Err(error) => notices.push(with_cause(&error)),
        }
    }
    let cause = match (&settings.buffer_off, notices.last()) {
        (Some(off), _) => off.clone(),
        (None, Some(notice)) => notice.clone(),
        (None, None) => "there is no state folder".to_owned(),
    };
    if settings.buffer_off.is_none() {
        notices
            .push("events wait in memory, and are lost if no server takes them in time".to_owned());
    }
    let file = SpoolFile::in_memory(header, start);
    let file = file.expect("an event made of bounded texts is far below the bound");
    (file, None, Storage::Memory { cause })
}

fn start_event(
    identity: Identity,
    beginning: Beginning,
    emitter_id: EventId,
    heartbeat: Duration,
    clock: &Clock,
) -> SessionStartEvent {
    let seconds = i64::try_from(heartbeat.as_secs().max(1)).unwrap_or(i64::MAX);
    SessionStartEvent {
        event_version: EventVersion,
        event_id: fresh_id(),
        event_type: SessionStartType,
        component_name: beginning.component,
        shell_type: leaving::text(&beginning.shell_type),
        timestamp: clock.now(),
        pid: identity.pid,
        user: identity.user,
        hostname: identity.hostname,
        environment: identity.environment,
        metadata: leaving::metadata(beginning.metadata),
        session_type: beginning.session_type,
        reason: beginning
            .reason
            .map(|reason| -> Text<500> { leaving::text(&reason) }),
        actor: identity.actor,
        parent_session_id: identity.parent_session_id,
        heartbeat_interval_seconds: Integer::new(seconds).ok(),
        process: identity.process,
        host_id: identity.host_id,
        tty: identity.tty,
        remote_address: identity.remote_address,
        runtime: Some(identity.runtime),
        emitter_id: Some(emitter_id),
        sequence: Integer::new(0).ok(),
    }
}

fn fresh_id() -> EventId {
    EventId::new(Uuid::now_v7()).expect("a version 7 UUID is never nil")
}

fn note(dropped: &Dropped) -> serde_json::Value {
    json!({"sessions": dropped.sessions, "events": dropped.events, "since": dropped.since})
}

fn with_cause(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
