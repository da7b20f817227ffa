//! Whether a file has changed, by looking: what works on every file system, also on those of others.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::data_files;
use crate::{Given, MANIFEST};

/// The most files that are looked at.
const FILES_MAX: usize = 20_000;

/// What files were there: their sizes and when they were written.
pub(super) type Stamp = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Looks at the files of an app, and at those that its data comes from.
pub(super) fn stamp(folder: &Path, given: &BTreeMap<String, Given>) -> Stamp {
    let mut stamp = Stamp::new();
    for path in data_files(folder, given) {
        look(&path, &mut stamp);
    }
    stamp
}

fn look(path: &Path, stamp: &mut Stamp) {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    if !metadata.is_dir() {
        stamp.insert(path.to_owned(), (metadata.len(), metadata.modified().ok()));
        return;
    }
    // What a build wrote is not what the app says.
    if path.join(MANIFEST).is_file() {
        return;
    }
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !is_hidden && stamp.len() < FILES_MAX {
            look(&entry.path(), stamp);
        }
    }
}
