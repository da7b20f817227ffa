//! Where the server listens.

use std::{
    fs::{self, File, Permissions},
    io,
    net::SocketAddr,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, UnixListener};

use super::StartError;

/// The longest path that a Unix socket can be bound to, in bytes (`sun_path` without its end).
const SOCKET_PATH_MAX: usize = 107;

/// Listens on a loopback address.
pub(super) async fn tcp(address: SocketAddr) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback(address));
    }
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| StartError::Listen {
        address: address.to_string(),
        source,
    })
}

/// Listens on `session-buddy.sock` in the state folder, for its owner alone (mode 0600). The caller holds the folder's
/// lock, so a socket that is there already is nobody's.
pub(super) fn unix(state_folder: &Path) -> Result<(UnixListener, PathBuf), StartError> {
    let path = state_folder.join("session-buddy.sock");
    let error = |source| StartError::Listen {
        address: path.display().to_string(),
        source,
    };
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(error(source)),
        Ok(()) | Err(_) => {}
    }
    let listener = if path.as_os_str().len() <= SOCKET_PATH_MAX {
        UnixListener::bind(&path)
    } else {
        // Through the folder's descriptor the path is short.
        let folder = File::open(state_folder).map_err(error)?;
        UnixListener::bind(format!(
            "/proc/self/fd/{}/session-buddy.sock",
            folder.as_raw_fd()
        ))
    }
    .map_err(error)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(error)?;
    Ok((listener, path))
}
