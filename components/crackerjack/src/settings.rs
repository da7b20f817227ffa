//! What a project says of its checks: `[tool.crackerjack]` in `pyproject.toml`, `crackerjack.yaml`, variables, flags.
//!
//! ```yaml
//! timeout: 10m            # of each tool
//! stop_on_first: false
//! disable: [bandit]
//! commands:
//!   pytest: pytest -q tests
//! timeouts:
//!   cargo-test: 30m
//! ```

use std::{ffi::OsString, fs, io, path::Path, time::Duration};

use layered_config::{Declaration, FileError, Kind, Layer, Layers, Problem, VariableError};

use crate::tools;

/// How long a tool may run when nobody says: 10 minutes, so that none hangs for ever.
const TIMEOUT: &str = "10m";
/// Keys below which each key is the name of a tool.
const BY_TOOL: [&str; 2] = ["commands.", "timeouts."];

/// The settings of a project.
#[derive(Debug)]
pub struct Settings {
    layers: Layers,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// `pyproject.toml` cannot be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A variable is no text.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// Values and keys are wrong.
    #[error("{0}")]
    Problems(String),
}

impl Settings {
    /// Reads the settings of the project at `root`. `flags` are key and text of what was given by hand.
    ///
    /// # Errors
    ///
    /// All that is wrong, by file, line and key.
    pub fn read(
        root: &Path,
        variable: impl Fn(&str) -> Option<OsString>,
        flags: &[(&str, Option<String>)],
    ) -> Result<Self, SettingsError> {
        let declared = declarations();
        let defaults = declared
            .iter()
            .filter_map(|declared| Some((declared.key.clone(), declared.default.clone()?)));
        let variables = declared
            .iter()
            .filter_map(|declared| Some((declared.key.clone(), declared.variable.clone()?)));
        let flags = flags
            .iter()
            .map(|(key, text)| (*key, format!("--{}", key.replace('_', "-")), text.clone()));
        let layers = Layers::new()
            .with(Layer::defaults(defaults))
            .with(of_pyproject(root)?)
            .with(Layer::from_file(root.join("crackerjack.yaml"))?)
            .with(Layer::from_environment(variables, variable)?)
            .with(Layer::from_flags(flags));
        let settings = Self { layers };
        let problems: Vec<_> = settings
            .layers
            .problems(&declared, &BY_TOOL)
            .into_iter()
            .chain(settings.unknown_tools())
            .chain(settings.wrong_times())
            .map(|problem| problem.to_string())
            .collect();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError::Problems(problems.join("\n")))
        }
    }

    /// Gives how long a tool may run.
    pub fn timeout(&self, tool: &str) -> Duration {
        let text = |key: &str| self.text(key);
        let said = text(&format!("timeouts.{tool}")).or_else(|| text("timeout"));
        let said = said.and_then(|text| duration(&text));
        said.unwrap_or(Duration::from_mins(10))
    }

    /// Gives the project's own command for a tool.
    pub fn command(&self, tool: &str) -> Option<Vec<String>> {
        let words = tools::words(&self.text(&format!("commands.{tool}"))?);
        (!words.is_empty()).then_some(words)
    }

    /// Tells whether a tool is switched off.
    pub fn is_disabled(&self, tool: &str) -> bool {
        self.disabled().iter().any(|name| name == tool)
    }

    /// Tells whether the first tool that does not pass ends the run.
    pub fn stops_on_first(&self) -> bool {
        let said = self.layers.get::<bool>("stop_on_first").ok().flatten();
        said.is_some_and(|said| said.value)
    }

    /// Gives all settings with who says so, for people.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    fn disabled(&self) -> Vec<String> {
        let names = self.text("disable").unwrap_or_default();
        let names = names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    }

    fn text(&self, key: &str) -> Option<String> {
        let said = self.layers.get::<String>(key).ok().flatten();
        said.map(|said| said.value)
    }

    /// Finds names of tools that there are not.
    fn unknown_tools(&self) -> Vec<Problem> {
        let mut named = Vec::new();
        for key in self.layers.keys() {
            let below = BY_TOOL.iter().find_map(|group| key.strip_prefix(group));
            named.extend(below.map(|tool| (key, tool.to_owned())));
        }
        named.extend(self.disabled().into_iter().map(|tool| ("disable", tool)));
        let unknown = named
            .into_iter()
            .filter(|(_, tool)| tools::names().all(|name| name != tool));
        unknown
            .filter_map(|(key, tool)| {
                let said = self.layers.explain(key).into_iter().next()?;
                let scored = tools::names().map(|name| (strsim::osa_distance(name, &tool), name));
                let near =
                    scored.filter(|(distance, _)| *distance <= tool.chars().count().max(3) / 3);
                Some(Problem {
                    origin: said.origin,
                    key: key.to_owned(),
                    problem: format!("there is no tool {tool:?}"),
                    suggestion: near.min().map(|(_, name)| name.to_owned()),
                })
            })
            .collect()
    }

    fn wrong_times(&self) -> Vec<Problem> {
        let keys = self
            .layers
            .keys()
            .into_iter()
            .filter(|key| key.starts_with("timeouts."));
        let said = keys.filter_map(|key| Some((key, self.layers.explain(key).into_iter().next()?)));
        said.filter_map(|(key, said)| {
            let expected = Kind::Duration.check(&said.text).err()?;
            Some(Problem {
                origin: said.origin,
                key: key.to_owned(),
                problem: format!("expected {expected}"),
                suggestion: None,
            })
        })
        .collect()
    }
}

