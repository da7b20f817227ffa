//! Where repositories and workflows are written down, and where state is kept.
//!
//! The project is the nearest folder, from the working one outwards, that has `settings/repos.yaml` or
//! `settings/workflows`. `MAHAVISHNU_REPOS_PATH` and `MAHAVISHNU_WORKFLOWS_PATH` name others, and
//! `$XDG_CONFIG_HOME/mahavishnu/repos.yaml` (else `~/.config`) is there for people without a project. State is in
//! `MAHAVISHNU_HOME`, else `~/.mahavishnu`: one for all projects of a user, as their workflows share a machine.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::{
    document,
    problem::{Invalid, similar},
    repository::{self, Repository},
    workflow::{self, Workflow},
};

/// The files of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Where steps run that run once, and relative paths stand.
    pub folder: PathBuf,
    /// The list of repositories.
    pub repositories: PathBuf,
    /// The folder with a file for each workflow.
    pub workflows: PathBuf,
}

/// Why a file of the project cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// It cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such workflow.
    #[error("there is no workflow {name} in {}", folder.display())]
    NoWorkflow {
        /// What was asked for.
        name: String,
        /// Where.
        folder: PathBuf,
        /// What may have been meant.
        suggestion: Option<String>,
    },
}

impl Project {
    /// Finds the project around the working folder.
    pub fn of_this_process() -> Self {
        let here = env::current_dir().unwrap_or_else(|_| ".".into());
        Self::around(&here, &|name| env::var_os(name).map(PathBuf::from))
    }

    /// Finds the project around a folder. `variable` looks up an environment variable.
    pub fn around(here: &Path, variable: &dyn Fn(&str) -> Option<PathBuf>) -> Self {
        let is_project = |folder: &&Path| {
            let settings = folder.join("settings");
            settings.join("repos.yaml").exists() || settings.join("workflows").exists()
        };
        let found = here.ancestors().find(is_project);
        let folder = found.unwrap_or(here).to_owned();
        let named = |name: &str| {
            let path = variable(name).filter(|path| !path.as_os_str().is_empty())?;
            Some(here.join(path))
        };
        let settings = folder.join("settings");
        let of_user = || {
            let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
            let config = absolute("XDG_CONFIG_HOME");
            let config = config.or_else(|| Some(absolute("HOME")?.join(".config")))?;
            let path = config.join("mahavishnu/repos.yaml");
            (!settings.join("repos.yaml").exists() && path.exists()).then_some(path)
        };
        Self {
            repositories: named("MAHAVISHNU_REPOS_PATH")
                .or_else(of_user)
                .unwrap_or_else(|| settings.join("repos.yaml")),
            workflows: named("MAHAVISHNU_WORKFLOWS_PATH")
                .unwrap_or_else(|| settings.join("workflows")),
            folder,
        }
    }

    /// Reads the list of repositories.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is wrong.
    pub fn read_repositories(&self) -> Result<Vec<Repository>, ProjectError> {
        let text = self.read(&self.repositories)?;
        Ok(repository::parse(&self.repositories, &self.folder, &text)?)
    }

    /// Reads a workflow: by its name, or by the path of its file.
    ///
    /// # Errors
    ///
    /// There is none, the file cannot be read, or is wrong.
    pub fn read_workflow(&self, name: &str) -> Result<Workflow, ProjectError> {
        let path = if name.contains('/') {
            PathBuf::from(name)
        } else {
            self.workflows.join(format!("{name}.yaml"))
        };
        if !path.exists() {
            let known = self.workflow_names().unwrap_or_default();
            return Err(ProjectError::NoWorkflow {
                name: name.to_owned(),
                folder: self.workflows.clone(),
                suggestion: similar(name, known.iter().map(String::as_str)),
            });
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = self.read(&path)?;
        Ok(workflow::parse(&stem, &path, &text)?)
    }

    /// Gives the names of the workflows, in the order of the alphabet.
    ///
    /// # Errors
    ///
    /// The folder cannot be read; one that is not there has none.
    pub fn workflow_names(&self) -> Result<Vec<String>, ProjectError> {
        let failed = |source| ProjectError::Read {
            path: self.workflows.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.workflows) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                names.extend(
                    path.file_stem()
                        .map(|stem| stem.to_string_lossy().into_owned()),
                );
            }
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, path: &Path) -> Result<String, ProjectError> {
        document::read(path).map_err(|source| ProjectError::Read {
            path: path.to_owned(),
            source,
        })
    }
}

/// Gives the folder for state; none without a home.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("MAHAVISHNU_HOME").or_else(|| Some(absolute("HOME")?.join(".mahavishnu")))
}
