//! What a server is told: flags over environment over `config.yaml` over defaults.

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use layered_config::{FileError, Layer, Layers, UnknownKey, ValueError, VariableError};
use session_client::state_folder::{self, StateFolderError};
use tracing::Level;

/// Settings that were given as flags.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--db-path`
    pub db_path: Option<String>,
    /// `--host`
    pub host: Option<String>,
    /// `--port`
    pub port: Option<String>,
    /// `--log-level`
    pub log_level: Option<String>,
}

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of this user's server and clients.
    pub state_folder: PathBuf,
    /// The database.
    pub db_path: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// What to log.
    pub log_level: Level,
    /// Keys in `config.yaml` that mean nothing.
    pub unknown_keys: Vec<UnknownKey>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no state folder.
    #[error(transparent)]
    StateFolder(#[from] StateFolderError),
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable is no text.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// A value is wrong.
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// The keys, and the variables that set them.
const VARIABLES: [(&str, &str); 4] = [
    ("db_path", "SESSION_BUDDY_DB_PATH"),
    ("host", "SESSION_BUDDY_HOST"),
    ("port", "SESSION_BUDDY_PORT"),
    ("log_level", "SESSION_BUDDY_LOG_LEVEL"),
];

impl Settings {
    /// Reads the settings. `variable` looks up an environment variable.
    ///
    /// # Errors
    ///
    /// The first source or value that is wrong, by name.
    pub fn load(
        flags: Flags,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let state_folder = state_folder::find(&variable)?;
        state_folder::check(&state_folder)?;
        let layers = Layers::new()
            .with(Layer::defaults([
                ("host", "127.0.0.1"),
                ("port", "8678"),
                ("log_level", "INFO"),
            ]))
            .with(Layer::from_file(state_folder.join("config.yaml"))?)
            .with(Layer::from_environment(VARIABLES, &variable)?)
            .with(Layer::from_flags([
                ("db_path", "--db-path", flags.db_path),
                ("host", "--host", flags.host),
                ("port", "--port", flags.port),
                ("log_level", "--log-level", flags.log_level),
            ]));
        let defaulted = "every declared key but db_path has a default";
        let host = layers.get_with("host", host)?.expect(defaulted).value;
        let port = layers.get::<u16>("port")?.expect(defaulted).value;
        let db_path = layers
            .get::<PathBuf>("db_path")?
            .map(|setting| setting.value);
        let known: Vec<&str> = VARIABLES.iter().map(|(key, _)| *key).collect();
        Ok(Self {
            db_path: db_path.unwrap_or_else(|| state_folder.join("sessions.db")),
            address: SocketAddr::new(host, port),
            log_level: layers
                .get_with("log_level", log_level)?
                .expect(defaulted)
                .value,
            unknown_keys: layers.unknown_keys(&known),
            state_folder,
        })
    }

    /// Gives the path of the server's Unix socket.
    pub fn socket(&self) -> PathBuf {
        state_folder::socket(&self.state_folder)
    }
}

fn host(text: &str) -> Result<IpAddr, String> {
    let address = if text.eq_ignore_ascii_case("localhost") {
        "127.0.0.1"
    } else {
        text
    };
    address
        .parse()
        .map_err(|_| "an IP address such as 127.0.0.1".to_owned())
}

fn log_level(text: &str) -> Result<Level, String> {
    // Python's words, in any case.
    let level = match text.to_ascii_uppercase().as_str() {
        "CRITICAL" => "ERROR".to_owned(),
        "WARNING" => "WARN".to_owned(),
        other => other.to_owned(),
    };
    match level.as_str() {
        "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" => level.parse().map_err(|_| String::new()),
        _ => Err("one of TRACE, DEBUG, INFO, WARN, ERROR".to_owned()),
    }
}
