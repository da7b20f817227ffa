//! How a session begins.

use std::{
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, atomic::AtomicU64},
    time::Duration,
};

use serde_json::json;
use session_model::{
    EventId, SessionStartEvent, Text, Timestamp,
    text::Integer,
    words::{EventVersion, SessionStartType},
};
use tokio::sync::Notify;

use super::{Beginning, Delivery, Shared, Storage};
use crate::{
    Clock,
    delivery::{adoption::event_json, answer::for_people},
    fresh_id::fresh_id,
    identity::{self, Identity},
    leaving::Door,
    settings::Settings,
    spool::{Disk, Dropped, Header, Spool, SpoolFile},
};

pub(super) fn open(
    settings: &Settings,
    identity: Identity,
    mut beginning: Beginning,
    clock: Clock,
) -> Shared {
    let folders = match settings.buffer_off {
        Some(_) => Vec::new(),
        None => settings.state_folders.clone(),
    };
    let told = to_tell(&settings.disk, &folders);
    if let Some((dropped, _)) = &told {
        beginning
            .metadata
            .insert("dropped_events".to_owned(), note(dropped));
    }
    let boot_id = identity
        .process
        .as_ref()
        .map(|process| process.boot_id.to_string());
    let (now, began) = (clock.now(), clock.since_boot());
    let emitter_id = fresh_id(now);
    let heartbeat = settings.timing.heartbeat;
    let start = start_event(
        identity,
        beginning,
        emitter_id,
        heartbeat,
        &settings.door,
        now,
    );
    let session_id = start.session_id();
    let header = Header {
        session_id: session_id.to_string(),
        component: start.component_name.to_string(),
        destination: settings.target.to_string(),
        boot_id: boot_id.or_else(identity::boot_id),
    };
    let json = event_json(&start).expect("an event is plain data");
    let mut notices = Vec::new();
    let (file, storage) = store(header, json, settings, &folders, &mut notices);
    Shared {
        session_id,
        emitter_id,
        file: Mutex::new(file),
        storage,
        folders,
        disk: settings.disk.clone(),
        network: settings.network.clone(),
        target: settings.target.clone(),
        credential: settings.credential.clone(),
        door: settings.door.clone(),
        bounds: settings.bounds,
        timing: settings.timing,
        told,
        clock,
        began,
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

/// Looks for what the bounds have cost, and where that is counted.
fn to_tell(disk: &Disk, folders: &[PathBuf]) -> Option<(Dropped, Spool)> {
    folders.iter().find_map(|folder| {
        let spool = Spool::existing_on(disk.clone(), folder).ok()??;
        let dropped = spool.dropped().ok()??;
        Some((dropped, spool))
    })
}

/// Writes the start event to the spool of the first folder that takes it, or keeps it in memory.
fn store(
    header: Header,
    start: String,
    settings: &Settings,
    folders: &[PathBuf],
    notices: &mut Vec<String>,
) -> (SpoolFile, Storage) {
    for folder in folders {
        match spooled(&settings.disk, folder, header.clone(), start.clone()) {
            Ok(stored) => return stored,
            Err(problem) => notices.push(problem),
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
    (file, Storage::Memory { cause })
}

fn spooled(
    disk: &Disk,
    folder: &Path,
    header: Header,
    start: String,
) -> Result<(SpoolFile, Storage), String> {
    let spool = Spool::open_on(disk.clone(), folder).map_err(|error| with_cause(&error))?;
    let file = spool.create(header, start);
    let file = file.map_err(|error| with_cause(&error))?;
    Ok((file, Storage::Spool(spool.path().to_owned())))
}

fn start_event(
    identity: Identity,
    beginning: Beginning,
    emitter_id: EventId,
    heartbeat: Duration,
    door: &Door,
    now: Timestamp,
) -> SessionStartEvent {
    let seconds = i64::try_from(heartbeat.as_secs().max(1)).unwrap_or(i64::MAX);
    SessionStartEvent {
        event_version: EventVersion,
        event_id: fresh_id(now),
        event_type: SessionStartType,
        component_name: beginning.component,
        shell_type: door.text(&beginning.shell_type),
        timestamp: now,
        pid: identity.pid,
        user: identity.user,
        hostname: identity.hostname,
        environment: identity.environment,
        metadata: door.metadata(beginning.metadata),
        session_type: beginning.session_type,
        reason: beginning
            .reason
            .map(|reason| -> Text<500> { door.text(&reason) }),
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

fn note(dropped: &Dropped) -> serde_json::Value {
    json!({"sessions": dropped.sessions, "events": dropped.events, "since": dropped.since})
}

fn with_cause(error: &(dyn std::error::Error + 'static)) -> String {
    for_people(&match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}
