//! A user with repositories and workflows, and the program in their project.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A user with a home, and a project with three repositories: `a` and `b` are written in Rust, `c` is not.
pub(crate) struct User {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) code: Option<i32>,
}

const REPOSITORIES: &str = "\
repos:
- {path: src/a, tags: [rust, core], description: The first one}
- {path: src/b, tags: [rust]}
- {path: src/c, tags: [node]}
";

impl User {
    pub(crate) fn new() -> Self {
        let user = Self {
            folder: TempDir::new().unwrap(),
            variables: Vec::new(),
        };
        for repository in ["a", "b", "c"] {
            fs::create_dir_all(user.path("project/src").join(repository)).unwrap();
        }
        user.write("project/settings/repos.yaml", REPOSITORIES);
        user
    }

    pub(crate) fn variable(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.variables.push((name, text.into()));
        self
    }

    pub(crate) fn with_workflow(self, name: &str, text: &str) -> Self {
        self.write(&format!("project/settings/workflows/{name}.yaml"), text);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mahavishnu"));
        command
            .args(arguments)
            // Below the project, as people are.
            .current_dir(self.path("project/src"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("TZ", "UTC")
            .env("MAHAVISHNU_HOME", self.path("state"))
            .env("SESSION_BUDDY_HOME", self.path("sessions"))
            .env("MAHAVISHNU_SESSION_ENABLED", "false")
            .envs(self.variables.iter().map(|(name, text)| (name, text)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let folder = format!("{}/", self.folder.path().display());
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&folder, "");
        Ran {
            output: text(output.stdout),
            errors: text(output.stderr),
            code: output.status.code(),
        }
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let format = ["--format", "json"];
        let ran = self.run(&[arguments, &format].concat());
        serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// Starts a workflow, and waits until one of its steps has written `ready` into the pipe `go` of the project.
    pub(crate) fn start(&self, arguments: &[&str]) -> Started {
        let fifo = self.path("project/go");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        // Opening waits for who writes.
        BufReader::new(fs::File::open(&fifo).unwrap())
            .read_line(&mut line)
            .unwrap();
        let list = self.json(&["ps"]);
        Started {
            child,
            id: list[0]["id"].as_str().unwrap().to_owned(),
            said: line.trim_end().to_owned(),
        }
    }
}

/// A workflow that runs.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) id: String,
    /// What the step has written.
    pub(crate) said: String,
}

impl Started {
    /// Waits for its end, and gives its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        drop(
            self.child
                .stdout
                .take()
                .map(|output: ChildStdout| std::io::read_to_string(output)),
        );
        self.child.wait().unwrap().code()
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// A step that says its pid in the project's pipe, and then runs until it is ended.
pub(crate) const WAITS: &str =
    "steps:\n  wait:\n    once: true\n    run: echo $$ > go; sleep 1000 & wait\n";
