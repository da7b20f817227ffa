//! Who is at the other end of a connection, as the kernel tells it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
};

use session_model::{Transport, fold::Origin};

use super::socket_owner;
use crate::{liveness::Sender, network::Door};

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A process on the Unix socket.
    Unix {
        /// Its user id.
        uid: u32,
        /// Which process, where the kernel tells.
        sender: Sender,
    },
    /// A TCP connection.
    Tcp(Arc<TcpPeer>),
    /// Who started this process and talks to it on its standard input.
    Stdio {
        /// The user id of both.
        uid: u32,
    },
}

/// The ends of a TCP connection.
#[derive(Debug)]
pub struct TcpPeer {
    local: SocketAddr,
    remote: SocketAddr,
    tls: bool,
    forwarded: Forwarded,
    /// Looked up for those who read and close, and remembered once it was found.
    owner: OnceLock<u32>,
}

/// For whom a proxy asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Nobody stands between.
    No,
    /// This address, by the word of a proxy that is trusted.
    For(IpAddr),
    /// Somebody elsewhere.
    ForSomebody,
}

impl Peer {
    /// Takes the ends of a TCP connection.
    pub fn tcp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self::Tcp(Arc::new(TcpPeer {
            local,
            remote,
            tls: false,
            forwarded: Forwarded::No,
            owner: OnceLock::new(),
        }))
    }

    /// Says that its connection is TLS.
    #[must_use]
    pub fn over_tls(self) -> Self {
        match self {
            Self::Tcp(peer) => Self::Tcp(Arc::new(TcpPeer {
                tls: true,
                ..TcpPeer::at(&peer)
            })),
            Self::Unix { .. } | Self::Stdio { .. } => self,
        }
    }

    /// Says for whom it asks. Whoever asks by way of a proxy is elsewhere, wherever the proxy is.
    #[must_use]
    pub fn forwarding(self, forwarded: Forwarded) -> Self {
        match self {
            Self::Tcp(peer) if forwarded != Forwarded::No => Self::Tcp(Arc::new(TcpPeer {
                forwarded,
                ..TcpPeer::at(&peer)
            })),
            direct => direct,
        }
    }

    /// Tells whether its connection is TLS.
    pub fn is_over_tls(&self) -> bool {
        matches!(self, Self::Tcp(peer) if peer.tls)
    }

    /// Gives the address of the other end of its connection.
    pub fn remote(&self) -> Option<IpAddr> {
        match self {
            Self::Unix { .. } | Self::Stdio { .. } => None,
            Self::Tcp(peer) => Some(peer.remote.ip().to_canonical()),
        }
    }

    /// Gives the address that its connection came to.
    pub fn local(&self) -> Option<IpAddr> {
        match self {
            Self::Unix { .. } | Self::Stdio { .. } => None,
            Self::Tcp(peer) => Some(peer.local.ip().to_canonical()),
        }
    }

    /// Gives the address of whoever asks: behind a proxy that is trusted, what that says.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(peer) => match peer.forwarded {
                Forwarded::For(address) => Some(address),
                Forwarded::No | Forwarded::ForSomebody => self.remote(),
            },
            Self::Unix { .. } | Self::Stdio { .. } => None,
        }
    }

    /// Gives the way by which it came.
    pub const fn door(&self) -> Door {
        match self {
            Self::Unix { .. } | Self::Stdio { .. } => Door::Socket,
            Self::Tcp(_) => Door::Tcp,
        }
    }

    /// Makes the peer that talks to this process on its standard input.
    pub fn stdio() -> Self {
        Self::Stdio {
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Tells whether it is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix { .. } | Self::Stdio { .. } => true,
            Self::Tcp(peer) => {
                peer.forwarded == Forwarded::No && peer.remote.ip().to_canonical().is_loopback()
            }
        }
    }

    /// Tells whether its connection came to an address that only this machine has.
    pub fn is_at_loopback(&self) -> bool {
        match self {
            Self::Unix { .. } | Self::Stdio { .. } => true,
            Self::Tcp(peer) => peer.local.ip().to_canonical().is_loopback(),
        }
    }

    /// Asks the kernel whose it is, and remembers the answer. Blocks on `/proc` the first time that a TCP peer of this
    /// machine is asked for; nobody knows whose one of another machine is.
    pub fn find_owner(&self) -> Option<u32> {
        let Self::Tcp(peer) = self else {
            return self.known_owner();
        };
        if !self.is_local() {
            return None;
        }
        if peer.owner.get().is_none()
            && let Some(owner) = socket_owner::find(peer.remote, peer.local)
        {
            peer.owner.get_or_init(|| owner);
        }
        self.known_owner()
    }

    /// Gives whose it is, as far as that is known already.
    pub fn known_owner(&self) -> Option<u32> {
        match self {
            Self::Unix { uid, .. } | Self::Stdio { uid } => Some(*uid),
            Self::Tcp(peer) => peer.owner.get().copied(),
        }
    }

    /// Gives what may lead to the process of the peer.
    pub fn sender(&self) -> Sender {
        match self {
            Self::Unix { sender, .. } => *sender,
            // The connection is the proxy's.
            Self::Tcp(peer) if peer.forwarded != Forwarded::No => Sender::Unknown,
            Self::Tcp(peer) => Sender::Tcp {
                from: peer.remote,
                to: peer.local,
            },
            Self::Stdio { .. } => Sender::Unknown,
        }
    }

    /// Gives what the ledger says of the peer.
    pub fn origin(&self) -> Origin {
        let (transport, address) = match self {
            Self::Unix { .. } => (Transport::Unix, None),
            Self::Stdio { .. } => (Transport::Stdio, None),
            Self::Tcp(_) => (
                Transport::Tcp,
                self.address().map(|address| address.to_string()),
            ),
        };
        Origin {
            transport,
            address,
            uid: self.known_owner(),
        }
    }
}

impl TcpPeer {
    /// Gives the same ends, of whose owner nothing is known.
    fn at(peer: &Self) -> Self {
        Self {
            local: peer.local,
            remote: peer.remote,
            tls: peer.tls,
            forwarded: peer.forwarded,
            owner: OnceLock::new(),
        }
    }
}

/// Tells whether a user is the server's own or root.
pub(super) fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}
