//! What can be set: the project's `settings/akosha.yaml` and `settings/local.yaml`, the user's `~/.config/akosha/config.yaml`
//! and `local.yaml`, variables; the later ones win.

use std::{ffi::OsString, path::Path};

use layered_config::{Declaration, FileError, Kind, Layer, Layers, Places, VariableError};
use session_client::Destination;

/// The most sessions of a server that may be asked for: 10 million, which take 4 GB of memory.
const SESSIONS_MAX: usize = 10_000_000;
/// How many are read when nobody says: 2 million, twice of what a busy team makes in years, in less than 1 GB of memory.
const SESSIONS_DEFAULT: usize = 2_000_000;

/// What is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The servers that are asked when none is named; none means the one of this user.
    pub servers: Vec<Destination>,
    /// How many sessions are read of a server, the newest of them.
    pub sessions_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            sessions_max: SESSIONS_DEFAULT,
        }
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable is no text.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// Values and keys are wrong.
    #[error("{0}")]
    Problems(String),
}

impl Settings {
    /// Reads what is set for whoever works in `folder`.
    ///
    /// # Errors
    ///
    /// All that is wrong, by file, line and key.
    pub fn read(
        folder: &Path,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let declared = declarations();
        let defaults = declared
            .iter()
            .filter_map(|declared| Some((declared.key.clone(), declared.default.clone()?)));
        let mut layers = Layers::new().with(Layer::defaults(defaults));
        for (_, file) in Places::of("akosha", folder, &variable).files {
            layers = layers.with(Layer::from_file(file)?);
        }
        let variables = declared
            .iter()
            .filter_map(|declared| Some((declared.key.clone(), declared.variable.clone()?)));
        let layers = layers.with(Layer::from_environment(variables, variable)?);
        let problems: Vec<_> = layers
            .problems(&declared, &[])
            .iter()
            .map(ToString::to_string)
            .collect();
        if !problems.is_empty() {
            return Err(SettingsError::Problems(problems.join("\n")));
        }
        let text = |key: &str| layers.get::<String>(key).ok().flatten();
        let servers = text("servers").map(|said| {
            let servers = servers(&said.value);
            servers.map_err(|problem| {
                SettingsError::Problems(format!("{}: servers: {problem}", said.origin))
            })
        });
        let sessions_max = text("sessions_max").and_then(|said| said.value.parse().ok());
        Ok(Self {
            servers: servers.transpose()?.unwrap_or_default(),
            sessions_max: sessions_max.unwrap_or(SESSIONS_DEFAULT),
        })
    }
}

/// Reads servers that stand behind one another, with commas between them.
fn servers(text: &str) -> Result<Vec<Destination>, String> {
    let texts = text.split(',').map(str::trim);
    texts
        .filter(|text| !text.is_empty())
        .map(str::parse)
        .collect()
}

fn declarations() -> [Declaration; 2] {
    let max = i64::try_from(SESSIONS_MAX).unwrap_or(i64::MAX);
    [
        Declaration::new(
            "servers",
            Kind::Text,
            None,
            "AKOSHA_SERVERS",
            "the servers that are asked when none is named; else the one of this user",
        ),
        Declaration::new(
            "sessions_max",
            Kind::Integer { min: 1, max },
            Some(&SESSIONS_DEFAULT.to_string()),
            "AKOSHA_SESSIONS_MAX",
            "how many sessions are read of a server, the newest of them",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Oneiric is told of these settings, which it reads from that file.
    #[test]
    fn the_schema_says_what_is_declared() {
        let schema = include_bytes!("../settings.schema.yaml");
        let said = Layers::new().with(Layer::from_yaml("settings.schema.yaml", schema).unwrap());
        let text = |key: &str, attribute: &str| {
            let found = said.get::<String>(&format!("{key}.{attribute}")).unwrap();
            found.map(|found| found.value)
        };
        let declared = declarations();
        let keys: std::collections::BTreeSet<_> = said
            .keys()
            .iter()
            .map(|key| key.split('.').next().unwrap().to_owned())
            .collect();
        assert!(keys.iter().eq(["servers", "sessions_max"].iter()));
        for declaration in declared {
            let key = &declaration.key;
            assert_eq!(text(key, "default"), declaration.default, "{key}");
            assert_eq!(text(key, "variable"), declaration.variable, "{key}");
            assert_eq!(text(key, "about"), Some(declaration.about), "{key}");
            let bound = text(key, "max").map(|max| max.parse().unwrap());
            let kind = match bound {
                Some(max) => Kind::Integer { min: 1, max },
                None => Kind::Text,
            };
            assert_eq!(kind, declaration.kind, "{key}");
        }
    }
}
