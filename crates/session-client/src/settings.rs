//! Whether a shell is tracked, and where its events go, from the environment.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use session_model::{ComponentName, id::spellings};

use crate::{
    Credential,
    delivery::{answer::for_people, target::Target, timing::Timing},
    leaving::{Door, redaction::Rules},
    network::Network,
    spool::{Bounds, Disk},
    state_folder,
};

/// A variable lookup.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Whether a component's shells are tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switch {
    /// They are.
    On,
    /// They are not.
    Off {
        /// What says so, such as `MAHAVISHNU_SESSION_ENABLED=false`.
        by: String,
    },
}

/// Where a shell's events wait and where they go.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether it is tracked at all.
    pub switch: Switch,
    /// Folders for the spool, the best first.
    pub state_folders: Vec<PathBuf>,
    /// Why the spool is not used although there is a folder.
    pub buffer_off: Option<String>,
    /// Where events go.
    pub target: Target,
    /// What says who reports, where a server asks.
    pub credential: Option<Credential>,
    /// Through which texts leave.
    pub door: Door,
    /// How much may wait.
    pub bounds: Bounds,
    /// How long things take; no variable sets it, nor what follows.
    pub timing: Timing,
    /// On which disk.
    pub disk: Disk,
    /// Over which network.
    pub network: Network,
}

impl Settings {
    /// Reads the settings of a component's shell. A value that cannot be used is passed over, and said in the second
    /// value: a shell opens whatever its environment says.
    pub fn from_environment(
        component: &ComponentName,
        variables: Variables<'_>,
    ) -> (Self, Vec<String>) {
        let mut reading = Reading {
            variables,
            notices: Vec::new(),
        };
        let switch = reading.switch(component);
        let state_folders = reading.state_folders();
        let buffer = "ONEIRIC_EVENT_BUFFER_ENABLED";
        let buffer_off =
            (reading.boolean(buffer) == Some(false)).then(|| format!("{buffer}=false"));
        let bounds = reading.bounds();
        // Nothing can be below a device: without a folder there is no socket, and the port is asked.
        let nowhere = PathBuf::from("/dev/null");
        let first = state_folders.first().cloned().unwrap_or(nowhere);
        let (target, notices) = Target::from_environment(&first, variables);
        reading.notices.extend(notices);
        let credential = Credential::from_environment(variables).unwrap_or_else(|error| {
            let notice =
                format!("{error}; it is not used, and a server that wants a token gets none");
            reading.notices.push(notice);
            None
        });
        let (rules, notices) = Rules::from_environment(variables);
        reading.notices.extend(notices);
        let settings = Self {
            switch,
            state_folders,
            buffer_off,
            target,
            credential,
            door: Door::new(rules),
            bounds,
            timing: Timing::default(),
            disk: Disk::system(),
            network: Network::system(),
        };
        let notices = reading.notices.iter().map(|notice| for_people(notice));
        (settings, notices.collect())
    }
}

/// Variables, and what was wrong with them.
struct Reading<'a> {
    variables: Variables<'a>,
    notices: Vec<String>,
}

