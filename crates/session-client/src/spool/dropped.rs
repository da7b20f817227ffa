//! What the bounds of the spool cost.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use session_model::Timestamp;

/// The file of the count.
const FILE: &str = "dropped.json";

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
        let text = match fs::read_to_string(folder.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // One that was cut off in the middle of a write has lost its number, not its meaning.
        let count: Self = serde_json::from_str(&text).unwrap_or_default();
        Ok((count.sessions > 0).then_some(count))
    }

    /// Changes the count under a lock.
    pub(super) fn change(folder: &Path, change: impl FnOnce(Self) -> Self) -> io::Result<()> {
        let mut file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(folder.join(FILE))?;
        file.lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let changed = change(serde_json::from_str(&text).unwrap_or_default());
        let text = serde_json::to_vec(&changed)?;
        file.rewind()?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)
    }
}
