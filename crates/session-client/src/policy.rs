//! What `config.yaml` asks of the shells of each component.
//!
//! ```yaml
//! components:
//!   default:
//!     max_duration: 8h
//!   vault:
//!     reason_required: true
//!     fail_closed: true
//!     allowed_subjects: [uid 1000, ci]
//! ```
//!
//! What a component does not say, `default` says for it. A rule that is misspelled is no rule, so whatever is not
//! understood here is refused: a server does not start with it, and a shell does not open.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::Path,
    time::Duration,
};

use layered_config::{FileError, Layer, Layers, UnknownKey, ValueError};
use nix::unistd::Uid;
use session_model::{ComponentName, Policy, id::spellings};

use crate::{Credential, state_folder};

/// What the keys of policies begin with.
pub const PREFIX: &str = "components.";
/// The component that stands for all.
const DEFAULT: &str = "default";
const KEYS: [&str; 4] = [
    "reason_required",
    "fail_closed",
    "allowed_subjects",
    "max_duration",
];

/// Why policies cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// A value is wrong.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// There is no such rule.
    #[error("{0}")]
    Key(UnknownKey),
    /// A component cannot be called that.
    #[error("{0} is no name of a component, which is 1 to 100 characters of [A-Za-z0-9_-]")]
    Name(String),
}

/// The policies of all components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    default: Rules,
    of: BTreeMap<ComponentName, Rules>,
}

/// What is said of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules {
    reason_required: Option<bool>,
    fail_closed: Option<bool>,
    allowed_subjects: Option<Vec<String>>,
    max_duration: Option<Duration>,
}

impl Policies {
    /// Reads the policies in some layers.
    ///
    /// # Errors
    ///
    /// The first key or value that is wrong, with file and line.
    pub fn read(layers: &Layers) -> Result<Self, PolicyError> {
        let keys = layers.keys();
        let rules = keys.iter().filter_map(|key| key.strip_prefix(PREFIX));
        let mut names = BTreeSet::new();
        for rule in rules {
            let (name, key) = rule.split_once('.').unwrap_or((rule, ""));
            if !KEYS.contains(&key) {
                return Err(PolicyError::Key(unknown(layers, name, rule)));
            }
            names.insert(name);
        }
        let mut policies = Self::default();
        for name in names {
            let rules = Rules::read(layers, name)?;
            if name == DEFAULT {
                policies.default = rules;
                continue;
            }
            let component = name
                .parse()
                .map_err(|_| PolicyError::Name(name.to_owned()))?;
            policies.of.insert(component, rules);
        }
        Ok(policies)
    }

    /// Gives what is asked of the shells of a component.
    pub fn of(&self, component: &ComponentName) -> Policy {
        let default = &self.default;
        let own = spellings(component.as_str())
            .into_iter()
            .find_map(|name| self.of.iter().find(|(known, _)| known.as_str() == name))
            .map_or(default, |(_, rules)| rules);
        Policy {
            reason_required: own.reason_required.or(default.reason_required) == Some(true),
            fail_closed: own.fail_closed.or(default.fail_closed) == Some(true),
            allowed_subjects: own
                .allowed_subjects
                .clone()
                .or_else(|| default.allowed_subjects.clone()),
            max_duration: own.max_duration.or(default.max_duration),
        }
    }

