//! `server.json`: where the running server is.

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use session_model::Timestamp;

/// What `server.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Process of the server.
    pub pid: u32,
    /// Field 22 of its `/proc/<pid>/stat`: a reused pid has another. Null where the system does not tell.
    pub start_ticks: Option<u64>,
    /// Version of the server.
    pub version: String,
    /// Its TCP address.
    pub address: String,
    /// Its Unix socket.
    pub socket: PathBuf,
    /// Its database.
    pub database: PathBuf,
    /// Its log; null when it logs to standard error.
    pub log: Option<PathBuf>,
    /// When it started, RFC 3339.
    pub started_at: String,
}

impl ServerInfo {
    pub(super) fn of_this_process(
        address: SocketAddr,
        socket: PathBuf,
        database: &Path,
        started_at: Timestamp,
    ) -> Self {
        Self {
            pid: std::process::id(),
            start_ticks: start_ticks("self"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: address.to_string(),
            socket,
            database: database.to_owned(),
            log: None,
            started_at: started_at.to_string(),
        }
    }

    /// Reads the file; `None` unless the process that it names lives.
    pub(super) fn running(path: &Path) -> Option<Self> {
        let info: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (start_ticks(&info.pid.to_string()) == info.start_ticks).then_some(info)
    }

    /// Puts the file in its place at once, for its owner alone.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension("json.new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(unfinished, path)
    }
}

/// Reads field 22 of a process's stat line: the 20th behind the name, which stands in parentheses.
fn start_ticks(process: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(19)?
        .parse()
        .ok()
}
