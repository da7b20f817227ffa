//! An app in a folder, and the program in it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

/// An author with an app, and nothing else.
pub(crate) struct Author {
    folder: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) code: Option<i32>,
}

impl Author {
    pub(crate) fn new(kind: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fastblocks::scaffold::make(kind, &folder.path().join("app")).unwrap();
        Self { folder }
    }

    /// Gives a path below the folder of the test; the app is in `app`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces what stands once in a file of the app.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) -> &Self {
        let name = format!("app/{name}");
        let text = self.read(&name);
        assert_eq!(text.matches(from).count(), 1, "{from} in {name}");
        self.write(&name, text.replace(from, to));
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastblocks"));
        command
            .args(arguments)
            .current_dir(self.path("app"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("SESSION_BUDDY_HOME", self.path("state"))
            .env("FASTBLOCKS_SESSION_ENABLED", "false");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let real = fs::canonicalize(self.folder.path()).unwrap();
        let text = |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            let text = text.replace(&format!("{}/", real.display()), "");
            text.replace(&format!("{}/", self.folder.path().display()), "")
        };
        Ran {
            output: text(output.stdout),
            errors: text(output.stderr),
            code: output.status.code(),
        }
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments
            .iter()
            .copied()
            .chain(["--format", "json"])
            .collect();
        serde_json::from_str(&self.run(&arguments).output).unwrap()
    }

    /// Gives what `check` finds, as `file:line: problem`, with the suggestion behind it.
    pub(crate) fn problems(&self, arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<_> = ["check"].iter().chain(arguments).copied().collect();
        let found = self.json(&arguments);
        let found = found.as_array().unwrap().iter();
        found
            .map(|problem| {
                let line = &problem["line"];
                let line = line
                    .as_u64()
                    .map(|line| format!(":{line}"))
                    .unwrap_or_default();
                let meant = problem["suggestion"]
                    .as_str()
                    .map(|meant| format!(" ({meant}?)"));
                let (file, problem) = (
                    problem["file"].as_str().unwrap(),
                    problem["problem"].as_str().unwrap(),
                );
                format!("{file}{line}: {problem}{}", meant.unwrap_or_default())
            })
            .collect()
    }

    /// Reads all files of a folder.
    pub(crate) fn files(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(name), "", &mut files);
        files
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}
