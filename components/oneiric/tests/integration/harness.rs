//! A project, a home, and the program in them.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

/// A user with a home and a project, and nothing else.
pub(crate) struct User {
    folder: TempDir,
    variables: Vec<(&'static str, &'static str)>,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) code: Option<i32>,
}

const SCHEMA: &str = "\
port:
  type: integer
  min: 1
  max: 65535
  default: 8678
  about: where to listen
host:
  type: text
  default: 127.0.0.1
  variable: BILLING_BIND
api:
  token:
    type: text
    secret: true
";

impl User {
    pub(crate) fn new() -> Self {
        let user = Self {
            folder: TempDir::new().unwrap(),
            variables: Vec::new(),
        };
        fs::create_dir_all(user.path("project/src")).unwrap();
        user
    }

    /// A user whose project declares the settings of `billing`.
    pub(crate) fn with_billing() -> Self {
        let user = Self::new();
        user.write("project/settings/billing.schema.yaml", SCHEMA);
        user
    }

    pub(crate) fn variable(mut self, name: &'static str, text: &'static str) -> Self {
        self.variables.push((name, text));
        self
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| self.short(&String::from_utf8(bytes).unwrap());
        Ran {
            output: text(output.stdout),
            errors: text(output.stderr),
            code: output.status.code(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oneiric"));
        command
            .args(arguments)
            // Below the project, as people are.
            .current_dir(self.path("project/src"))
            .env_clear()
            .env("HOME", self.path("home"))
            .env("SESSION_BUDDY_HOME", self.path("state"))
            .env("ONEIRIC_SESSION_ENABLED", "false")
            .envs(self.variables.iter().copied());
        command
    }

    /// Replaces the folder of the test, whose name is another each time.
    fn short(&self, text: &str) -> String {
        let real = fs::canonicalize(self.folder.path()).unwrap();
        let short = |text: &str, path: &Path| text.replace(&format!("{}/", path.display()), "");
        short(&short(text, &real), self.folder.path())
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let with_format: Vec<_> = arguments
            .iter()
            .copied()
            .chain(["--format", "json"])
            .collect();
        serde_json::from_str(&self.run(&with_format).output).unwrap()
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}
