//! Checkpoints of the running server: read when it starts, written while it runs and when it stops.
//!
//! They are written beside what commits do and hold up nobody. What is cut off the ledger within the last minute, or
//! within its last thousand records, whichever is less, is not seen by them.

use std::{
    convert::Infallible,
    error::Error,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing::{error, warn};

use crate::{
    causes,
    clock::Clock,
    store::{
        checkpoint::{Checkpoint, CheckpointFiles, Key},
        sqlite::{Newest, compared},
    },
};

/// A change of the ledger is signed within so long.
const AGE_MAX: Duration = Duration::from_secs(60);
/// With so many records since the last checkpoint there is one at once.
const RECORDS_MAX: u64 = 1000;
/// How often that is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Whether the ledger agrees with the checkpoints, and whether there can be more, for health to tell.
#[derive(Debug, Default)]
pub struct CheckpointHealth {
    refuted: AtomicBool,
    failing: AtomicBool,
}

impl CheckpointHealth {
    /// Tells whether a person should look; the log says at what.
    pub fn wants_a_look(&self) -> bool {
        self.refuted.load(Ordering::Relaxed) || self.failing.load(Ordering::Relaxed)
    }
}

/// The thread that writes.
pub(super) struct Writing {
    /// Dropped to stop it.
    running: Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl Writing {
    /// Has the last one written, once the ledger is closed, and waits for it.
    pub(super) fn finish(self) {
        drop(self.running);
        if self.thread.join().is_err() {
            warn!("The writing of checkpoints came to a bug; the log says where");
        }
    }
}

/// Writes the checkpoints of a server.
pub(super) struct Checkpoints {
    files: CheckpointFiles,
    /// None where it cannot be used: then nothing is signed.
    key: Option<Key>,
    newest: Newest,
    clock: Clock,
    health: Arc<CheckpointHealth>,
    /// The record that the last checkpoint names.
    written: Option<u64>,
    written_at: Option<Instant>,
}

impl Checkpoints {
    /// Reads the key, made if it is missing, and compares the ledger with the checkpoints that are there. One that it does
    /// not agree with is put aside and told of, at this start and at each one after it, until a person has removed it: a
    /// backup may have been restored, so the server starts.
    pub(super) fn open(
        state_folder: &Path,
        database: &Path,
        newest: Newest,
        clock: &Clock,
    ) -> Self {
        let files = CheckpointFiles::of(state_folder, database);
        let mut checkpoints = Self {
            key: None,
            newest,
            clock: clock.clone(),
            health: Arc::default(),
            written: None,
            written_at: None,
            files,
        };
        match Key::load_or_make(checkpoints.files.key()) {
            Ok(key) => checkpoints.key = Some(key),
            Err(error) => checkpoints.failed(&error),
        }
        checkpoints.compare_all(database);
        checkpoints
    }

    /// Gives what health tells.
    pub(super) fn health(&self) -> Arc<CheckpointHealth> {
        Arc::clone(&self.health)
    }

    /// Starts the thread that writes them.
    pub(super) fn spawn(mut self) -> io::Result<Writing> {
        let (running, stopped) = channel::<Infallible>();
        let thread = thread::Builder::new().name("checkpoints".to_owned());
        let thread = thread.spawn(move || {
            loop {
                if self.is_due() {
                    self.write();
                }
                if let Err(RecvTimeoutError::Disconnected) = stopped.recv_timeout(LOOK_INTERVAL) {
                    return self.write();
                }
            }
        })?;
        Ok(Writing { running, thread })
    }

    fn is_due(&self) -> bool {
        let Some(newest) = self.newest.get() else {
            return false;
        };
        match (self.written, self.written_at) {
            _ if self.key.is_none() => false,
            (Some(written), _) if newest.seq == written => false,
            (Some(written), Some(at)) => {
                at.elapsed() >= AGE_MAX || newest.seq.saturating_sub(written) >= RECORDS_MAX
            }
            _ => true,
        }
    }

    /// Signs the newest record.
    fn write(&mut self) {
        let (Some(key), Some(newest)) = (&self.key, self.newest.get()) else {
            return;
        };
        if self.written == Some(newest.seq) {
            return;
        }
        let checkpoint = Checkpoint::sign(newest, self.clock.now(), key);
        match self.files.write(&checkpoint) {
            Ok(()) => {
                self.written = Some(newest.seq);
                self.written_at = Some(Instant::now());
                self.health.failing.store(false, Ordering::Relaxed);
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &(dyn Error + 'static)) {
        if !self.health.failing.swap(true, Ordering::Relaxed) {
            warn!("No checkpoint can be written: {}", describe(error));
        }
    }

    fn compare_all(&mut self, database: &Path) {
        let (current, aside) = match self.files.list() {
            Ok(files) => files,
            Err(error) => return self.failed(&error),
        };
        for path in aside {
            if let Some(why) = self.refutation(database, &path) {
                self.tell(&path, &why);
            }
        }
        let Some(path) = current else { return };
        let Some(why) = self.refutation(database, &path) else {
            let current = CheckpointFiles::read(&path);
            self.written = current.ok().map(|found| found.head().seq);
            return;
        };
        match self.files.put_aside(self.clock.now()) {
            Ok(aside) => self.tell(&aside, &why),
            Err(error) => {
                // It is worth more than a new one.
                self.key = None;
                self.tell(&path, &why);
                self.failed(&error);
            }
        }
    }

    /// Says what is wrong with a checkpoint, or with the ledger.
    fn refutation(&self, database: &Path, path: &Path) -> Option<String> {
        let key = self.key.as_ref().map(Key::public);
        let compared = |checkpoint| compared::compare(database, &checkpoint, key.as_ref());
        match CheckpointFiles::read(path) {
            Err(error) => Some(describe(&error)),
            Ok(checkpoint) => match compared(checkpoint) {
                Ok(Ok(())) => None,
                Ok(Err(disagreement)) => Some(disagreement.to_string()),
                Err(error) => Some(describe(&error)),
            },
        }
    }

    fn tell(&self, path: &Path, why: &str) {
        self.health.refuted.store(true, Ordering::Relaxed);
        error!(
            "The ledger does not agree with its checkpoint {}: {why}. If you restored a backup or began anew, remove that file; \
             else find out who did",
            path.display()
        );
    }
}

/// Writes an error with its causes in one line.
fn describe(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<_> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}
