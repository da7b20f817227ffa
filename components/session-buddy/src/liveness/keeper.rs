//! The tasks of a server that watch, sweep and write down.

use std::{
    collections::HashMap,
    future::Future,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use session_model::SessionId;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinSet, spawn_blocking},
    time::{Interval, MissedTickBehavior, interval, interval_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Candidate,
    process::{self, Ends, ProcessId, Sighting},
};
use crate::{
    metrics::Metrics,
    store::{Note, StoreError, Watched},
    tracker::Tracker,
};

/// How often is swept: twice a second, so that a process without last words is known to be gone within 3 seconds.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
/// How often processes are looked at that there is no file for: every 2 seconds, 14 us each (measured).
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How often what heartbeats said is written to the rows: every minute. A crash takes back no more than that of when
/// sessions were seen last.
const WRITE_INTERVAL: Duration = Duration::from_secs(60);
/// How often is counted what changes by itself or is a sum over many sessions: every minute.
const CENSUS_INTERVAL: Duration = Duration::from_secs(60);
/// How long after the sessions of an earlier run were called to mind the first time: 1 second, in which their processes are
/// looked at.
const CENSUS_AFTER: Duration = Duration::from_secs(1);
/// Of each five files that may be open processes take at most four; the rest is for connections and the database.
const FILES_OF_FIVE: u64 = 4;

/// Starts the tasks; they end when `stop` is cancelled. Sessions whose process is gone are named to `gone`, so that what
/// they left is looked for at once; when it is full they are found all the same, a little later.
///
/// # Errors
///
/// When the system has no room for what waits for the ends of processes.
pub fn spawn(
    tracker: &Tracker,
    metrics: &Arc<Metrics>,
    gone: mpsc::Sender<SessionId>,
    stop: &CancellationToken,
) -> io::Result<JoinSet<()>> {
    let files_max = process::raise_file_limit() / 5 * FILES_OF_FIVE;
    let (ends, ended) = Ends::new()?;
    let mut tasks = JoinSet::new();
    let watcher = Watcher {
        tracker: tracker.clone(),
        files_max,
        gone,
        ends,
        ended,
        held: HashMap::new(),
        sessions: HashMap::new(),
        seen: HashMap::new(),
    };
    tasks.spawn(until(stop.clone(), watcher.run()));
    let (recalled, is_recalled) = oneshot::channel();
    tasks.spawn(until(stop.clone(), sweep(tracker.clone(), recalled)));
    let census = census(tracker.clone(), Arc::clone(metrics), is_recalled);
    tasks.spawn(until(stop.clone(), census));
    tasks.spawn(until(stop.clone(), write(tracker.clone())));
    Ok(tasks)
}

