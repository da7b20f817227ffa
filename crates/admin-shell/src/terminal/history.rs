//! The lines of earlier sessions, in a file that all shells of a component share.
//!
//! A line is appended when it is entered, and nothing is read then: with 100,000 lines the library's own way, which reads the
//! file again to merge what others wrote, took 26 ms for each Enter.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use reedline::{FileBackedHistory, History, HistoryItem};
use rustix::fs::OFlags;
use session_client::state_folder;

/// How many lines are kept.
const LINES_MAX: usize = 100_000;
/// How much longer the file may become before it is cut: then each line is written twice in its life.
const LINES_SLACK: usize = LINES_MAX / 4;
/// What stands for a line break within a line, as in the files of the line editor's library.
const BREAK: &str = "<\\n>";

/// The file.
pub(super) struct Lines {
    file: File,
}

impl Lines {
    /// Opens the file, making it where it is missing, for its owner alone; gives what is in it too.
    ///
    /// # Errors
    ///
    /// When the system refuses, or it is no file of ours.
    pub(super) fn open(path: &Path) -> io::Result<(Self, FileBackedHistory)> {
        if let Some(folder) = path.parent() {
            state_folder::prepare(folder).map_err(io::Error::other)?;
        }
        let mut file = open(path)?;
        file.lock()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > LINES_MAX + LINES_SLACK {
            let kept = &lines[lines.len() - LINES_MAX..];
            file = replace(path, kept)?;
        }
        file.unlock()?;
        let mut history = FileBackedHistory::new(LINES_MAX).map_err(io::Error::other)?;
        let newest = lines.len().saturating_sub(LINES_MAX);
        for line in &lines[newest..] {
            let item = HistoryItem::from_command_line(line.replace(BREAK, "\n"));
            history.save(item).map_err(io::Error::other)?;
        }
        Ok((Self { file }, history))
    }

    /// Appends a line, unless it begins with a blank.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        if line.starts_with(' ') || line.trim().is_empty() {
            return Ok(());
        }
        // One write, so that lines of several shells do not mix.
        let line = line.replace('\n', BREAK) + "\n";
        self.file.write_all(line.as_bytes())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Puts a shorter file in the place of one that has become too long. What another shell appends to the old one meanwhile is
/// lost to the next sessions.
fn replace(path: &Path, lines: &[&str]) -> io::Result<File> {
    let unfinished = path.with_extension("new");
    // What a shell left that died half way is nobody's.
    let _ = fs::remove_file(&unfinished);
    let mut file = open(&unfinished)?;
    file.write_all((lines.join("\n") + "\n").as_bytes())?;
    fs::rename(&unfinished, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use reedline::{SearchDirection, SearchQuery};

    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        let (_, history) = Lines::open(path).unwrap();
        let all = SearchQuery::everything(SearchDirection::Forward, None);
        let found = history.search(all).unwrap().into_iter();
        found.map(|item| item.command_line).collect()
    }

    #[test]
    fn lines_are_there_again_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history/billing.txt");
        let (mut file, _) = Lines::open(&path).unwrap();
        for line in ["ps()", " secret", "", "fn f() {\n  1 }"] {
            file.append(line).unwrap();
        }
        assert_eq!(lines(&path), ["ps()", "fn f() {\n  1 }"]);

        let many: Vec<_> = (0..=LINES_MAX + LINES_SLACK)
            .map(|n| n.to_string())
            .collect();
        fs::write(&path, many.join("\n")).unwrap();
        let kept = lines(&path);
        assert_eq!(kept.len(), LINES_MAX);
        assert_eq!(kept.last().unwrap(), many.last().unwrap());
        assert_eq!(
            fs::read_to_string(&path).unwrap().lines().count(),
            LINES_MAX
        );
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("billing.txt");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(Lines::open(&path).is_err());
    }
}
