//! Where the settings of a component are, by the rule that all components share.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The files of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Its project: the nearest folder, from the one that was asked for outwards, with settings or a schema of its own; else
    /// the one that was asked for.
    pub project: PathBuf,
    /// The files that it reads, whether they are there or not, weakest first, each with the name of its layer.
    pub files: Vec<(&'static str, PathBuf)>,
}

impl Places {
    /// Finds those of a component for whoever works in `folder`. `variable` looks up an environment variable.
    pub fn of(component: &str, folder: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let settings_of = |folder: &Path| folder.join(format!("settings/{component}.yaml"));
        let local_of = |folder: &Path| folder.join("settings/local.yaml");
        let is_project = |folder: &&Path| {
            let own = [
                settings_of(folder),
                schema_of(folder, component),
                local_of(folder),
            ];
            own.iter().any(|file| file.is_file())
        };
        let project = folder.ancestors().find(is_project).unwrap_or(folder);
        let mut files = vec![
            ("project", settings_of(project)),
            ("project, local", local_of(project)),
        ];
        if let Some(user) = config_home(variable).map(|home| home.join(component)) {
            files.push(("user", user.join("config.yaml")));
            files.push(("user, local", user.join("local.yaml")));
        }
        Self {
            project: project.to_owned(),
            files,
        }
    }
}

/// Gives the file in which a project declares the settings of a component.
pub fn schema_of(project: &Path, component: &str) -> PathBuf {
    project.join(format!("settings/{component}.schema.yaml"))
}

/// Gives the user's folder for configuration: `XDG_CONFIG_HOME`, else `~/.config`.
pub fn config_home(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    user_folder("XDG_CONFIG_HOME", ".config", variable)
}

/// Gives a folder of the user: that which a variable names, else the one below the home folder. Relative ones count as not
/// set, as the XDG Base Directory Specification asks.
pub fn user_folder(
    name: &str,
    below_home: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(variable(name)?);
        path.is_absolute().then_some(path)
    };
    absolute(name).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_folder_is_xdgs() {
        let at = |variables: &[(&str, &str)]| {
            config_home(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, text)| text.into())
            })
        };
        assert_eq!(at(&[]), None);
        assert_eq!(at(&[("HOME", "/h")]), Some("/h/.config".into()));
        let both = [("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")];
        assert_eq!(at(&both), Some("/x".into()));
        let relative = [("HOME", "/h"), ("XDG_CONFIG_HOME", "x")];
        assert_eq!(at(&relative), Some("/h/.config".into()));
    }
}
