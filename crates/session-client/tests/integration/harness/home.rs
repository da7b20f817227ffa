//! A state folder, and shells in it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use session_client::{
    Beginning, Clock, Emitter, Ending, Settings,
    delivery::{
        Courier,
        adoption::{Adopter, Report},
        target::Target,
        timing::Timing,
    },
    emitter::Status,
    identity::Identity,
    network::Network,
    settings::Switch,
    spool::{Bounds, Disk, Spool, look},
};
use session_model::{ExitReason, SessionType, Timestamp};
use tempfile::TempDir;
use tokio::runtime;

use super::server::DEADLINE;

/// A home with a state folder that nobody else knows.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) settings: Settings,
}

impl Home {
    /// Nobody listens at its socket.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let target = Target::Local {
            socket: state.join("session-buddy.sock"),
            // Nobody can listen at port 0.
            authority: "localhost:0".to_owned(),
        };
        Self {
            settings: settings(state, target),
            folder,
        }
    }

    /// Events go to this endpoint.
    pub(crate) fn with_url(url: impl Into<String>) -> Self {
        let mut home = Self::new();
        home.settings.target = Target::Url(url.into());
        home
    }

    pub(crate) fn state(&self) -> &Path {
        &self.settings.state_folders[0]
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.state().join("session-buddy.sock")
    }

    /// A shell that begins, and delivers nothing yet.
    pub(crate) fn begin(&self) -> Emitter {
        begin(&self.settings)
    }

    /// A shell that begins and delivers.
    pub(crate) fn shell(&self) -> Emitter {
        let shell = self.begin();
        shell.deliver();
        shell
    }

    /// A shell that died before it could say a word; gives its session.
    pub(crate) fn dead_shell(&self) -> String {
        self.die(self.begin())
    }

    /// Lets a shell die that delivers nothing; gives its session.
    pub(crate) fn die(&self, shell: Emitter) -> String {
        let id = shell.session_id().to_string();
        let path = self.path_of(&shell);
        drop(shell);
        wait_until("a free lock", || !is_owned(&path));
        id
    }

    pub(crate) fn spool(&self) -> Spool {
        Spool::open(self.state()).unwrap()
    }

    /// Gives the sessions whose events wait, sorted.
    pub(crate) fn waiting(&self) -> Vec<String> {
        sessions(self.spool().files().unwrap())
    }

    /// Gives the sessions that were set aside, sorted.
    pub(crate) fn set_aside(&self) -> Vec<String> {
        sessions(self.spool().refused().unwrap())
    }

    pub(crate) fn courier(&self) -> Courier {
        Courier::with_timing(self.settings.target.clone(), clock(), self.settings.timing)
    }

    /// Brings once what dead shells left.
    pub(crate) fn replay(&self) -> Report {
        self.replay_by(&mut self.courier())
    }

    /// Brings it in another time than the shells have.
    pub(crate) fn replay_in(&self, timing: Timing) -> Report {
        let target = self.settings.target.clone();
        self.replay_by(&mut Courier::with_timing(target, clock(), timing))
    }

    pub(crate) fn replay_by(&self, courier: &mut Courier) -> Report {
        let adopter = Adopter {
            reported_by: "replay".to_owned(),
            accepts: Box::new(|_| true),
            include_refused: false,
            clock: clock(),
            disk: Disk::system(),
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let files = self.spool().files().unwrap();
        let report = runtime.unwrap().block_on(adopter.run(files, courier));
        // What it held is free for the next one.
        let owned = || {
            self.spool()
                .files()
                .unwrap()
                .filter(|path| is_owned(path))
                .count()
        };
        wait_until("free locks", || owned() <= report.owned);
        report
    }

    /// Gives the start event that a shell has spooled.
    pub(crate) fn start_of(&self, shell: &Emitter) -> Value {
        let path = self.path_of(shell);
        let contents = look(&path).unwrap().unwrap().contents.unwrap();
        serde_json::from_str(&contents.start().unwrap().json).unwrap()
    }

    /// Gives the path of a shell's file.
    pub(crate) fn path_of(&self, shell: &Emitter) -> PathBuf {
        self.state()
            .join(format!("spool/{}.spool", shell.session_id()))
    }

    /// Gives why the only file that waits was not delivered.
    pub(crate) fn problem(&self) -> String {
        let path = self.spool().files().unwrap().next().unwrap();
        let contents = look(&path).unwrap().unwrap().contents.unwrap();
        contents.problem.unwrap()
    }
}

