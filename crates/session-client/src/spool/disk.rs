//! What the spool asks of a disk, in one place, so that it can be run on one that fails when it is told to.

use std::{
    fmt,
    fs::{self, DirEntry, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    ops::Deref,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FallocateFlags, OFlags, Timespec, Timestamps, fallocate, futimens};
use session_model::Timestamp;

use crate::state_folder::{self, StateFolderError};

/// A disk. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Disk(Arc<dyn Drive>);

impl Disk {
    /// The machine's.
    pub fn system() -> Self {
        Self::new(System)
    }

    /// One that a test makes.
    pub fn new(drive: impl Drive + 'static) -> Self {
        Self(Arc::new(drive))
    }
}

impl Deref for Disk {
    type Target = dyn Drive;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// Paths, as they are found.
pub type Paths = Box<dyn Iterator<Item = PathBuf> + Send>;

/// What a disk does. Links are never followed.
pub trait Drive: fmt::Debug + Send + Sync {
    /// Makes a folder of our own if it is missing, and closes it to others.
    ///
    /// # Errors
    ///
    /// When it is not a folder of ours, or cannot be made.
    fn prepare(&self, folder: &Path) -> Result<(), StateFolderError>;

    /// Tells whether a folder is there.
    ///
    /// # Errors
    ///
    /// When it is not a folder of ours.
    fn check(&self, folder: &Path) -> Result<bool, StateFolderError>;

    /// Visits the paths of what is in a folder, in no order.
    ///
    /// # Errors
    ///
    /// When it cannot be listed.
    fn list(&self, folder: &Path) -> io::Result<Paths>;

    /// Looks at what has a name.
    ///
    /// # Errors
    ///
    /// When nothing has it, or the system refuses.
    fn find(&self, path: &Path) -> io::Result<Found>;

    /// Makes a file that is not there yet, for its owner alone.
    ///
    /// # Errors
    ///
    /// When it is there, or cannot be made.
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;

    /// Opens a file to be read and appended to.
    ///
    /// # Errors
    ///
    /// When it is not there, or cannot be opened.
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;

    /// Gives a file another name.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file away.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Reads the beginning of a small file, at most so many bytes.
    ///
    /// # Errors
    ///
    /// When it is not there, or cannot be read.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;

    /// Writes a small file anew, of what is made of the beginning of what it holds, while nobody else does. One that is
    /// missing is made.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn change(
        &self,
        path: &Path,
        bytes_max: u64,
        change: &mut dyn FnMut(&[u8]) -> Vec<u8>,
    ) -> io::Result<()>;
}

/// A file that is open. Its lock, where it has one, is let go with it.
pub trait OpenFile: fmt::Debug + Send + Sync {
    /// Waits for the lock that nobody else may have.
    ///
    /// # Errors
    ///
    /// When there are no locks.
    fn lock(&self) -> io::Result<()>;

    /// Takes the lock, or tells that somebody else has it.
    ///
    /// # Errors
    ///
    /// When there are no locks.
    fn try_lock(&self) -> io::Result<bool>;

    /// Looks at it.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    fn found(&self) -> io::Result<Found>;

    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn read(&self) -> io::Result<Vec<u8>>;

    /// Writes behind what it holds. Where that fails a part may be written.
    ///
    /// # Errors
    ///
    /// When not all of it was written.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts off what is behind a length.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    fn cut(&self, length: u64) -> io::Result<()>;

    /// Keeps room up to a length, where the file system can.
    fn keep_room(&self, length: u64);

    /// Marks it as written now.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    fn touch(&self) -> io::Result<()>;
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether it is a file, and no folder, link or pipe.
    pub is_file: bool,
    /// The user id of its owner.
    pub owner: u32,
    /// How many names it has.
    pub names: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// What tells it from every other file that is there.
    pub inode: u64,
    /// When it was last written or touched.
    pub modified: Timestamp,
}

impl Found {
    pub(super) fn of(found: &Metadata) -> Self {
        let micros = found
            .mtime()
            .saturating_mul(1_000_000)
            .saturating_add(found.mtime_nsec() / 1000);
        Self {
            is_file: found.is_file(),
            owner: found.uid(),
            names: found.nlink(),
            length: found.len(),
            inode: found.ino(),
            modified: Timestamp::from_micros(micros)
                .unwrap_or_else(|_| Timestamp::saturating_from(jiff::Timestamp::MIN)),
        }
    }
}

#[derive(Debug)]
struct System;

impl Drive for System {
    fn prepare(&self, folder: &Path) -> Result<(), StateFolderError> {
        state_folder::prepare(folder)
    }

    fn check(&self, folder: &Path) -> Result<bool, StateFolderError> {
        state_folder::check(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Paths> {
        let entries = fs::read_dir(folder)?.filter_map(Result::ok);
        Ok(Box::new(entries.map(|entry: DirEntry| entry.path())))
    }

    fn find(&self, path: &Path) -> io::Result<Found> {
        Ok(Found::of(&fs::symlink_metadata(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let file = options(OFlags::NOFOLLOW)
            .append(true)
            .create_new(true)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let file = options(OFlags::NOFOLLOW | OFlags::NONBLOCK)
            .read(true)
            .append(true)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = options(OFlags::NOFOLLOW | OFlags::NONBLOCK)
            .read(true)
            .open(path)?;
        beginning(&file, bytes_max)
    }

    fn change(
        &self,
        path: &Path,
        bytes_max: u64,
        change: &mut dyn FnMut(&[u8]) -> Vec<u8>,
    ) -> io::Result<()> {
        let mut file = options(OFlags::NOFOLLOW | OFlags::NONBLOCK)
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        File::lock(&file)?;
        let changed = change(&beginning(&file, bytes_max)?);
        file.rewind()?;
        file.write_all(&changed)?;
        file.set_len(changed.len() as u64)
    }
}

fn options(flags: OFlags) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
    options
}

fn beginning(file: &File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl OpenFile for File {
    fn lock(&self) -> io::Result<()> {
        Self::lock(self)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match Self::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn found(&self) -> io::Result<Found> {
        Ok(Found::of(&self.metadata()?))
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let (mut file, mut bytes) = (self, Vec::new());
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self;
        file.write_all(bytes)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn keep_room(&self, length: u64) {
        // Not every file system can; then what comes takes its chance.
        let _ = fallocate(self, FallocateFlags::KEEP_SIZE, 0, length);
    }

    fn touch(&self) -> io::Result<()> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        futimens(
            self,
            &Timestamps {
                last_access: now,
                last_modification: now,
            },
        )?;
        Ok(())
    }
}
