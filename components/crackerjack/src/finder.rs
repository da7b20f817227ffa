//! Where programs are: a project's own environments before the `PATH`.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Where a project keeps programs of its own.
const OWN: [&str; 3] = [".venv/bin", "venv/bin", "node_modules/.bin"];
/// Where people's tools are when the `PATH` does not say so, below their home.
const HOME: [&str; 3] = [".cargo/bin", "go/bin", ".local/bin"];

/// The folders in which programs are looked for, the first one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finder {
    folders: Vec<PathBuf>,
}

impl Finder {
    /// Looks in a folder of a project and those around it up to its root, then in the environment of this process.
    pub fn of(folder: &Path, root: &Path) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self::with(folder, root, &path, env::var_os("HOME").as_deref())
    }

    /// As [`Self::of`], with a `PATH` and a home.
    pub fn with(folder: &Path, root: &Path, path: &OsStr, home: Option<&OsStr>) -> Self {
        let around = folder
            .ancestors()
            .take_while(|folder| folder.starts_with(root));
        let own = around.flat_map(|folder| OWN.map(|own| folder.join(own)));
        let own = own.filter(|own| own.is_dir());
        // An empty entry means the working folder, in which programs of strangers may lie.
        let path = env::split_paths(path).filter(|folder| folder.is_absolute());
        let home = home.map(PathBuf::from).filter(|home| home.is_absolute());
        let home = home
            .into_iter()
            .flat_map(|home| HOME.map(|below| home.join(below)));
        Self {
            folders: own.chain(path).chain(home).collect(),
        }
    }

    /// Finds a program; one with a slash is where it says.
    pub fn find(&self, program: &str, folder: &Path) -> Option<PathBuf> {
        if program.contains('/') {
            let path = folder.join(program);
            return is_executable(&path).then_some(path);
        }
        let mut found = self.folders.iter().map(|folder| folder.join(program));
        found.find(|path| is_executable(path))
    }

    /// Gives a `PATH` of its folders, so that tools find each other as they were found.
    pub fn path(&self) -> OsString {
        env::join_paths(&self.folders).unwrap_or_default()
    }
}

fn is_executable(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