impl Reading<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let value = (self.variables)(name).filter(|value| !value.is_empty())?;
        Some(value.to_string_lossy().into_owned())
    }

    fn boolean(&mut self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => {
                self.notices.push(format!(
                    "{name} is {text:?}, and must be one of true, false, 1, 0, yes, no, on, off; it is not used"
                ));
                None
            }
        }
    }

    fn number(&mut self, name: &str, min: u64, max: u64) -> Option<u64> {
        let text = self.text(name)?;
        let number = text
            .parse()
            .ok()
            .filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.notices.push(format!(
                "{name} is {text:?}, and must be an integer from {min} to {max}; it is not used"
            ));
        }
        number
    }

    /// A component's own variable wins over the one for all.
    fn switch(&mut self, component: &ComponentName) -> Switch {
        let own = spellings(component.as_str());
        let own = own
            .iter()
            .map(|own| own.to_ascii_uppercase().replace('-', "_"));
        let all = "MAHAVISHNU".to_owned();
        for prefix in own.chain([all]) {
            let name = format!("{prefix}_SESSION_ENABLED");
            if let Some(on) = self.boolean(&name) {
                return if on {
                    Switch::On
                } else {
                    Switch::Off {
                        by: format!("{name}=false"),
                    }
                };
            }
        }
        Switch::On
    }

    fn state_folders(&mut self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        match state_folder::find(self.variables) {
            Ok(folder) => folders.push(folder),
            Err(error) => self.notices.push(error.to_string()),
        }
        let runtime = (self.variables)("XDG_RUNTIME_DIR").map(PathBuf::from);
        folders.extend(
            runtime
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join("session-buddy")),
        );
        folders
    }

    fn bounds(&mut self) -> Bounds {
        let default = Bounds::default();
        let events = self.number("ONEIRIC_EVENT_BUFFER_MAX_SIZE", 1, 100_000_000);
        let days = self.number("ONEIRIC_EVENT_BUFFER_MAX_AGE_DAYS", 1, 36_500);
        Bounds {
            events_max: events
                .and_then(|events| usize::try_from(events).ok())
                .unwrap_or(default.events_max),
            age_max: days.map_or(default.age_max, |days| Duration::from_hours(days * 24)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(component: &str, pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let find = |name: &str| {
            let pair = pairs.iter().find(|(known, _)| *known == name);
            pair.map(|(_, value)| OsString::from(value))
        };
        Settings::from_environment(&component.parse().unwrap(), &find)
    }

    fn switched_off_by(component: &str, pairs: &[(&str, &str)]) -> Option<String> {
        match settings(component, pairs).0.switch {
            Switch::On => None,
            Switch::Off { by } => Some(by),
        }
    }

    #[test]
    fn a_component_is_switched_by_its_own_variable_first() {
        let all = ("MAHAVISHNU_SESSION_ENABLED", "false");
        assert_eq!(switched_off_by("billing", &[]), None);
        assert_eq!(
            switched_off_by("billing", &[all]).as_deref(),
            Some("MAHAVISHNU_SESSION_ENABLED=false")
        );
        let own = ("SESSION_BUDDY_SESSION_ENABLED", "On");
        assert_eq!(switched_off_by("session-buddy", &[all, own]), None);
        let other_spelling = ("AKASHA_SESSION_ENABLED", "off");
        assert_eq!(
            switched_off_by("akosha", &[other_spelling]).as_deref(),
            Some("AKASHA_SESSION_ENABLED=false")
        );
        let own = ("AKOSHA_SESSION_ENABLED", "on");
        assert_eq!(switched_off_by("akosha", &[other_spelling, own]), None);
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_and_passed_over() {
        let (settings, notices) = settings(
            "billing",
            &[
                ("BILLING_SESSION_ENABLED", "maybe"),
                ("ONEIRIC_EVENT_BUFFER_MAX_SIZE", "0"),
                ("ONEIRIC_EVENT_BUFFER_MAX_AGE_DAYS", "7"),
                ("SESSION_BUDDY_HOME", "relative"),
                ("XDG_RUNTIME_DIR", "/run/user/7"),
            ],
        );
        assert_eq!(settings.switch, Switch::On);
        assert_eq!(settings.bounds.events_max, 100_000);
        assert_eq!(settings.bounds.age_max, Duration::from_hours(7 * 24));
        assert_eq!(
            settings.state_folders,
            [PathBuf::from("/run/user/7/session-buddy")]
        );
        let named = [
            "BILLING_SESSION_ENABLED is \"maybe\"",
            "SESSION_BUDDY_HOME is \"relative\"",
            "ONEIRIC_EVENT_BUFFER_MAX_SIZE is \"0\"",
        ];
        assert_eq!(notices.len(), named.len());
        for (notice, named) in notices.iter().zip(named) {
            assert!(notice.starts_with(named), "{notice}");
        }
    }
}
