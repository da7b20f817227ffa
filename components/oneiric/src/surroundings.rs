//! Where settings may come from, as plain data: the only look at the process's own environment.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use layered_config::user_folder;

/// The project, the user's folders and the environment.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where to look for a project: this folder and those around it.
    pub folder: PathBuf,
    variables: BTreeMap<OsString, OsString>,
}

impl Surroundings {
    /// Makes surroundings of a folder and variables.
    pub fn new(
        folder: impl Into<PathBuf>,
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        let variables = variables.into_iter();
        Self {
            folder: folder.into(),
            variables: variables
                .map(|(name, text)| (name.into(), text.into()))
                .collect(),
        }
    }

    /// Takes the environment of this process, and a folder or the working one.
    pub fn of_this_process(folder: Option<PathBuf>) -> Self {
        let folder = folder.or_else(|| env::current_dir().ok());
        Self::new(folder.unwrap_or_else(|| ".".into()), env::vars_os())
    }

    /// Looks up a variable.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(Path::new(name).as_os_str()).cloned()
    }

    /// Gives the names of variables that are text and begin so.
    pub fn variables_of<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.variables.keys().filter_map(|name| name.to_str());
        names.filter(move |name| name.starts_with(prefix))
    }

    /// Gives the user's folder for what programs remember: `XDG_STATE_HOME`, else `~/.local/state`.
    pub fn state_home(&self) -> Option<PathBuf> {
        user_folder("XDG_STATE_HOME", ".local/state", |name| self.variable(name))
    }
}
