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
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

pub use port_owner::PortOwner;

use super::{Settings, StartError};

/// How many connections may wait to be accepted. When all clients come back at once after a restart, those without a place
/// are told nothing and ask again after seconds (TCP), or are refused (socket). The system caps it (`somaxconn`).
const BACKLOG: u32 = 4096;

/// Listens on an address that a setting tells: on one that other machines can reach only where they need tokens.
pub(super) fn tcp(
    address: SocketAddr,
    setting: &'static str,
    wants_tokens: bool,
) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() && !wants_tokens {
        return Err(StartError::NotLoopback(address));
    }
    listen(address).map_err(|source| StartError::Listen {
        address: address.to_string(),
        setting,
        owner: match source.kind() {
            io::ErrorKind::AddrInUse => PortOwner::find(address),
            _ => None,
        },
        source,
    })
}

/// Listens where metrics alone are to be had, if they shall be somewhere beside the server's own port.
pub(super) fn metrics(
    settings: &Settings,
    wants_tokens: bool,
) -> Result<Option<TcpListener>, StartError> {
    let port = settings.metrics.as_ref().and_then(|metrics| metrics.port);
    let port = port.filter(|port| *port == 0 || *port != settings.address.port());
    port.map(|port| {
        let address = SocketAddr::new(settings.address.ip(), port);
        tcp(address, "PROMETHEUS_METRICS_PORT", wants_tokens)
    })
    .transpose()
}

/// Gives where a listener is, if there is one.
pub(super) fn address_of(listener: Option<&TcpListener>) -> Result<Option<SocketAddr>, StartError> {
    listener
        .map(TcpListener::local_addr)
        .transpose()
        .map_err(|source| super::io_error("the listener has no address", source))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // What a server before left in TIME_WAIT does not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens on `session-buddy.sock` in the state folder, for its owner alone (mode 0600). The caller holds the folder's
/// lock, so a socket that is there already is nobody's.
pub(super) fn unix(state_folder: &Path) -> Result<(UnixListener, PathBuf), StartError> {
    let path = state_folder::socket(state_folder);
    let error = |source| StartError::Listen {
        address: path.display().to_string(),
        setting: "SESSION_BUDDY_HOME",
        owner: None,
        source,
    };
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(error(source)),
        Ok(()) | Err(_) => {}
    }
    let short = ShortPath::of(&path).map_err(error)?;
    let socket = UnixSocket::new_stream().map_err(error)?;
    socket.bind(short.as_path()).map_err(error)?;
    // Before anybody can connect.
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(error)?;
    let listener = socket.listen(BACKLOG).map_err(error)?;
    Ok((listener, path))
}
