//! What the bounds of the spool cost.

use std::{io, path::Path};

use serde::{Deserialize, Serialize};
use session_model::Timestamp;

use super::disk::Drive;

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
    pub(super) fn read(disk: &dyn Drive, folder: &Path) -> io::Result<Option<Self>> {
        let count = match disk.read(&folder.join(FILE), BYTES_MAX) {
            Ok(text) => Self::of(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok((count.sessions > 0).then_some(count))
    }

    /// Changes the count, which nobody else changes meanwhile.
    pub(super) fn change(
        disk: &dyn Drive,
        folder: &Path,
        change: impl Fn(Self) -> Self,
    ) -> io::Result<()> {
        disk.change(&folder.join(FILE), BYTES_MAX, &mut |text| {
            serde_json::to_vec(&change(Self::of(text))).expect("a count is plain data")
        })
    }

    /// Reads the count from the text of its file. One that was cut off in the middle of a write has lost its number, not
    /// its meaning.
    fn of(text: &[u8]) -> Self {
        serde_json::from_slice(text).unwrap_or_default()
    }
}
