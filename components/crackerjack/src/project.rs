//! What a project is, and how that is known.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// How deep below a root without files of a project its parts are looked for: a folder such as `backend` or `apps/web`.
const DEPTH_MAX: usize = 2;
/// How many folders are looked at there.
const FOLDERS_MAX: usize = 1_000;
/// Folders in which others keep what they have made or fetched.
const FOREIGN: [&str; 8] = [
    "node_modules",
    "target",
    "venv",
    "dist",
    "build",
    "vendor",
    "site-packages",
    "__pycache__",
];

/// A kind of project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Rust, by Cargo.
    Cargo,
    /// Python.
    Python,
    /// JavaScript or TypeScript, by a `package.json`.
    Node,
    /// Go, by modules.
    Go,
}

/// A project: its root, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The nearest folder with files of a project, or else the one that was named.
    pub root: PathBuf,
    /// What it is; each kind has a part of its own.
    pub parts: Vec<Part>,
}

/// A part of a project that tools of one kind look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its kind.
    pub kind: Kind,
    /// Its folder, in which the tools run.
    pub folder: PathBuf,
    /// The files that tell.
    pub evidence: Vec<String>,
    /// What they say of it: a name, the size of a workspace.
    pub detail: String,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Cargo, Self::Python, Self::Node, Self::Go];

    /// Gives its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Python => "python",
            Self::Node => "node",
            Self::Go => "go",
        }
    }

    /// Gives the files each of which tells of it.
    const fn markers(self) -> &'static [&'static str] {
        match self {
            Self::Cargo => &["Cargo.toml"],
            Self::Python => &[
                "pyproject.toml",
                "setup.py",
                "setup.cfg",
                "requirements.txt",
            ],
            Self::Node => &["package.json"],
            Self::Go => &["go.mod"],
        }
    }
}

impl Project {
    /// Finds the project around a folder; `None` where there is none, neither there nor in what is around or below it.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn find(folder: &Path) -> io::Result<Option<Self>> {
        let folder = fs::canonicalize(folder)?;
        if !folder.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "is no folder"));
        }
        for root in folder.ancestors() {
            let parts = parts_in(root);
            if !parts.is_empty() {
                return Ok(Some(Self::with_parts(root, parts)));
            }
            // What is around a repository is another project.
            if root.join(".git").exists() {
                return Ok(Self::below(root));
            }
        }
        Ok(Self::below(&folder))
    }

    /// Finds the nearest folder with files of a project, and nothing below it: for who has no time to look around.
    pub fn around(folder: &Path) -> Option<Self> {
        let folder = fs::canonicalize(folder).ok()?;
        let mut roots = folder.ancestors();
        roots.find_map(|root| {
            let parts = parts_in(root);
            (!parts.is_empty()).then(|| Self {
                root: root.to_owned(),
                parts,
            })
        })
    }

    /// Makes a project of the parts in its root, and of what is below and of another kind.
    fn with_parts(root: &Path, mut parts: Vec<Part>) -> Self {
        for part in parts_below(root) {
            if parts.iter().all(|known| known.kind != part.kind) {
                parts.push(part);
            }
        }
        Self {
            root: root.to_owned(),
            parts,
        }
    }

    /// Makes a project whose root has no files of one, of what is below.
    fn below(root: &Path) -> Option<Self> {
        let parts = parts_below(root);
        (!parts.is_empty()).then(|| Self {
            root: root.to_owned(),
            parts,
        })
    }
}

impl Part {
    /// Reads a TOML file of it; `None` if there is none that can be read.
    pub fn toml(&self, name: &str) -> Option<toml::Table> {
        toml_in(&self.folder, name)
    }

    /// Reads its `package.json`.
    pub fn package(&self) -> Option<Value> {
        json_in(&self.folder, "package.json")
    }

    /// Tells whether it has a file.
    pub fn has(&self, name: &str) -> bool {
        self.folder.join(name).is_file()
    }
}

/// Finds what a folder itself is.
fn parts_in(folder: &Path) -> Vec<Part> {
    let part = |kind: Kind| {
        let markers = kind.markers().iter();
        let found = markers.filter(|name| folder.join(name).is_file());
        let evidence: Vec<String> = found.map(|name| (*name).to_owned()).collect();
        (!evidence.is_empty()).then(|| Part {
            kind,
            folder: folder.to_owned(),
            detail: detail(kind, folder),
            evidence,
        })
    };
    Kind::ALL.into_iter().filter_map(part).collect()
}

/// Finds the outermost parts below a folder, by path.
fn parts_below(root: &Path) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    let mut level = vec![root.to_owned()];
    let mut looked = 0;
    for _ in 0..DEPTH_MAX {
        let mut next = Vec::new();
        for folder in level.iter().flat_map(|folder| folders_in(folder)) {
            looked += 1;
            if looked > FOLDERS_MAX {
                return found;
            }
            for part in parts_in(&folder) {
                let inside =
                    |known: &Part| known.kind == part.kind && folder.starts_with(&known.folder);
                if !found.iter().any(inside) {
                    found.push(part);
                }
            }
            next.push(folder);
        }
        level = next;
    }
    found
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && !FOREIGN.contains(&&*name) && !path.join("pyvenv.cfg").exists()
    };
    // A link may lead out of the project, or around in it.
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut folders: Vec<_> = entries
        .flatten()
        .filter(is_folder)
        .map(|entry| entry.path())
        .filter(is_own)
        .collect();
    folders.sort();
    folders
}

/// Says what the files of a kind tell.
fn detail(kind: Kind, folder: &Path) -> String {
    let told = match kind {
        Kind::Cargo => toml_in(folder, "Cargo.toml").map(|manifest| of_cargo(&manifest)),
        Kind::Python => toml_in(folder, "pyproject.toml")
            .and_then(|project| Some(project.get("project")?.get("name")?.as_str()?.to_owned())),
        Kind::Node => json_in(folder, "package.json").map(|package| of_node(&package)),
        Kind::Go => fs::read_to_string(folder.join("go.mod"))
            .ok()
            .and_then(|text| {
                let module = text.lines().find_map(|line| line.strip_prefix("module "));
                module.map(|module| module.trim().to_owned())
            }),
    };
    told.unwrap_or_default()
}

fn of_cargo(manifest: &toml::Table) -> String {
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let name = name.and_then(toml::Value::as_str).map(str::to_owned);
    let workspace = manifest.get("workspace").map(|workspace| {
        let members = workspace.get("members").and_then(toml::Value::as_array);
        let members = members
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str);
        let members: Vec<_> = members.collect();
        if members.is_empty() {
            "workspace".to_owned()
        } else {
            format!("workspace of {}", members.join(", "))
        }
    });
    let both: Vec<_> = name.into_iter().chain(workspace).collect();
    both.join(", ")
}

fn of_node(package: &Value) -> String {
    let name = package["name"].as_str().map(str::to_owned);
    let workspaces = package.get("workspaces").map(|_| "workspaces".to_owned());
    let both: Vec<_> = name.into_iter().chain(workspaces).collect();
    both.join(", ")
}

fn toml_in(folder: &Path, name: &str) -> Option<toml::Table> {
    fs::read_to_string(folder.join(name)).ok()?.parse().ok()
}

fn json_in(folder: &Path, name: &str) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(folder.join(name)).ok()?).ok()
}