fn declarations() -> Vec<Declaration> {
    vec![
        Declaration::new(
            "timeout",
            Kind::Duration,
            Some(TIMEOUT),
            "CRACKERJACK_TIMEOUT",
            "how long a tool may run",
        ),
        Declaration::new(
            "disable",
            Kind::Text,
            None,
            "CRACKERJACK_DISABLE",
            "tools that are not run",
        ),
        Declaration::new(
            "stop_on_first",
            Kind::Boolean,
            Some("false"),
            "CRACKERJACK_STOP_ON_FIRST",
            "whether the first failure ends the run",
        ),
    ]
}

/// Reads `[tool.crackerjack]`; one without it is an empty layer.
fn of_pyproject(root: &Path) -> Result<Layer, SettingsError> {
    let path = root.join("pyproject.toml");
    let failed = |source| SettingsError::Read {
        path: path.display().to_string(),
        source,
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let table: toml::Table = text
        .parse()
        .map_err(|error| failed(io::Error::other(error)))?;
    let own = table.get("tool").and_then(|tools| tools.get("crackerjack"));
    let mut entries = Vec::new();
    if let Some(own) = own.and_then(toml::Value::as_table) {
        flatten(own, "", &mut entries);
    }
    let entries = entries.into_iter().map(|(key, value)| {
        let line = line_of(&text, &key);
        (key, value, line)
    });
    Ok(Layer::from_entries(
        path.clone(),
        entries.collect::<Vec<_>>(),
    ))
}

/// Makes dotted keys and their texts of a table, as they would be in YAML.
fn flatten(table: &toml::Table, around: &str, entries: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let key = if around.is_empty() {
            name.clone()
        } else {
            format!("{around}.{name}")
        };
        match value {
            toml::Value::Table(inner) => flatten(inner, &key, entries),
            toml::Value::Array(items) => {
                let items: Vec<_> = items.iter().map(plain).collect();
                entries.push((key, items.join(",")));
            }
            value => entries.push((key, plain(value))),
        }
    }
}

/// Gives the text of a single value; what is none is empty, and refused where a value is expected.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(truth) => truth.to_string(),
        toml::Value::Datetime(at) => at.to_string(),
        toml::Value::Array(_) | toml::Value::Table(_) => String::new(),
    }
}

/// Finds the line of a key behind `[tool.crackerjack]`, from 1; that of the table where the key has none of its own.
fn line_of(text: &str, key: &str) -> usize {
    let name = key.rsplit('.').next().unwrap_or(key);
    let lines = || text.lines().enumerate();
    let begins = lines().find(|(_, line)| line.trim_start().starts_with("[tool.crackerjack"));
    let Some((from, _)) = begins else {
        return 1;
    };
    let sets = |line: &str| {
        let set = line
            .split_once('=')
            .map(|(key, _)| key.trim().trim_matches('"'));
        set.is_some_and(|set| set.rsplit('.').next() == Some(name))
    };
    let mut behind = lines().skip(from);
    behind
        .find(|(_, line)| sets(line))
        .map_or(from + 1, |(number, _)| number + 1)
}

/// Reads a number and its unit.
fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let unit = text.chars().next_back()?;
    let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
    Some(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pyproject: &str, yaml: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pyproject.toml"), pyproject).unwrap();
        fs::write(folder.path().join("crackerjack.yaml"), yaml).unwrap();
        let read = Settings::read(folder.path(), |_| None, &[("timeout", None)]);
        let place = format!("{}/", folder.path().display());
        read.map_err(|error| error.to_string().replace(&place, ""))
    }

    #[test]
    fn a_project_overrides_commands_and_times_and_switches_tools_off() {
        let pyproject = "[tool.crackerjack]\ndisable = [\"bandit\", \"mypy\"]\ntimeout = \"3s\"\n\
                         [tool.crackerjack.timeouts]\npytest = \"1h\"\n";
        let yaml = "timeout: 5s\ncommands:\n  ruff: ruff check 'a b'\n";
        let settings = read(pyproject, yaml).unwrap();
        assert!(settings.is_disabled("mypy") && !settings.is_disabled("ruff"));
        assert_eq!(settings.timeout("ruff"), Duration::from_secs(5));
        assert_eq!(settings.timeout("pytest"), Duration::from_hours(1));
        assert_eq!(settings.command("ruff").unwrap(), ["ruff", "check", "a b"]);
        assert_eq!(settings.command("pytest"), None);
        assert!(!settings.stops_on_first());
    }

    #[test]
    fn what_is_wrong_is_named_by_file_line_and_key() {
        let pyproject = "[project]\nname = \"x\"\n\n[tool.crackerjack]\ntimeuot = \"3s\"\n\
                         [tool.crackerjack.timeouts]\npytest = \"long\"\n";
        let problems = read(pyproject, "disable: [rufff]\nstop_on_first: maybe\n").unwrap_err();
        assert_eq!(
            problems.lines().collect::<Vec<_>>(),
            [
                "pyproject.toml:5: timeuot: unknown key, did you mean timeout?",
                "crackerjack.yaml:2: stop_on_first: expected true, false, 1, 0, yes, no, on or off, found \"maybe\"",
                "crackerjack.yaml:1: disable: there is no tool \"rufff\", did you mean ruff?",
                "pyproject.toml:7: timeouts.pytest: expected a number of s, m, h or d, such as 24h",
            ]
        );
    }
}
