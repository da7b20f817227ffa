//! Whether the database is still where it was opened, and whether there is room beside it.
//!
//! What is written into a file that has no name any more is lost when the server stops. So the names of the three files
//! are compared with what stood there, before and after every commit: four system calls, against a sync of the disk.

use std::{
    ffi::OsString,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// What stays free on the disk, in bytes. With less nothing new is taken, so that a checkpoint still has room and health
/// tells before a change has to fail.
const RESERVE: u64 = 1024 * 1024;

/// What tells one file from the next one of its name: device and inode.
type FileId = (u64, u64);

/// Where a database lies, and which files stood there.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    database: FileId,
    /// Of the WAL and of its index, which SQLite makes anew after the last connection was closed.
    beside: Mutex<[FileId; 2]>,
}

/// Why nothing may be written where the database was.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A file has no name any more.
    #[error(
        "{0} was removed while the server ran; put it back where it was, or restart the server"
    )]
    Removed(String),
    /// The name stands for another file.
    #[error(
        "{0} was replaced while the server ran; put the old one back, or restart the server to use the new one"
    )]
    Replaced(String),
    /// There is no room.
    #[error("the disk is full: {free} bytes are free, and the last {RESERVE} are not for events")]
    Full {
        /// What is left, in bytes.
        free: u64,
    },
    /// The system does not say.
    #[error("cannot look at {name}")]
    Unseen {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

impl Place {
    /// Notes which files stand there, once the database is open.
    pub(super) fn of(path: PathBuf) -> Result<Self, PlaceError> {
        Ok(Self {
            database: id(&path)?,
            beside: Mutex::new(beside(&path)?),
            path,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the database file is the one that was opened.
    pub(super) fn check_database(&self) -> Result<(), PlaceError> {
        same(id(&self.path)?, self.database, &self.path)
    }

    /// Checks that all files are the ones that were opened.
    pub(super) fn check(&self) -> Result<(), PlaceError> {
        self.check_database()?;
        let beside = *self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, noted) in besides(&self.path).iter().zip(beside) {
            same(id(path)?, noted, path)?;
        }
        Ok(())
    }

    /// Notes the files beside the database anew, for another connection.
    pub(super) fn reopened(&self) -> Result<(), PlaceError> {
        let now = beside(&self.path)?;
        *self.beside.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    /// Checks that there is room for changes.
    pub(super) fn check_room(&self) -> Result<(), PlaceError> {
        let disk = rustix::fs::statvfs(&self.path).map_err(|error| unseen(&self.path, error))?;
        // Root may use what is kept for root.
        let blocks = if rustix::process::geteuid().is_root() {
            disk.f_bfree
        } else {
            disk.f_bavail
        };
        let free = blocks.saturating_mul(disk.f_frsize);
        // A file system without blocks does not count them.
        if disk.f_blocks > 0 && free < RESERVE {
            return Err(PlaceError::Full { free });
        }
        Ok(())
    }
}

fn besides(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| {
        let mut name = OsString::from(path);
        name.push(suffix);
        PathBuf::from(name)
    })
}

fn beside(path: &Path) -> Result<[FileId; 2], PlaceError> {
    let [wal, index] = besides(path);
    Ok([id(&wal)?, id(&index)?])
}

fn id(path: &Path) -> Result<FileId, PlaceError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok((metadata.dev(), metadata.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(PlaceError::Removed(name(path)))
        }
        Err(error) => Err(unseen(path, error)),
    }
}

fn same(now: FileId, noted: FileId, path: &Path) -> Result<(), PlaceError> {
    if now == noted {
        Ok(())
    } else {
        Err(PlaceError::Replaced(name(path)))
    }
}

fn unseen(path: &Path, error: impl Into<io::Error>) -> PlaceError {
    PlaceError::Unseen {
        name: name(path),
        source: error.into(),
    }
}

/// Health shows it to everybody, so the folder is left out.
fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