/// Tells whether somebody holds a file. A process that another test starts holds what this one held, until it is another
/// program.
fn is_owned(path: &Path) -> bool {
    look(path).is_ok_and(|found| found.is_some_and(|look| look.owner_alive))
}

fn sessions(paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
    let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut sessions: Vec<_> = paths.into_iter().map(stem).collect();
    sessions.sort();
    sessions
}

pub(crate) fn settings(state: PathBuf, target: Target) -> Settings {
    Settings {
        switch: Switch::On,
        state_folders: vec![state],
        buffer_off: None,
        target,
        credential: None,
        door: Default::default(),
        bounds: Bounds::default(),
        timing: timing(),
        disk: Disk::system(),
        network: Network::system(),
    }
}

/// Waits that a test would have to sit through are short; those that should not happen are long.
pub(crate) fn timing() -> Timing {
    Timing {
        call_max: DEADLINE,
        health_max: DEADLINE,
        retry_first: Duration::from_millis(10),
        cooldown: Duration::from_millis(50),
        heartbeat: Duration::from_hours(1),
        delivery_delay: Duration::ZERO,
        exit_max: DEADLINE,
        look: Duration::from_millis(10),
        adoption_delay: Duration::from_hours(1),
        adoption: Duration::from_millis(20),
    }
}

/// A clock that stands still.
pub(crate) fn clock() -> Clock {
    Clock::new(now)
}

pub(crate) fn now() -> Timestamp {
    "2026-02-06T22:04:58Z".parse().unwrap()
}

pub(crate) fn begin(settings: &Settings) -> Emitter {
    begin_with(settings, json!({}))
}

/// Begins with metadata.
pub(crate) fn begin_with(settings: &Settings, metadata: Value) -> Emitter {
    begun(settings, &|name| std::env::var_os(name), metadata)
}

/// Begins in an environment.
pub(crate) fn begin_in(
    settings: &Settings,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Emitter {
    begun(settings, variable, json!({}))
}

fn begun(
    settings: &Settings,
    variable: &dyn Fn(&str) -> Option<OsString>,
    metadata: Value,
) -> Emitter {
    let beginning = Beginning {
        component: "billing".parse().unwrap(),
        shell_type: "BillingShell".to_owned(),
        session_type: SessionType::default(),
        reason: None,
        metadata: metadata.as_object().unwrap().clone(),
    };
    let identity = Identity::of_this_process(variable);
    Emitter::begin(settings, identity, beginning, clock())
}

/// Ends as a shell does whose user leaves; waits for the delivery while there is hope.
pub(crate) fn leave(shell: &Emitter) {
    shell.end(Ending {
        reason: ExitReason::Exit,
        exit_code: 0,
    });
}

/// Waits until the status shows something.
pub(crate) fn wait_status(shell: &Emitter, what: &str, shows: impl Fn(&Status) -> bool) -> Status {
    let deadline = Instant::now() + DEADLINE;
    let mut status = shell.status();
    while !shows(&status) {
        let left = deadline.saturating_duration_since(Instant::now());
        let changed = shell.wait_changed(&status, left);
        status = changed.unwrap_or_else(|| panic!("{what} did not come; it is {status:#?}"));
    }
    status
}

/// Waits until a folder shows something.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    let (lock, bell) = (Mutex::new(()), std::sync::Condvar::new());
    let mut held = lock.lock().unwrap();
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        // Nobody rings: the file system does not.
        held = bell.wait_timeout(held, Duration::from_millis(5)).unwrap().0;
    }
}
