//! A look at whether somebody listens.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};

use super::Connection;
use crate::{delivery::target::Target, state_folder::ShortPath};

pub(super) fn connection(target: &Target, patience: Duration) -> Connection {
    let listens = match target {
        Target::Local { socket, authority } => {
            match at_socket(socket) {
                Ok(()) => Some(true),
                // Somebody listens there, and has more to do than to accept.
                Err(Errno::AGAIN) => None,
                Err(_) => local(authority, patience),
            }
        }
        Target::Url(url) => authority(url).and_then(|authority| local(authority, patience)),
        Target::Program(_) => None,
    };
    match listens {
        Some(true) => Connection::Connected,
        Some(false) => Connection::Offline {
            cause: format!("nobody listens at {target}"),
        },
        None => Connection::Connecting,
    }
}

/// Connects to a Unix socket. A plain connect would wait while those that wait for the server are too many.
fn at_socket(socket: &Path) -> Result<(), Errno> {
    let path =
        ShortPath::of(socket).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let address = SocketAddrUnix::new(path.as_path())?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let stream = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&stream, &address)
}

fn authority(url: &str) -> Option<&str> {
    url.strip_prefix("http://")?.split('/').next()
}

/// Tells whether somebody listens at an address of this machine; `None` where it is not of this machine or does not say.
fn local(authority: &str, patience: Duration) -> Option<bool> {
    let (host, port) = authority.rsplit_once(':')?;
    let address = match host {
        // Asking the resolver could take long; this is where it leads.
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.trim_matches(['[', ']']).parse().ok()?,
    };
    if !address.is_loopback() {
        return None;
    }
    let address = SocketAddr::new(address, port.parse().ok()?);
    match TcpStream::connect_timeout(&address, patience) {
        Ok(_) => Some(true),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => None,
        Err(_) => Some(false),
    }
}