async fn until(stop: CancellationToken, task: impl Future<Output = ()> + Send) {
    stop.run_until_cancelled(task).await;
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Calls the sessions of an earlier run to mind, then sweeps.
async fn sweep(tracker: Tracker, recalled: oneshot::Sender<()>) {
    let mut ticks = every(SWEEP_INTERVAL);
    let mut failing = Failing::default();
    while failing.is(tracker.recall().await, "Open sessions cannot be read") {
        ticks.tick().await;
    }
    let _ = recalled.send(());
    loop {
        ticks.tick().await;
        failing.is(tracker.sweep().await, "Lost sessions cannot be closed");
    }
}

async fn write(tracker: Tracker) {
    let mut ticks = every(WRITE_INTERVAL);
    let mut failing = Failing::default();
    loop {
        ticks.tick().await;
        failing.is(tracker.write_signs().await, "Heartbeats cannot be written");
    }
}

/// Counts for the metrics, so that no scrape waits for the store.
async fn census(tracker: Tracker, metrics: Arc<Metrics>, recalled: oneshot::Receiver<()>) {
    if recalled.await.is_err() {
        return;
    }
    let mut ticks = interval_at(tokio::time::Instant::now() + CENSUS_AFTER, CENSUS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = Failing::default();
    loop {
        ticks.tick().await;
        let census = tracker.census().await;
        if let Ok(census) = &census {
            metrics.take_census(census);
        }
        failing.is(census, "Sessions cannot be counted for the metrics");
    }
}

/// Says once that something fails, and once more after it has gone well.
#[derive(Default)]
struct Failing(bool);

impl Failing {
    fn is<T>(&mut self, outcome: Result<T, StoreError>, what: &str) -> bool {
        let failed = outcome.err();
        if let Some(error) = &failed
            && !self.0
        {
            warn!("{what}, and will be tried again: {error}");
        }
        self.0 = failed.is_some();
        self.0
    }
}

/// Waits for the ends of processes.
struct Watcher {
    tracker: Tracker,
    files_max: u64,
    gone: mpsc::Sender<SessionId>,
    ends: Ends,
    /// The keys of those that have come.
    ended: mpsc::Receiver<u64>,
    /// Processes that are held, by their keys, and back.
    held: HashMap<SessionId, u64>,
    sessions: HashMap<u64, SessionId>,
    /// Processes that are looked at again and again.
    seen: HashMap<SessionId, ProcessId>,
}

impl Watcher {
    async fn run(mut self) {
        let liveness = self.tracker.liveness().clone();
        let mut looks = every(LOOK_INTERVAL);
        loop {
            tokio::select! {
                (candidates, forgotten) = liveness.work() => {
                    self.forget(forgotten).await;
                    self.look_at(candidates).await;
                }
                Some(key) = self.ended.recv() => {
                    // One that was forgotten meanwhile has nothing to say.
                    if let Some(id) = self.sessions.get(&key).cloned() {
                        self.has_gone(&id);
                    }
                }
                _ = looks.tick(), if !self.seen.is_empty() => self.look_again().await,
            }
        }
    }

    fn has_gone(&mut self, id: &SessionId) {
        self.let_go(id);
        self.tracker.process_gone(id, self.tracker.clock().now());
        let _ = self.gone.try_send(id.clone());
    }

    fn let_go(&mut self, id: &SessionId) {
        if let Some(key) = self.held.remove(id) {
            self.ends.remove(key);
            self.sessions.remove(&key);
        }
        self.seen.remove(id);
    }

    async fn forget(&mut self, forgotten: Vec<SessionId>) {
        for id in &forgotten {
            self.let_go(id);
        }
        self.note(forgotten.into_iter().map(Note::Unwatched).collect())
            .await;
    }

    async fn look_at(&mut self, candidates: Vec<(SessionId, Candidate)>) {
        if candidates.is_empty() {
            return;
        }
        let mut found = Vec::with_capacity(candidates.len());
        for (id, candidate) in candidates {
            match candidate {
                Candidate::Sought(sought) => match sought.await {
                    Ok(Some(process)) => found.push((id, Candidate::Claimed(process))),
                    Ok(None) | Err(_) => self.unwatch(&id),
                },
                candidate => found.push((id, candidate)),
            }
        }
        let files_max = self.files_max;
        let sightings = spawn_blocking(move || {
            let look = |(id, candidate)| {
                let sighting = look(&candidate, files_max);
                (id, candidate, sighting)
            };
            found.into_iter().map(look).collect::<Vec<_>>()
        });
        let Ok(sightings) = sightings.await else {
            return;
        };
        let mut notes = Vec::new();
        for (id, candidate, sighting) in sightings {
            debug!(session.id = %id, "The process of session {id}: {sighting:?}");
            notes.extend(self.take(id, &candidate, sighting));
        }
        self.note(notes).await;
    }

    /// Takes in what was seen of a process, and gives what the next server should know of it.
    fn take(&mut self, id: SessionId, candidate: &Candidate, sighting: Sighting) -> Option<Note> {
        let liveness = self.tracker.liveness();
        let process = match sighting {
            Sighting::NotThere => {
                match candidate {
                    Candidate::Watched(_) => self.has_gone(&id),
                    Candidate::Claimed(_) | Candidate::Connected { .. } | Candidate::Sought(_) => {
                        self.unwatch(&id);
                    }
                }
                return None;
            }
            Sighting::Held(..) | Sighting::Seen(_) if !liveness.lock().detector.watch(&id) => {
                return None;
            }
            Sighting::Held(held, process) => {
                match self.ends.add(held) {
                    Ok(key) => {
                        self.held.insert(id.clone(), key);
                        self.sessions.insert(key, id.clone());
                    }
                    // There is no room to wait for it.
                    Err(_) => drop(self.seen.insert(id.clone(), process)),
                }
                process
            }
            Sighting::Seen(process) => {
                self.seen.insert(id.clone(), process);
                process
            }
        };
        if let Candidate::Watched(_) = candidate {
            return None;
        }
        let host = self.tracker.liveness().host()?;
        let watched = Watched {
            host_id: host.host_id.clone(),
            boot_id: host.boot_id.clone(),
            pid_namespace: i64::try_from(host.pid_namespace).ok()?,
            pid: process.pid.into(),
            start_ticks: i64::try_from(process.start_ticks).ok()?,
            pidfd_inode: process.pidfd_inode.and_then(|inode| inode.try_into().ok()),
        };
        Some(Note::Watched(id, watched))
    }

    fn unwatch(&self, id: &SessionId) {
        let liveness = self.tracker.liveness();
        let now: Instant = liveness.now();
        liveness.lock().unwatch(id, now);
    }

    async fn look_again(&mut self) {
        let seen: Vec<_> = self
            .seen
            .iter()
            .map(|(id, process)| (id.clone(), *process))
            .collect();
        let gone = spawn_blocking(move || {
            let gone = seen.into_iter().filter(|(_, it)| !process::is_there(it));
            gone.map(|(id, _)| id).collect::<Vec<_>>()
        });
        for id in gone.await.unwrap_or_default() {
            self.has_gone(&id);
        }
    }

    /// What cannot be noted is known to this server all the same.
    async fn note(&self, notes: Vec<Note>) {
        if let Err(error) = self.tracker.note(notes).await {
            debug!("Watched processes cannot be noted: {error}");
        }
    }
}

fn look(candidate: &Candidate, files_max: u64) -> Sighting {
    match candidate {
        Candidate::Claimed(process) | Candidate::Watched(process) => {
            process::look(process, files_max)
        }
        Candidate::Connected {
            pid,
            accepted_ticks,
        } => process::look_for_connected(*pid, *accepted_ticks, files_max),
        Candidate::Sought(_) => Sighting::NotThere,
    }
}
