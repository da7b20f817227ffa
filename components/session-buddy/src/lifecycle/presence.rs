//! Whether a server runs on a state folder, as its lock and its file tell. Nothing is asked over a connection.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use session_client::state_folder;
use tokio::time::{interval, timeout};

use super::{LOCK_POLL, ServerInfo, server_info};

/// What is known of the server of a state folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nobody has the folder.
    NotRunning,
    /// A server has the folder, and is not ready yet or no longer.
    Unready,
    /// A server runs.
    Running(ServerInfo),
    /// A server ended without clearing away, as after `kill -9`.
    Stale(ServerInfo),
}

impl Presence {
    /// Looks at a state folder. Makes nothing.
    ///
    /// # Errors
    ///
    /// When the folder cannot be opened.
    pub fn of(state_folder: &Path) -> io::Result<Self> {
        let folder = match File::open(state_folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::NotRunning),
            folder => folder?,
        };
        let held = match folder.try_lock_shared() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        // Behind the lock: a server that ends takes its file away first.
        let info = ServerInfo::read(&server_info::path(state_folder));
        Ok(match info {
            Some(info) if held && info.is_alive() => Self::Running(info),
            Some(info) if !held => Self::Stale(info),
            None if !held => Self::NotRunning,
            Some(_) | None => Self::Unready,
        })
    }

    /// Looks at a state folder, and again while a server there is [`Self::Unready`], for as long as `patience` lasts.
    ///
    /// # Errors
    ///
    /// When the folder cannot be opened.
    pub async fn settled(state_folder: &Path, patience: Duration) -> io::Result<Self> {
        let mut polls = interval(LOCK_POLL);
        let settled = timeout(patience, async {
            loop {
                polls.tick().await;
                match Self::of(state_folder)? {
                    Self::Unready => {}
                    settled => return Ok(settled),
                }
            }
        });
        settled.await.unwrap_or(Ok(Self::Unready))
    }
}

/// Removes what a server that crashed left. Tells whether it did: a server that starts just now clears away itself.
///
/// # Errors
///
/// When the system refuses.
pub fn clear_stale(state_folder: &Path) -> io::Result<bool> {
    let folder = File::open(state_folder)?;
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    for left in [
        state_folder::socket(state_folder),
        server_info::path(state_folder),
    ] {
        match fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> ServerInfo {
        ServerInfo {
            pid: std::process::id(),
            start_ticks: super::super::process::start_ticks("self"),
            version: "0.1.0".to_owned(),
            address: None,
            url: None,
            metrics_address: None,
            socket: "/s".into(),
            database: "/d".into(),
            log: None,
            started_at: String::new(),
            secret: None,
            told: super::super::Told::default(),
        }
    }

    #[test]
    fn lock_and_file_together_tell_who_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = server_info::path(folder.path());
        let presence = || Presence::of(folder.path()).unwrap();
        assert_eq!(presence(), Presence::NotRunning);
        assert_eq!(
            Presence::of(&folder.path().join("missing")).unwrap(),
            Presence::NotRunning
        );

        let lock = File::open(folder.path()).unwrap();
        lock.lock().unwrap();
        assert_eq!(presence(), Presence::Unready);
        info().write(&path).unwrap();
        assert_eq!(presence(), Presence::Running(info()));
        assert!(!clear_stale(folder.path()).unwrap());

        // The same number, another process.
        let reused = ServerInfo {
            start_ticks: Some(1),
            ..info()
        };
        reused.write(&path).unwrap();
        assert_eq!(presence(), Presence::Unready);
        assert!(super::super::Process::of(&reused).unwrap().is_none());
        drop(lock);
        assert_eq!(presence(), Presence::Stale(reused));
        assert!(clear_stale(folder.path()).unwrap());
        assert_eq!(presence(), Presence::NotRunning);
    }
}
