//! Apps to begin with.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// An app that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Its files.
    pub files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($folder:literal: $($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../examples/", $folder, "/", $file)))),*]
    };
}

/// The apps that there are; the first one is what nobody has to name.
pub const KINDS: [Kind; 2] = [
    Kind {
        name: "small",
        files: files!("small": "fastblocks.yaml", "blocks/layouts/base.html", "blocks/pages/home.html", "static/style.css"),
    },
    Kind {
        name: "audit-report",
        files: files!("audit-report":
            "fastblocks.yaml",
            "blocks/layouts/base.html",
            "blocks/pages/components.html",
            "blocks/pages/failures.html",
            "blocks/pages/lost.html",
            "blocks/pages/open.html",
            "blocks/pages/overview.html",
            "blocks/pages/people.html",
            "blocks/pages/session.html",
            "blocks/parts/session_table.html",
            "data/sessions.json",
            "static/style.css",
        ),
    },
];

/// Why there is no new app.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// There is no such kind.
    #[error("unknown kind of app {0:?}")]
    UnknownKind(String),
    /// Something is there already.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// It cannot be written.
    #[error("{}", path.display())]
    Io {
        /// What cannot be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes an app into a folder that is empty or not there, and gives the names of its files.
///
/// # Errors
///
/// There is no such kind, the folder is not empty, or it cannot be written.
pub fn make(kind: &str, folder: &Path) -> Result<Vec<&'static str>, ScaffoldError> {
    let known = KINDS.iter().find(|known| known.name == kind);
    let kind = known.ok_or_else(|| ScaffoldError::UnknownKind(kind.to_owned()))?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ScaffoldError::Io { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    if fs::read_dir(folder)
        .map_err(failed(folder))?
        .next()
        .is_some()
    {
        return Err(ScaffoldError::NotEmpty(folder.to_owned()));
    }
    for (file, text) in kind.files {
        let path = folder.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(kind.files.iter().map(|(file, _)| *file).collect())
}
