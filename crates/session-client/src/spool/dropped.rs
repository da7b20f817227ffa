//! What the bounds of the spool cost.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use session_model::Timestamp;

/// The file of the count.
const FILE: &str = "dropped.json";
/// The most bytes of it that are read.
const BYTES_MAX: u64 = 4096;

/// How much was dropped, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Sessions.
    pub sessions: u64,
    /// Events of them.
    pub events: u64,
    /// When the first one was dropped, RFC 3339; null for none.
    pub since: Option<String>,
}

impl Dropped {
    pub(super) fn with(mut self, events: usize, now: Timestamp) -> Self {
        self.sessions += 1;
        self.events += events as u64;
        self.since.get_or_insert_with(|| now.to_string());
        self
    }

    pub(super) fn without(self, told: &Self) -> Self {
        let sessions = self.sessions.saturating_sub(told.sessions);
        if sessions == 0 {
            return Self::default();
        }
        Self {
            sessions,
            events: self.events.saturating_sub(told.events),
            since: self.since,
        }
    }

    /// Reads the count; `None` for nothing.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let count = match opened(folder, OpenOptions::new().read(true)) {
            Ok(file) => Self::of(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok((count.sessions > 0).then_some(count))
    }

    /// Changes the count under a lock.
    pub(super) fn change(folder: &Path, change: impl FnOnce(Self) -> Self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = opened(folder, &mut options)?;
        file.lock()?;
        let changed = change(Self::of(&file)?);
        let text = serde_json::to_vec(&changed)?;
        file.rewind()?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)
    }

    /// Reads the count from its file. One that was cut off in the middle of a write has lost its number, not its
    /// meaning.
    fn of(file: &File) -> io::Result<Self> {
        let mut text = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text).unwrap_or_default())
    }
}

/// Opens the file of the count, and no link or pipe in its place.
fn opened(folder: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(folder.join(FILE))
}
