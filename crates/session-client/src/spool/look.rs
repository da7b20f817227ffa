//! A look at a file that changes nothing.

use std::{
    fs::{OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;
use session_model::Timestamp;

use super::{contents::Contents, disk::Found, file::foreign};

/// What a file looks like from outside.
#[derive(Debug)]
pub struct Look {
    /// What it says, or why it is no spool file of ours.
    pub contents: Result<Contents, String>,
    /// Whether its shell lives.
    pub owner_alive: bool,
    /// When it was last written or touched.
    pub last_seen: Timestamp,
}

/// Looks at a file; `None` when it is gone.
///
/// # Errors
///
/// When the system refuses to read it.
pub fn look(path: &Path) -> io::Result<Option<Look>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = Found::of(&file.metadata()?);
    let last_seen = found.modified;
    if let Some(why) = foreign(&found) {
        return Ok(Some(Look {
            contents: Err(why),
            owner_alive: false,
            last_seen,
        }));
    }
    // Shared, so that others who look are not taken for owners; an adopter that comes now comes again.
    let owner_alive = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(Look {
        contents: Contents::read(&bytes).map_err(|why| why.to_string()),
        owner_alive,
        last_seen,
    }))
}
