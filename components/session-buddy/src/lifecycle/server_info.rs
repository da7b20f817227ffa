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

use super::{Settings, Told, process::start_ticks};

/// What `server.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Process of the server.
    pub pid: u32,
    /// Field 22 of its `/proc/<pid>/stat`: a reused pid has another. Null where the system does not tell.
    pub start_ticks: Option<u64>,
    /// Version of the server.
    pub version: String,
    /// Its TCP address; null for a server inside of `mcp stdio --embedded`, which has none.
    pub address: Option<String>,
    /// The same as a URL, which says whether it is TLS; null where there is no address.
    #[serde(default)]
    pub url: Option<String>,
    /// The address of the port with nothing but metrics; missing where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_address: Option<String>,
    /// Its Unix socket.
    pub socket: PathBuf,
    /// Its database.
    pub database: PathBuf,
    /// Its log; null when it logs to standard error.
    pub log: Option<PathBuf>,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// The variable with its secret, never the secret; null where TCP needs no token.
    #[serde(default)]
    pub secret: Option<String>,
    /// What it was told by flags and variables, so that a restart tells it again.
    #[serde(default)]
    pub told: Told,
}

/// Gives the path of the file in a state folder.
pub(super) fn path(state_folder: &Path) -> PathBuf {
    state_folder.join("server.json")
}

impl ServerInfo {
    pub(super) fn of_this_process(
        settings: &Settings,
        address: Option<SocketAddr>,
        socket: PathBuf,
        log: Option<PathBuf>,
        secret: Option<String>,
        started_at: Timestamp,
    ) -> Self {
        Self {
            pid: std::process::id(),
            start_ticks: start_ticks("self"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: address.map(|address| address.to_string()),
            url: address.map(|address| {
                let scheme = settings.network.tls.as_ref().map_or("http", |_| "https");
                format!("{scheme}://{address}")
            }),
            metrics_address: None,
            socket,
            database: settings.db_path.clone(),
            log,
            started_at: started_at.to_string(),
            secret,
            told: settings.told.clone().at(address, &settings.db_path),
        }
    }

    /// Reads the file; `None` where there is none that can be read.
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Tells whether the process that it names lives.
    pub(super) fn is_alive(&self) -> bool {
        start_ticks(&self.pid.to_string()) == self.start_ticks
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
