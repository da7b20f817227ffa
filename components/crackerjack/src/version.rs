//! Which versions of tools there are: they are asked, all at once and not for long, and once a session.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use admin_shell::{Context, End, Stream};

use crate::{check, finder::Finder, tools::Chosen};

/// How long a tool may take to say its version: 5 seconds; `npm` takes one on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was answered, by program and question.
#[derive(Debug, Default)]
pub struct Versions(Mutex<HashMap<(PathBuf, String), Option<String>>>);

impl Versions {
    /// Asks tools that are there, each with its folders.
    pub fn ask(&self, context: &Context, tools: &[(&Chosen<'_>, &Finder)]) -> Vec<Option<String>> {
        thread::scope(|scope| {
            let mut asked = Vec::new();
            for (chosen, finder) in tools {
                asked.push(scope.spawn(move || self.one(context, chosen, finder)));
            }
            let answers = asked.into_iter();
            answers.map(|thread| thread.join().ok().flatten()).collect()
        })
    }

    fn one(&self, context: &Context, chosen: &Chosen<'_>, finder: &Finder) -> Option<String> {
        let program = finder.find(&chosen.program, &chosen.part.folder)?;
        let key = (program, chosen.tool.version.to_owned());
        if let Some(known) = self.known().get(&key) {
            return known.clone();
        }
        let words = chosen.other_command(chosen.tool.version);
        let command = check::command(context, &words, &chosen.part.folder, finder)?;
        let mut said = Vec::new();
        let end = context.run(command, PATIENCE, |stream, line| {
            // Some say it to standard error; what matters comes first.
            if said.len() < 20 && (stream == Stream::Output || said.is_empty()) {
                said.push(line.to_owned());
            }
        });
        let version = match end {
            Ok(End::Exited(0)) => said.iter().find_map(|line| version_in(line)),
            Ok(_) | Err(_) => None,
        };
        if !context.is_interrupted() {
            self.known().insert(key, version.clone());
        }
        version
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<(PathBuf, String), Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds a version in a line such as `ruff 0.6.9` or `go version go1.23.1 linux/amd64`.
fn version_in(line: &str) -> Option<String> {
    let words = line.split([' ', ',', '(', ')']);
    let bare = words.map(|word| word.trim_start_matches("go").trim_start_matches('v'));
    let mut versions =
        bare.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    versions.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        for (line, version) in [
            ("ruff 0.6.9", Some("0.6.9")),
            ("clippy 0.1.95 (59807616e1 2026-04-14)", Some("0.1.95")),
            ("go version go1.23.1 linux/amd64", Some("1.23.1")),
            ("v9.8.0", Some("9.8.0")),
            ("mypy 1.11.2 (compiled: yes)", Some("1.11.2")),
            ("pytest 8.3.3", Some("8.3.3")),
            ("Version 5.6.2", Some("5.6.2")),
            ("no version", None),
        ] {
            assert_eq!(version_in(line).as_deref(), version, "{line}");
        }
    }
}
