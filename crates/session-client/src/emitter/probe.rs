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
            if is_open(socket) {
                Some(true)
            } else {
                local(authority, patience)
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

/// Tells whether a process has the socket open. What is tried is a datagram, which a stream's socket is not for: the
/// kernel says so where somebody has it open, and that nobody has otherwise. A stream would wake the server for nothing,
/// 64 times where 64 shells are opened at once, and would wait while those that wait for it are too many.
fn is_open(socket: &Path) -> bool {
    let attempt = || -> Result<(), Errno> {
        let path = ShortPath::of(socket)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let address = SocketAddrUnix::new(path.as_path())?;
        let datagram = socket_with(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        connect(&datagram, &address)
    };
    attempt() == Err(Errno::PROTOTYPE)
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
