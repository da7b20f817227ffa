//! The folder of all files.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use session_model::Timestamp;

use super::{
    contents::Header,
    disk::{Disk, Drive},
    dropped::Dropped,
    file::{Adoption, REFUSED_FOLDER, SpoolError, SpoolFile},
};
use crate::state_folder::StateFolderError;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most events.
    pub events_max: usize,
    /// How old the start of a session that was never delivered may be.
    pub age_max: Duration,
}

impl Default for Bounds {
    /// 100,000 events, 30 days.
    fn default() -> Self {
        Self {
            events_max: 100_000,
            age_max: Duration::from_hours(30 * 24),
        }
    }
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Spool {
    disk: Disk,
    folder: PathBuf,
}

impl Spool {
    /// Opens the folder in a state folder, making both where they are missing.
    ///
    /// # Errors
    ///
    /// When one of them is not a folder of ours, or cannot be made.
    pub fn open(state_folder: &Path) -> Result<Self, StateFolderError> {
        Self::open_on(Disk::system(), state_folder)
    }

    pub(crate) fn open_on(disk: Disk, state_folder: &Path) -> Result<Self, StateFolderError> {
        let folder = state_folder.join("spool");
        disk.prepare(state_folder)?;
        disk.prepare(&folder)?;
        Ok(Self { disk, folder })
    }

    /// Opens the folder in a state folder if it is there, and makes nothing.
    ///
    /// # Errors
    ///
    /// When it is not a folder of ours.
    pub fn open_existing(state_folder: &Path) -> Result<Option<Self>, StateFolderError> {
        Self::existing_on(Disk::system(), state_folder)
    }

    /// Opens the folder on another disk than the machine's, as [`Self::open_existing`] does.
    ///
    /// # Errors
    ///
    /// As [`Self::open_existing`].
    pub fn existing_on(disk: Disk, state_folder: &Path) -> Result<Option<Self>, StateFolderError> {
        let folder = state_folder.join("spool");
        let is_there = disk.check(state_folder)? && disk.check(&folder)?;
        Ok(is_there.then_some(Self { disk, folder }))
    }

    /// Makes the file of a session that begins, as [`SpoolFile::create`] does.
    pub(crate) fn create(&self, header: Header, start: String) -> Result<SpoolFile, SpoolError> {
        SpoolFile::create_on(&self.disk, &self.folder, header, start)
    }

    /// Gives its path.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Gives where the file of a session lies if it has one; `None` for an id that no file can have.
    pub fn file_of(&self, session_id: &str) -> Option<PathBuf> {
        (!session_id.contains('/')).then(|| self.folder.join(format!("{session_id}.spool")))
    }

    /// Visits the paths of its files, in no order.
    ///
    /// # Errors
    ///
    /// When it cannot be listed.
    pub fn files(&self) -> io::Result<impl Iterator<Item = PathBuf> + use<>> {
        spool_files(&*self.disk, &self.folder)
    }

    /// Visits the paths of the files that were set aside.
    ///
    /// # Errors
    ///
    /// When they cannot be listed.
    pub fn refused(&self) -> io::Result<Vec<PathBuf>> {
        match spool_files(&*self.disk, &self.folder.join(REFUSED_FOLDER)) {
            Ok(files) => Ok(files.collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Tells what the bounds have cost since that was last told to a server.
    ///
    /// # Errors
    ///
    /// When the count cannot be read.
    pub fn dropped(&self) -> io::Result<Option<Dropped>> {
        Dropped::read(&*self.disk, &self.folder)
    }

    /// Takes off the count what a server was told of it.
    ///
    /// # Errors
    ///
    /// When the count cannot be written.
    pub fn told_of(&self, dropped: &Dropped) -> io::Result<()> {
        Dropped::change(&*self.disk, &self.folder, |count| count.without(dropped))
    }

    /// Keeps what waits within bounds: sessions of dead shells of which nothing was ever delivered are dropped, the
    /// oldest first, and counted. Gives how many events were dropped.
    ///
    /// # Errors
    ///
    /// When files cannot be listed or removed.
    pub fn enforce(&self, bounds: Bounds, now: Timestamp) -> Result<usize, SpoolError> {
        let io = |source| SpoolError::Io {
            what: "list",
            path: self.folder.clone(),
            source,
        };
        let mut files = Vec::new();
        for path in self.files().map_err(io)? {
            // A file that went meanwhile is nobody's concern.
            if let Ok(found) = self.disk.find(&path) {
                files.push((found.modified, path));
            }
        }
        files.sort();
        let age_limit = now.as_jiff().checked_sub(bounds.age_max).ok();
        // No file holds more than a start and an end.
        let mut events = files.len() * 2;
        let mut dropped = 0;
        for (modified, path) in files {
            let too_old = age_limit.is_some_and(|limit| modified.as_jiff() < limit);
            if !too_old && events <= bounds.events_max {
                break;
            }
            if let Some(here) = self.drop_session(&path, now)? {
                dropped += here;
                events -= 2;
            }
        }
        Ok(dropped)
    }

    /// Drops a session if its shell is dead and nothing of it was ever delivered.
    fn drop_session(&self, path: &Path, now: Timestamp) -> Result<Option<usize>, SpoolError> {
        // What cannot be read stops nobody from what can.
        let Ok(Adoption::Adopted { file, .. }) = SpoolFile::adopt_on(&self.disk, path) else {
            return Ok(None);
        };
        if file.contents().was_delivered() {
            return Ok(None);
        }
        let events = file.contents().events.len();
        file.discard()?;
        let count = Dropped::change(&*self.disk, &self.folder, |count| count.with(events, now));
        count.map_err(|source| SpoolError::Io {
            what: "count what was dropped in",
            path: self.folder.clone(),
            source,
        })?;
        Ok(Some(events))
    }
}

fn spool_files(
    disk: &dyn Drive,
    folder: &Path,
) -> io::Result<impl Iterator<Item = PathBuf> + use<>> {
    let is_spool = |path: &PathBuf| path.extension() == Some(OsStr::new("spool"));
    Ok(disk.list(folder)?.filter(is_spool))
}
