//! What a server is told: flags over environment over `config.yaml` over defaults.

use std::{
    ffi::OsString,
    io,
    net::{IpAddr, SocketAddr},
    path::{self, Path, PathBuf},
    time::Duration,
};

use layered_config::{FileError, Layer, Layers, UnknownKey, ValueError, VariableError};
use serde::{Deserialize, Serialize};
use session_client::{
    policy::{self, Policies, PolicyError},
    state_folder::{self, StateFolderError},
};
use tracing::Level;

use crate::{metrics::Endpoint, network::Network};

/// Settings that were given as flags, or one by one in another way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// `--db-path`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_path: Option<String>,
    /// `--host`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `--port`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// `--log-level`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// `--stale-after`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<String>,
    /// `--tls-certificate`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<String>,
    /// `--tls-key`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<String>,
}

impl Flags {
    fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| {
            variable(name)?
                .into_string()
                .ok()
                .filter(|text| !text.is_empty())
        };
        Self {
            db_path: text("SESSION_BUDDY_DB_PATH"),
            host: text("SESSION_BUDDY_HOST"),
            port: text("SESSION_BUDDY_PORT"),
            log_level: text("SESSION_BUDDY_LOG_LEVEL"),
            stale_after: text("SESSION_BUDDY_STALE_AFTER"),
            tls_certificate: text("SESSION_BUDDY_TLS_CERTIFICATE"),
            tls_key: text("SESSION_BUDDY_TLS_KEY"),
        }
    }

    /// Gives each setting that is given, with the key that `config.yaml` has for it.
    fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("db_path", self.db_path.as_deref()),
            ("host", self.host.as_deref()),
            ("port", self.port.as_deref()),
            ("log_level", self.log_level.as_deref()),
            ("stale_after", self.stale_after.as_deref()),
            ("tls_certificate", self.tls_certificate.as_deref()),
            ("tls_key", self.tls_key.as_deref()),
        ]
        .into_iter()
        .filter_map(|(key, text)| Some((key, text?)))
    }

    /// Fills what is not given from `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            db_path: self.db_path.or(others.db_path),
            host: self.host.or(others.host),
            port: self.port.or(others.port),
            log_level: self.log_level.or(others.log_level),
            stale_after: self.stale_after.or(others.stale_after),
            tls_certificate: self.tls_certificate.or(others.tls_certificate),
            tls_key: self.tls_key.or(others.tls_key),
        }
    }

    /// Gives the arguments of a command line that says the same.
    pub fn arguments(&self) -> Vec<String> {
        self.given()
            .map(|(key, text)| format!("--{}={text}", key.replace('_', "-")))
            .collect()
    }
}

/// What a server was told by hand. Files are read anew by a restart, and so are in no need of being told again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// By flags.
    pub flags: Flags,
    /// By variables.
    pub environment: Flags,
}

impl Told {
    /// Says where a server really is in place of what it was told: a free port is only free once, and a relative path
    /// means something in one folder only.
    pub(super) fn at(mut self, address: Option<SocketAddr>, database: &Path) -> Self {
        for told in [&mut self.flags, &mut self.environment] {
            if let (Some(port), Some(address)) = (&mut told.port, address) {
                *port = address.port().to_string();
            }
            if let Some(path) = &mut told.db_path {
                *path = database.display().to_string();
            }
            for path in [&mut told.tls_certificate, &mut told.tls_key]
                .into_iter()
                .flatten()
            {
                if let Ok(absolute) = path::absolute(&*path) {
                    *path = absolute.display().to_string();
                }
            }
        }
        self
    }

    /// Gives the variables that were set, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.environment.given().map(|(key, text)| {
            let (_, variable) = variables()
                .find(|(known, _)| *known == key)
                .expect("each key has a variable");
            (variable, text)
        })
    }
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
    /// Whether every user of this machine may do everything over TCP, while there is no secret.
    pub trust_loopback: bool,
    /// What to log.
    pub log_level: Level,
    /// How long a session may be silent, when nothing else proves that it lives, before it is stale.
    pub stale_after: Duration,
    /// What is asked of the shells of each component.
    pub policies: Policies,
    /// What it bears from the network.
    pub network: Network,
    /// Where metrics are to be had; none where they are not.
    pub metrics: Option<Endpoint>,
    /// Keys in `config.yaml` that mean nothing.
    pub unknown_keys: Vec<UnknownKey>,
    /// What of this was told by flags and variables.
    pub told: Told,
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
    /// A policy is wrong.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A relative path leads nowhere, because the folder it starts from is gone.
    #[error("the folder of this command is gone, so no relative path leads anywhere")]
    Nowhere(#[source] io::Error),
}

/// The keys, and the variables that set them.
const VARIABLES: [(&str, &str); 6] = [
    ("db_path", "SESSION_BUDDY_DB_PATH"),
    ("host", "SESSION_BUDDY_HOST"),
    ("port", "SESSION_BUDDY_PORT"),
    ("log_level", "SESSION_BUDDY_LOG_LEVEL"),
    ("stale_after", "SESSION_BUDDY_STALE_AFTER"),
    ("trust_loopback", "SESSION_BUDDY_TRUST_LOOPBACK"),
];

