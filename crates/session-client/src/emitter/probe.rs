//! A look at whether somebody listens.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

use super::Connection;
use crate::{delivery::target::Target, state_folder::ShortPath};

pub(super) fn connection(target: &Target, patience: Duration) -> Connection {
    let listens = match target {
        Target::Local { socket, authority } => {
            // A Unix socket answers or refuses at once.
            let connected =
                ShortPath::of(socket).and_then(|path| UnixStream::connect(path.as_path()));
            connected
                .is_ok()
                .then_some(true)
                .or_else(|| local(authority, patience))
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