    /// Tells whether nothing is asked of anybody.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Says where a rule stands that there is not, and which one was probably meant.
fn unknown(layers: &Layers, name: &str, rule: &str) -> UnknownKey {
    let known = KEYS.map(|key| format!("{PREFIX}{name}.{key}"));
    let known = known.each_ref().map(String::as_str);
    let mut unknown = layers.unknown_keys(&known).into_iter();
    let found = unknown.find(|unknown| unknown.key.strip_prefix(PREFIX) == Some(rule));
    found.expect("policies stand in files alone, and it is none of the known ones")
}

impl Rules {
    fn read(layers: &Layers, name: &str) -> Result<Self, ValueError> {
        let key = |key: &str| format!("{PREFIX}{name}.{key}");
        let subjects = |text: &str| {
            let names = text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            Ok(names.map(str::to_owned).collect())
        };
        Ok(Self {
            reason_required: layers
                .get(&key("reason_required"))?
                .map(|setting| setting.value),
            fail_closed: layers
                .get(&key("fail_closed"))?
                .map(|setting| setting.value),
            allowed_subjects: layers
                .get_with(&key("allowed_subjects"), subjects)?
                .map(|setting| setting.value),
            max_duration: layers
                .get(&key("max_duration"))?
                .map(|setting| setting.value),
        })
    }
}

/// Reads what the state folder's `config.yaml` asks of a component's shells. Where there is no folder of ours nothing is
/// asked. Of the file only the policies are looked at: a shell opens whatever else is wrong in it.
///
/// # Errors
///
/// When the file has policies that cannot be used, or cannot be read at all.
pub fn of_shell(
    component: &ComponentName,
    variables: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Policy, PolicyError> {
    let Ok(folder) = state_folder::find(variables) else {
        return Ok(Policy::default());
    };
    if !matches!(state_folder::check(&folder), Ok(true)) {
        return Ok(Policy::default());
    }
    let path = folder.join("config.yaml");
    let layer = match Layer::from_file(&path) {
        Ok(layer) => layer,
        Err(FileError::Content { .. }) if !speaks_of_components(&path) => {
            return Ok(Policy::default());
        }
        Err(error) => return Err(error.into()),
    };
    let policies = Policies::read(&Layers::new().with(layer))?;
    Ok(policies.of(component))
}

/// Gives by which names a server may know this process: its user id, which a socket tells, and the subject of its token.
pub fn names_of_this_process(variables: &dyn Fn(&str) -> Option<OsString>) -> Vec<String> {
    let mut names = vec![format!("uid {}", Uid::effective())];
    // What cannot be used names nobody; the shell says so when it begins.
    let credential = Credential::from_environment(variables).ok().flatten();
    names.extend(credential.and_then(|credential| credential.subject()));
    names
}

/// Tells whether a file that cannot be understood may hold policies.
fn speaks_of_components(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    let word = PREFIX.trim_end_matches('.').as_bytes();
    bytes.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Policies, PolicyError> {
        let layer = Layer::from_yaml("config.yaml", yaml.as_bytes()).unwrap();
        Policies::read(&Layers::new().with(layer))
    }

    fn policy(yaml: &str, component: &str) -> Policy {
        read(yaml).unwrap().of(&component.parse().unwrap())
    }

    #[test]
    fn what_a_component_does_not_say_the_default_says() {
        let yaml = "
components:
  default: {max_duration: 8h, reason_required: yes, allowed_subjects: [ci]}
  vault:
    reason_required: no
    fail_closed: true
    allowed_subjects:
      - uid 1000
      - claimed:les
";
        let vault = Policy {
            reason_required: false,
            fail_closed: true,
            allowed_subjects: Some(vec!["uid 1000".to_owned(), "claimed:les".to_owned()]),
            max_duration: Some(Duration::from_hours(8)),
        };
        assert_eq!(policy(yaml, "vault"), vault);
        let other = Policy {
            reason_required: true,
            fail_closed: false,
            allowed_subjects: Some(vec!["ci".to_owned()]),
            max_duration: Some(Duration::from_hours(8)),
        };
        assert_eq!(policy(yaml, "billing"), other);
        assert!(policy("port: 1\n", "billing").is_empty());
        assert!(read("port: 1\n").unwrap().is_empty());
        let nobody = policy("components: {vault: {allowed_subjects: []}}", "vault");
        assert_eq!(nobody.allowed_subjects, Some(Vec::new()));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (yaml, refusal) in [
            (
                "port: 1\ncomponents:\n  vault:\n    reason_requird: true\n",
                "config.yaml:4: unknown key components.vault.reason_requird, did you mean components.vault.reason_required?",
            ),
            (
                "components: {vault: yes}",
                "config.yaml:1: unknown key components.vault",
            ),
            (
                "components:\n  vault: {fail_closed: perhaps}\n",
                "components.vault.fail_closed: expected true, false, 1, 0, yes, no, on or off, found \"perhaps\" (config.yaml:2)",
            ),
            (
                "components:\n  vault: {max_duration: 8}\n",
                "components.vault.max_duration: expected a number of s, m, h or d, such as 24h, found \"8\" (config.yaml:2)",
            ),
        ] {
            assert_eq!(read(yaml).unwrap_err().to_string(), refusal);
        }
        let long = format!("components: {{{}: {{fail_closed: on}}}}", "a".repeat(101));
        let refusal = read(&long).unwrap_err().to_string();
        assert!(refusal.contains("is no name of a component"), "{refusal}");
    }

    fn of_shell_with(yaml: &[u8]) -> Result<Policy, PolicyError> {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("config.yaml"), yaml).unwrap();
        let variables = |name: &str| (name == "SESSION_BUDDY_HOME").then(|| home.path().into());
        of_shell(&"vault".parse().unwrap(), &variables)
    }

    #[test]
    fn a_shell_minds_the_policies_of_a_file_and_nothing_else_in_it() {
        let strict = of_shell_with(b"port: much\ncomponents: {vault: {fail_closed: on}}\n");
        assert!(strict.unwrap().fail_closed);
        assert!(of_shell_with(b"port: [1\n").unwrap().is_empty());
        assert!(of_shell_with(b"\xff").unwrap().is_empty());
        // It may have been strict.
        assert!(of_shell_with(b"components: {vault: {fail_closed: on}\n").is_err());
        assert!(of_shell_with(b"components: {vault: {fail_closed: \xff}}\n").is_err());
    }

    #[test]
    fn a_pipe_in_the_place_of_the_file_holds_nobody_up() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.yaml");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let variables = |name: &str| (name == "SESSION_BUDDY_HOME").then(|| home.path().into());
        let refusal = of_shell(&"vault".parse().unwrap(), &variables).unwrap_err();
        assert!(
            refusal.to_string().starts_with("could not read"),
            "{refusal}"
        );
    }
}
