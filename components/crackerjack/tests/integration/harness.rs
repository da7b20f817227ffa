//! Copies of the projects in `tests/projects`, and the program in them.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// A copy of a project, a home, and a folder of made-up programs that is first on the `PATH`.
pub(crate) struct Site {
    folder: TempDir,
    /// Whether the programs of this machine are there too.
    real: bool,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) code: Option<i32>,
}

impl Site {
    /// A project with made-up tools only; `/usr/bin` would bring those of the machine.
    pub(crate) fn of(project: &str) -> Self {
        let site = Self {
            folder: TempDir::new().unwrap(),
            real: false,
        };
        let projects = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects");
        copy(&projects.join(project), &site.path("project")).unwrap();
        fs::create_dir(site.path("bin")).unwrap();
        site
    }

    /// A project with the tools of this machine.
    pub(crate) fn with_real_tools(project: &str) -> Self {
        Self {
            real: true,
            ..Self::of(project)
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts a made-up program on the `PATH`.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        self.program(&format!("bin/{name}"), script);
    }

    /// Puts a made-up program anywhere.
    pub(crate) fn program(&self, name: &str, script: &str) {
        self.write(name, &format!("#!/bin/sh\n{script}\n"));
        let path = self.path(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let bin = self.path("bin");
        let path = if self.real {
            let path = std::env::var_os("PATH").unwrap();
            let folders =
                std::iter::once(bin).chain(std::env::split_paths(&path).collect::<Vec<_>>());
            std::env::join_paths(folders).unwrap()
        } else {
            bin.into_os_string()
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_crackerjack"));
        command
            .args(arguments)
            .current_dir(self.path("project"))
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env("SESSION_BUDDY_HOME", self.path("state"))
            .env("CRACKERJACK_SESSION_ENABLED", "false");
        // Where rustup keeps its toolchains when that is not the home of the tests.
        let home = std::env::var("HOME").unwrap_or_default();
        for (name, below) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
            let place = std::env::var(name).unwrap_or_else(|_| format!("{home}/{below}"));
            command.env(name, place);
        }
        if let Ok(toolchain) = std::env::var("RUSTUP_TOOLCHAIN") {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs a helper, and gives its rows.
    pub(crate) fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let all: Vec<_> = arguments
            .iter()
            .copied()
            .chain(["--format", "json"])
            .collect();
        let ran = self.run(&all);
        serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// Runs a helper, and gives tool and verdict of each row.
    pub(crate) fn verdicts(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let rows = self.rows(arguments).into_iter();
        rows.map(|row| (text(&row["tool"]), text(&row["verdict"])))
            .collect()
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            output: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }

    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Makes pairs of words comparable with what `verdicts` gives.
pub(crate) fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let expected = expected.iter();
    expected
        .map(|(tool, verdict)| ((*tool).to_owned(), (*verdict).to_owned()))
        .collect()
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
