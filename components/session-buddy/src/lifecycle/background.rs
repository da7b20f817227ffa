//! A server in the background: this program once more, in a session of its own.
//!
//! Nothing is forked by hand. The child gets a pipe as its standard output and says one thing on it: that it is ready,
//! or why it is not. Standard error is the caller's until the child has its log.

use std::{
    env, fs,
    io::{self, Write},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use session_client::{Connection, Destination};
use tokio::{net::unix::pipe, time::timeout};

use super::{Flags, ServerInfo, Settings};

/// The flag of `mcp start` that makes it the child. Nobody is shown it.
pub const CHILD_FLAG: &str = "--in-background";

/// The most bytes of a report; it is one line of JSON.
const REPORT_BYTES_MAX: usize = 64 * 1024;

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Report {
    Ready(Box<ServerInfo>),
    Refused(Refusal),
}

/// Why a server in the background did not start, as it would have said on a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Its exit code.
    pub exit_code: u8,
    /// What failed.
    pub message: String,
    /// Why, the outermost cause first.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// Why there is no server in the background.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program cannot be run.
    #[error("cannot run this program once more")]
    Spawn(#[source] io::Error),
    /// It says why not.
    #[error(transparent)]
    Refused(Refusal),
    /// It ended without a word.
    #[error("the server ended before it was ready: {0}")]
    Silent(String),
    /// It takes longer than the caller waits, and goes on.
    #[error("process {pid} is not ready after {} s and goes on starting", patience.as_secs_f64())]
    Late {
        /// Its process.
        pid: u32,
        /// How long was waited.
        patience: Duration,
    },
}

/// What [`ensure`] found or did.
#[derive(Debug)]
pub enum Ensured {
    /// A server answered.
    AlreadyRunning,
    /// None did; this one was started.
    Started(Box<ServerInfo>),
}

/// Makes sure that a server runs: where nobody answers at the state folder's socket, starts one in the background with
/// the environment of this process, and waits for at most `patience` until it is ready. Of callers at the same time one
/// starts it, and all find it. It outlives this process and its terminal.
///
/// The program that is run is this one, so this is for `session-buddy` alone. Needs a runtime.
///
/// # Errors
///
/// Why no server is ready. [`LaunchError::Late`] means that one may soon be.
pub async fn ensure(settings: &Settings, patience: Duration) -> Result<Ensured, LaunchError> {
    let began = Instant::now();
    if answers(settings).await {
        return Ok(Ensured::AlreadyRunning);
    }
    let patience = patience.saturating_sub(began.elapsed());
    match launch(&settings.told.flags, [], patience).await {
        Ok(info) => Ok(Ensured::Started(info)),
        // Somebody else started one meanwhile.
        Err(LaunchError::Refused(_)) if answers(settings).await => Ok(Ensured::AlreadyRunning),
        Err(error) => Err(error),
    }
}

/// Tells whether somebody accepts connections at the state folder's socket.
async fn answers(settings: &Settings) -> bool {
    Connection::to(Destination::Socket(settings.socket()))
        .await
        .is_ok()
}

/// Starts a server in the background and waits until it is ready. `variables` are added to this process's environment.
///
/// # Errors
///
/// Why it is not ready.
pub async fn launch<'a>(
    flags: &Flags,
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    patience: Duration,
) -> Result<Box<ServerInfo>, LaunchError> {
    let program = env::current_exe().map_err(LaunchError::Spawn)?;
    let mut child = Command::new(program)
        .args(["mcp", "start", CHILD_FLAG])
        .args(flags.arguments())
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(LaunchError::Spawn)?;
    let pid = child.id();
    let report = child.stdout.take().expect("it is piped");
    let said = timeout(patience, read(report.into())).await;
    let report = match &said {
        Ok(Ok(said)) => serde_json::from_slice(said).ok(),
        Ok(Err(_)) | Err(_) => None,
    };
    match report {
        Some(Report::Ready(info)) => {
            reap(child);
            Ok(info)
        }
        Some(Report::Refused(refusal)) => {
            reap(child);
            Err(LaunchError::Refused(refusal))
        }
        None if said.is_err() => {
            reap(child);
            Err(LaunchError::Late { pid, patience })
        }
        // It has closed its end, so it has ended.
        None => Err(match child.wait() {
            Ok(status) => LaunchError::Silent(status.to_string()),
            Err(error) => LaunchError::Silent(error.to_string()),
        }),
    }
}

/// Waits for the end of a child, so that it does not stay as a zombie while this process goes on.
fn reap(mut child: std::process::Child) {
    let thread = thread::Builder::new().name("reaper".to_owned());
    // Without a thread there is a zombie, and no harm.
    let _ = thread.spawn(move || child.wait());
}

async fn read(report: OwnedFd) -> io::Result<Vec<u8>> {
    let pipe = pipe::Receiver::from_owned_fd(report)?;
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        pipe.readable().await?;
        match pipe.try_read(&mut buffer) {
            Ok(0) => return Ok(said),
            Ok(count) => said.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if said.len() > REPORT_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Leaves the terminal and the folder of whoever started this process, and closes what it inherited by accident: a
/// caller that waits for the end of a pipe does not wait for a server. The first thing that the child does, before
/// anything of its own is open.
pub fn detach() {
    // It leads no group, as a child; if somebody made it lead one, it has no terminal to leave.
    let _ = rustix::process::setsid();
    close_inherited();
}

#[cfg(target_os = "linux")]
fn close_inherited() {
    let Ok(listing) = fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<std::os::fd::RawFd> = listing
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // The listing itself is closed by now, and closing it again does nothing.
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        let _ = nix::unistd::close(descriptor);
    }
}

#[cfg(not(target_os = "linux"))]
fn close_inherited() {}

/// Says that the server is ready, and lets go of the caller.
///
/// # Errors
///
/// When standard output cannot be given up.
pub fn say_ready(info: &ServerInfo) -> io::Result<()> {
    say(&Report::Ready(Box::new(info.clone())));
    let nowhere = fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    // A folder that is in use cannot be unmounted.
    env::set_current_dir("/")
}

/// Says why there is no server.
pub fn say_refused(refusal: &Refusal) {
    say(&Report::Refused(refusal.clone()));
}

fn say(report: &Report) {
    let json = serde_json::to_vec(report).expect("a report has text keys");
    let mut stdout = io::stdout().lock();
    // A caller that is gone need not be told.
    let _ = stdout.write_all(&json).and_then(|()| stdout.flush());
}
