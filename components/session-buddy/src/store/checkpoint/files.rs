//! Where checkpoints lie: beside their database, and their key in the state folder.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use session_model::Timestamp;

use super::{Checkpoint, key::write_alone};

/// The most bytes of a checkpoint's file; ours have about 500.
const FILE_BYTES_MAX: u64 = 4096;
const NAME: &str = "checkpoint.json";

/// The files of a database's checkpoints.
#[derive(Clone, Debug)]
pub struct CheckpointFiles {
    /// The newest checkpoint.
    current: PathBuf,
    key: PathBuf,
}

/// Why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("it cannot be read")]
    File(#[from] io::Error),
    /// Its content.
    #[error("it is no checkpoint")]
    Content(#[from] serde_json::Error),
}

impl CheckpointFiles {
    /// Names the files. A database that is not called `sessions.db` may not be the only one in its folder, so the name of
    /// its checkpoint begins with its own.
    pub fn of(state_folder: &Path, database: &Path) -> Self {
        let mut name = OsString::new();
        if let Some(own) = database.file_name().filter(|own| *own != "sessions.db") {
            name.push(own);
            name.push(".");
        }
        name.push(NAME);
        Self {
            current: database.with_file_name(name),
            key: state_folder.join("checkpoint.key"),
        }
    }

    /// The file with the key.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// Gives the newest checkpoint, if there is one, and those that were put aside, by name.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn list(&self) -> io::Result<(Option<PathBuf>, Vec<PathBuf>)> {
        let folder = self.current.parent().unwrap_or(Path::new("/"));
        let (current, mut aside) = (self.current.symlink_metadata().is_ok(), Vec::new());
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            if self.is_aside(&name.to_string_lossy()) {
                aside.push(folder.join(name));
            }
        }
        aside.sort();
        Ok((current.then(|| self.current.clone()), aside))
    }

    /// `checkpoint-20260206T220458Z.json` lies beside `checkpoint.json`.
    fn is_aside(&self, name: &str) -> bool {
        let stem = self.current.file_stem().unwrap_or_default();
        name.strip_prefix(&*stem.to_string_lossy())
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|rest| rest.ends_with(".json"))
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    ///
    /// When there is no file, or no checkpoint in it.
    pub fn read(path: &Path) -> Result<Checkpoint, ReadError> {
        let mut json = Vec::new();
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file").into());
        }
        file.take(FILE_BYTES_MAX).read_to_end(&mut json)?;
        Ok(Checkpoint::read(&json)?)
    }

    /// Puts a checkpoint in the place of the last one.
    ///
    /// # Errors
    ///
    /// When the disk refuses; the last one is there then.
    pub fn write(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        write_alone(&self.current, checkpoint.to_json().as_bytes())
    }

    /// Gives the newest checkpoint another name, for good, and tells which.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn put_aside(&self, now: Timestamp) -> io::Result<PathBuf> {
        // To the microsecond, so that none takes the place of another one.
        let time: String = now.to_string().replace(['-', ':'], "");
        let stem = self
            .current
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let aside = self.current.with_file_name(format!("{stem}-{time}.json"));
        fs::rename(&self.current, &aside)?;
        Ok(aside)
    }
}