/// What they are when nobody says; the database is where the state folder is.
const DEFAULTS: [(&str, &str); 5] = [
    ("host", "127.0.0.1"),
    ("port", "8678"),
    ("log_level", "INFO"),
    ("stale_after", "24h"),
    ("trust_loopback", "false"),
];

/// Gives all keys, and the variables that set them.
fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    VARIABLES
        .into_iter()
        .chain(Endpoint::VARIABLES)
        .chain(Network::variables())
}

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
        let told = Told {
            flags: flags.clone(),
            environment: Flags::from_environment(&variable),
        };
        let layers = Layers::new()
            .with(Layer::defaults(Network::defaults()))
            .with(Layer::defaults(DEFAULTS))
            .with(Layer::defaults(Endpoint::DEFAULTS))
            .with(Layer::from_file(state_folder.join("config.yaml"))?)
            .with(Layer::from_environment(variables(), &variable)?)
            .with(Layer::from_flags([
                ("db_path", "--db-path", flags.db_path),
                ("host", "--host", flags.host),
                ("port", "--port", flags.port),
                ("log_level", "--log-level", flags.log_level),
                ("stale_after", "--stale-after", flags.stale_after),
                (
                    "tls_certificate",
                    "--tls-certificate",
                    flags.tls_certificate,
                ),
                ("tls_key", "--tls-key", flags.tls_key),
            ]));
        let defaulted = "all of these keys have a default";
        let host = layers.get_with("host", host)?.expect(defaulted).value;
        let port = layers.get::<u16>("port")?.expect(defaulted).value;
        let db_path = layers
            .get::<PathBuf>("db_path")?
            .map(|setting| setting.value);
        let known = variables().map(|(key, _)| key);
        let known: Vec<&str> = known.chain([policy::PREFIX]).collect();
        let db_path = db_path.unwrap_or_else(|| state_folder.join("sessions.db"));
        Ok(Self {
            db_path: path::absolute(db_path).map_err(SettingsError::Nowhere)?,
            address: SocketAddr::new(host, port),
            trust_loopback: layers
                .get_with("trust_loopback", boolean)?
                .expect(defaulted)
                .value,
            log_level: layers
                .get_with("log_level", log_level)?
                .expect(defaulted)
                .value,
            stale_after: layers.get("stale_after")?.expect(defaulted).value,
            policies: Policies::read(&layers)?,
            network: Network::read(&layers, &state_folder)?,
            metrics: Endpoint::read(&layers)?,
            unknown_keys: layers.unknown_keys(&known),
            told,
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

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("one of true, false, 1, 0, yes, no, on, off".to_owned()),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Oneiric tells people from it what they may write.
    #[test]
    fn the_schema_says_what_the_server_takes() {
        let schema = include_bytes!("../../settings.schema.yaml");
        let schema = Layers::new().with(Layer::from_yaml("schema", schema).unwrap());
        let said = |attribute: &str| -> BTreeMap<String, String> {
            let of = |key: &str| {
                let setting = key.strip_suffix(attribute)?.strip_suffix('.')?;
                let value = schema.get::<String>(key).unwrap()?.value;
                Some((setting.to_owned(), value))
            };
            schema.keys().into_iter().filter_map(of).collect()
        };
        let texts = |(key, text): (&str, &str)| (key.to_owned(), text.to_owned());
        assert_eq!(said("variable"), variables().map(texts).collect());
        let defaults = DEFAULTS
            .into_iter()
            .chain(Endpoint::DEFAULTS)
            .chain(Network::defaults());
        assert_eq!(said("default"), defaults.map(texts).collect());
        let sections: Vec<_> = said("type")
            .into_iter()
            .filter(|(_, kind)| kind == "section")
            .map(|(key, _)| format!("{key}."))
            .collect();
        assert_eq!(sections, [policy::PREFIX]);
    }

    #[test]
    fn a_restart_is_told_where_the_server_really_was() {
        let home = tempfile::tempdir().unwrap();
        let variable = |name: &str| match name {
            "SESSION_BUDDY_HOME" => Some(home.path().into()),
            "SESSION_BUDDY_PORT" => Some("0".into()),
            "SESSION_BUDDY_HOST" => Some("".into()),
            _ => None,
        };
        let flags = Flags {
            db_path: Some("there.db".to_owned()),
            log_level: Some("debug".to_owned()),
            ..Flags::default()
        };
        let settings = Settings::load(flags, variable).unwrap();
        assert!(settings.db_path.is_absolute() && settings.db_path.ends_with("there.db"));
        let address = "127.0.0.1:4711".parse().unwrap();
        let told = settings.told.at(Some(address), Path::new("/there.db"));
        assert_eq!(
            told.flags.arguments(),
            ["--db-path=/there.db", "--log-level=debug"]
        );
        assert_eq!(
            told.variables().collect::<Vec<_>>(),
            [("SESSION_BUDDY_PORT", "4711")]
        );
        let again = Flags {
            log_level: Some("warn".to_owned()),
            ..Flags::default()
        };
        assert_eq!(
            again.or(told.flags).arguments(),
            ["--db-path=/there.db", "--log-level=warn"]
        );
    }
}
