//! The table of tampering: one file a case, in `tests/tampering`. Its README says what the fields mean.

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Fewer would mean that files are not found.
const CASES_MIN: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// The name of its file.
    #[serde(skip)]
    pub(super) name: String,
    title: String,
    attempt: String,
    #[serde(default)]
    pub(super) server: Kind,
    pub(super) token: Option<TokenOf>,
    #[serde(default)]
    pub(super) request: Vec<Request>,
    #[serde(default)]
    pub(super) command: Vec<CommandLine>,
    pub(super) edit: Option<Edit>,
}

/// Which server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// One with both secrets.
    #[default]
    Guarded,
    /// One without.
    Open,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenOf {
    #[serde(default = "own")]
    pub(super) secret: String,
    #[serde(default)]
    pub(super) header: Option<String>,
    #[serde(default)]
    pub(super) claims: Option<String>,
    #[serde(default = "whole")]
    pub(super) shape: String,
}

fn own() -> String {
    "own".to_owned()
}

fn whole() -> String {
    "{header}.{claims}.{signature}".to_owned()
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    #[default]
    Somebody,
    Owner,
    Stranger,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    #[serde(default)]
    pub(super) by: By,
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) headers: Vec<(String, String)>,
    #[serde(default)]
    pub(super) body: String,
    /// A tool, called with `arguments`.
    pub(super) call: Option<String>,
    pub(super) arguments: Option<String>,
    /// All bytes of the request, in place of the above.
    pub(super) raw: Option<String>,
    /// Any of these; 0 where there is no answer, only the end of the connection.
    pub(super) status: Vec<u16>,
    pub(super) code: Option<String>,
    /// The `error_code` of a tool, or of the first line of a batch.
    pub(super) tool: Option<String>,
    pub(super) rpc: Option<i64>,
    pub(super) says: Option<String>,
    /// Nothing is found.
    #[serde(default)]
    pub(super) empty: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandLine {
    #[serde(default)]
    pub(super) by: By,
    /// What stands where the server should.
    #[serde(default)]
    pub(super) peer: Peer,
    pub(super) line: String,
    pub(super) exit: i32,
    pub(super) says: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Peer {
    #[default]
    Server,
    SocketOfStranger,
    SquattedPort,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    #[serde(default)]
    pub(super) sql: String,
    pub(super) payload: Option<PayloadEdit>,
    #[serde(default)]
    pub(super) file: Vec<FileEdit>,
    /// Compare with the checkpoint that was kept elsewhere, too.
    #[serde(default)]
    pub(super) elsewhere: bool,
    /// What `verify` says when it fails.
    pub(super) verify: String,
    /// Why the server does not start; it does where this is not given.
    pub(super) refused: Option<String>,
    /// What health says of the checkpoints then.
    #[serde(default = "ok")]
    pub(super) checkpoint: String,
}

fn ok() -> String {
    "ok".to_owned()
}

/// A text in the payload of a record, and what stands there then.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayloadEdit {
    pub(super) seq: u64,
    pub(super) replace: (String, String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEdit {
    pub(super) name: String,
    pub(super) content: Option<String>,
    pub(super) replace: Option<(String, String)>,
    /// Of another server.
    #[serde(default)]
    pub(super) foreign: bool,
    pub(super) mode: Option<u32>,
}

/// Reads all cases.
pub(super) fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/tampering");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    assert!(paths.len() >= CASES_MIN, "only {} cases", paths.len());
    paths.iter().map(read).collect()
}

fn read(path: &PathBuf) -> Case {
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let mut case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let does = usize::from(case.edit.is_some()) + case.request.len() + case.command.len();
    assert!(does > 0, "{name} tries nothing");
    assert!(
        !case.title.is_empty() && !case.attempt.is_empty(),
        "{name} says nothing"
    );
    name.clone_into(&mut case.name);
    case
}

/// Collects what is not as the table says, so that one case hides no other.
#[derive(Default)]
pub(super) struct Findings(Vec<String>);

impl Findings {
    pub(super) fn check(&mut self, case: &Case, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0
                .push(format!("{}: {} ({})", case.name, what(), case.title));
        }
    }

    pub(super) fn finish(self) {
        assert!(
            self.0.is_empty(),
            "{} findings:\n{}",
            self.0.len(),
            self.0.join("\n")
        );
    }
}

/// Puts values into `<<name>>`, and bytes for `<<x*5000>>` and `<<hex:ff00>>`.
pub(super) fn fill(template: &str, values: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("<<") {
        bytes.extend(before.bytes());
        let (name, after) = after.split_once(">>").expect("it is closed");
        rest = after;
        if let Some(digits) = name.strip_prefix("hex:") {
            bytes.extend(data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap());
        } else if let Some((text, times)) = name.rsplit_once('*') {
            bytes.extend(text.repeat(times.parse().unwrap()).bytes());
        } else {
            match &values[name] {
                Value::Null => panic!("there is no <<{name}>>"),
                Value::String(text) => bytes.extend(text.bytes()),
                json => bytes.extend(json.to_string().bytes()),
            }
        }
    }
    bytes.extend(rest.bytes());
    bytes
}
