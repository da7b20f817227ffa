//! Where the server listens.

mod port_owner;

use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use session_client::state_folder::{self, ShortPath};
use tokio::net::{TcpListener, UnixListener};

pub use port_owner::PortOwner;

use super::StartError;

/// Listens on an address: on one that other machines can reach only where they need tokens.
pub(super) async fn tcp(
    address: SocketAddr,
    wants_tokens: bool,
) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() && !wants_tokens {
        return Err(StartError::NotLoopback(address));
    }
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| StartError::Listen {
        address: address.to_string(),
        owner: match source.kind() {
            io::ErrorKind::AddrInUse => PortOwner::find(address),
            _ => None,
        },
        source,
    })
}

/// Listens on `session-buddy.sock` in the state folder, for its owner alone (mode 0600). The caller holds the folder's
/// lock, so a socket that is there already is nobody's.
pub(super) fn unix(state_folder: &Path) -> Result<(UnixListener, PathBuf), StartError> {
    let path = state_folder::socket(state_folder);
    let error = |source| StartError::Listen {
        address: path.display().to_string(),
        owner: None,
        source,
    };
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(error(source)),
        Ok(()) | Err(_) => {}
    }
    let short = ShortPath::of(&path).map_err(error)?;
    let listener = UnixListener::bind(short.as_path()).map_err(error)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(error)?;
    Ok((listener, path))
}
