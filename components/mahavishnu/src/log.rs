//! What the steps of a workflow wrote: a file for each, the owner's only, without secrets.
//!
//! What looks like a secret is taken out as from everything that leaves a shell; so are the values of variables that the
//! workflow names under `secrets`, whatever they look like.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use session_client::leaving::{
    Door,
    redaction::{MARK, Rules},
};

/// The most bytes of a log; what comes then is not kept. A step that writes more is not read by people.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The longest line, in characters: those that come from a child are at most 64 KiB.
const LINE_MAX: usize = 64 * 1024;
/// The shortest value that counts as a secret: a shorter one would take out words of every line.
const SECRET_BYTES_MIN: usize = 4;

/// Takes secrets out of texts.
#[derive(Clone, Debug)]
pub struct Censor {
    door: Door,
    secrets: Vec<String>,
}

impl Censor {
    /// Makes one for values that are secrets. `variable` looks up an environment variable.
    pub fn new(
        secrets: impl IntoIterator<Item = String>,
        variable: &dyn Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Self {
        let (rules, _) = Rules::from_environment(variable);
        let long = |secret: &String| secret.len() >= SECRET_BYTES_MIN;
        let mut secrets: Vec<_> = secrets.into_iter().filter(long).collect();
        // A secret may hold another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self {
            door: Door::new(rules),
            secrets,
        }
    }

    /// Gives a text without secrets.
    pub fn pass(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(&**secret) {
                text = text.replace(&**secret, MARK);
            }
        }
        self.door.text::<LINE_MAX>(&text).to_string()
    }
}

/// The log of a step.
#[derive(Debug)]
pub struct Log {
    file: File,
    written: u64,
}

impl Log {
    /// Opens a log, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let written = file.metadata()?.len();
        Ok(Self { file, written })
    }

    /// Adds a line, until there are too many.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn add(&mut self, line: &str) -> io::Result<()> {
        if self.written > LOG_BYTES_MAX {
            return Ok(());
        }
        let mut text = format!("{line}\n");
        self.written += text.len() as u64;
        if self.written > LOG_BYTES_MAX {
            text = format!("what came then is not kept: a log has at most {LOG_BYTES_MAX} bytes\n");
        }
        self.file.write_all(text.as_bytes())
    }
}

/// Reads a log; what is no UTF-8 in it is replaced.
///
/// # Errors
///
/// The system refuses.
pub fn read(path: &Path) -> io::Result<String> {
    let bytes = std::fs::read(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Gives the name of a job's log; its parts are names.
pub fn name(place: usize, step: &str, repository: Option<&str>) -> PathBuf {
    let repository = repository.map(|name| format!("-{name}"));
    format!(
        "{:03}-{step}{}.log",
        place + 1,
        repository.unwrap_or_default()
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_of_lines() {
        let secrets = ["horse", "horse battery", "abc"].map(str::to_owned);
        let censor = Censor::new(secrets, &|_| None);
        assert_eq!(
            censor.pass("use horse battery, horse, abc and password=hunter2"),
            "use [redacted], [redacted], abc and password=[redacted]"
        );
    }

    #[test]
    fn a_log_ends_at_its_bound() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x.log");
        let mut log = Log::open(&path).unwrap();
        let line = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            log.add(&line).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 17 * 1024 * 1024);
        let last = text.lines().last().unwrap();
        assert_eq!(
            last,
            "what came then is not kept: a log has at most 16777216 bytes"
        );
    }
}
