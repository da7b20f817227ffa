//! The server as a process of its own, started the way a user starts it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::process::Owned;
use crate::{clock, http, workspace};

const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A fresh state folder on the disk of the checkout (a temporary file system would flatter), removed when dropped.
pub(crate) struct StateFolder {
    folder: TempDir,
}

impl StateFolder {
    pub(crate) fn new() -> Result<Self> {
        let parent = workspace::target().join("state-folders");
        fs::create_dir_all(&parent)?;
        let folder = TempDir::new_in(parent).context("could not make a state folder")?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(folder.path().join("state"))?;
        Ok(Self { folder })
    }

    /// The folder that `SESSION_BUDDY_HOME` names.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.home().join("sessions.db")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home().join("session-buddy.sock")
    }

    /// What the servers on this folder printed.
    fn output(&self) -> PathBuf {
        self.folder.path().join("output.txt")
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    process: Owned,
    pub(crate) address: SocketAddr,
}

/// The part of `server.json` that we use.
#[derive(Deserialize)]
struct Announcement {
    pid: u32,
    address: SocketAddr,
}

impl Server {
    /// Starts a server and returns once it is ready.
    pub(crate) fn start(binary: &Path, state: &StateFolder) -> Result<Self> {
        Self::start_with(binary, state, &[])
    }

    /// The same with these variables.
    pub(crate) fn start_with(
        binary: &Path,
        state: &StateFolder,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let mut process = spawn_with(binary, state, variables)?;
        let pid = process.pid();
        let answer = clock::poll(READY_LIMIT, Duration::from_millis(2), || {
            if let Some(status) = process.ended() {
                return Some(Err(anyhow::anyhow!(
                    "the server ended with {status} before it was ready"
                )));
            }
            announced(&state.home(), pid)
                .filter(|address| is_ready(*address))
                .map(Ok)
        });
        let address = answer
            .unwrap_or_else(|| {
                Err(anyhow::anyhow!(
                    "the server was not ready within {READY_LIMIT:?}"
                ))
            })
            .with_context(|| format!("{} says: {}", binary.display(), tail(&state.output())))?;
        Ok(Self { process, address })
    }

    /// Whether it takes events.
    pub(crate) fn is_ready(&self) -> bool {
        is_ready(self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it the graceful way.
    pub(crate) fn stop(mut self, state: &StateFolder) -> Result<()> {
        let status = self.process.terminate(STOP_LIMIT)?;
        ensure!(
            status.success(),
            "the server ended with {status} after SIGTERM and says: {}",
            tail(&state.output())
        );
        Ok(())
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.process.kill().context("could not kill the server")
    }
}

/// Starts a server without waiting for anything.
pub(crate) fn spawn(binary: &Path, state: &StateFolder) -> Result<Owned> {
    spawn_with(binary, state, &[])
}

fn spawn_with(binary: &Path, state: &StateFolder, variables: &[(&str, &str)]) -> Result<Owned> {
    let output = File::options()
        .create(true)
        .append(true)
        .open(state.output())?;
    let child = command(binary, state)
        .args(["mcp", "start", "--foreground", "--port", "0"])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| {
            format!(
                "could not start {} (build it: cargo build -p session-buddy)",
                binary.display()
            )
        })?;
    Ok(Owned::new(child))
}

/// A command line of the product on `state`, free of the caller's own settings.
pub(crate) fn command(binary: &Path, state: &StateFolder) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["SESSION_BUDDY_", "MAHAVISHNU_", "ONEIRIC_", "PROMETHEUS_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
        .env_remove("RUST_LOG")
        .env("SESSION_BUDDY_HOME", state.home());
    command
}

/// The address that the server with this pid announced; a killed predecessor's announcement does not count.
fn announced(home: &Path, pid: u32) -> Option<SocketAddr> {
    let text = fs::read(home.join("server.json")).ok()?;
    let announcement: Announcement = serde_json::from_slice(&text).ok()?;
    (announcement.pid == pid).then_some(announcement.address)
}

fn is_ready(address: SocketAddr) -> bool {
    let limit = Duration::from_secs(5);
    TcpStream::connect_timeout(&address, limit)
        .and_then(|stream| stream.set_read_timeout(Some(limit)).map(|()| stream))
        .is_ok_and(|stream| http::answers_ok(stream, "/health/ready"))
}

fn tail(output: &Path) -> String {
    let text = fs::read_to_string(output).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Checks that nothing of the database is left outside of its file, so that the file can be copied and weighed.
pub(crate) fn ensure_one_file(database: &Path) -> Result<()> {
    let wal = database.with_extension("db-wal");
    match fs::metadata(&wal) {
        Ok(metadata) if metadata.len() > 0 => {
            bail!("{} was left behind by a graceful stop", wal.display())
        }
        _ => Ok(()),
    }
}
