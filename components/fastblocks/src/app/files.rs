//! The files of an app, none of which lies outside of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{App, BLOCKS, Block, STATIC};
use crate::Problem;

/// The most files in `blocks` and in `static`, each: 10,000, so that a wrong folder is noticed and does not fill the memory.
const FILES_MAX: usize = 10_000;
/// The largest block: 1 MiB, as for `fastblocks.yaml`.
const BLOCK_BYTES_MAX: u64 = 1024 * 1024;
/// The largest static file: 64 MiB, since it is held in memory while it is built.
const ASSET_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How deep folders may lie in each other.
const DEPTH_MAX: usize = 16;

/// Reads all blocks.
pub(super) fn read_blocks(app: &mut App, problems: &mut Vec<Problem>) {
    for (name, path) in walk(&app.folder, BLOCKS, BLOCK_BYTES_MAX, problems) {
        let file = format!("{BLOCKS}/{name}");
        let Some(name) = name.strip_suffix(".html") else {
            problems.push(Problem::of(&file, "a block is a .html file"));
            continue;
        };
        match fs::read(&path).map(String::from_utf8) {
            Ok(Ok(text)) => {
                let block = Block::read(name, &file, &text, problems);
                app.blocks.insert(name.to_owned(), block);
            }
            Ok(Err(_)) => problems.push(Problem::of(&file, "not UTF-8")),
            Err(error) => problems.push(Problem::of(&file, error.to_string())),
        }
    }
}

/// Finds all static files.
pub(super) fn find_assets(app: &mut App, problems: &mut Vec<Problem>) {
    let found = walk(&app.folder, STATIC, ASSET_BYTES_MAX, problems);
    let found = found.into_iter();
    app.assets = found
        .map(|(name, path)| (format!("/{STATIC}/{name}"), path))
        .collect();
}

/// Lists the files below a folder of an app, with their names as seen from it, in order.
fn walk(
    app: &Path,
    folder: &str,
    bytes_max: u64,
    problems: &mut Vec<Problem>,
) -> Vec<(String, PathBuf)> {
    let mut walk = Walk {
        folder,
        bytes_max,
        found: Vec::new(),
        problems,
    };
    let root = app.join(folder);
    match fs::symlink_metadata(&root) {
        Ok(metadata) if metadata.is_dir() => walk.enter(&root, "", 0),
        Ok(_) => walk.problems.push(Problem::of(folder, "not a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => walk.problems.push(Problem::of(folder, error.to_string())),
    }
    walk.found.sort();
    walk.found
}

struct Walk<'a> {
    folder: &'a str,
    bytes_max: u64,
    found: Vec<(String, PathBuf)>,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn enter(&mut self, path: &Path, prefix: &str, depth: usize) {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.blame(prefix, error.to_string()),
        };
        if depth > DEPTH_MAX {
            return self.blame(prefix, format!("folders lie deeper than {DEPTH_MAX}"));
        }
        for entry in entries.flatten() {
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                self.blame(prefix, "a name in it is not UTF-8".to_owned());
                continue;
            };
            // What editors and version control leave there is no part of an app.
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            self.take(&entry.path(), &format!("{prefix}{name}"), depth);
        }
    }

    fn take(&mut self, path: &Path, name: &str, depth: usize) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.blame(name, error.to_string()),
        };
        if metadata.is_symlink() {
            self.blame(name, "a link, which may lead out of the app".to_owned());
        } else if !name.chars().all(plain) {
            self.blame(
                name,
                "a name is made of ASCII letters, digits and -._".to_owned(),
            );
        } else if metadata.is_dir() {
            self.enter(path, &format!("{name}/"), depth + 1);
        } else if !metadata.is_file() {
            self.blame(name, "not a plain file".to_owned());
        } else if metadata.len() > self.bytes_max {
            self.blame(name, format!("larger than {} bytes", self.bytes_max));
        } else if self.found.len() == FILES_MAX {
            // Told once: the folder is the wrong one.
            let problem = format!("more than {FILES_MAX} files");
            self.problems.push(Problem::of(self.folder, problem));
        } else {
            self.found.push((name.to_owned(), path.to_owned()));
        }
    }

    fn blame(&mut self, name: &str, problem: String) {
        let file = format!("{}/{name}", self.folder);
        self.problems
            .push(Problem::of(file.trim_end_matches('/'), problem));
    }
}
