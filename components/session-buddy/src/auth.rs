//! Who may do what.
//!
//! Without a secret everything is decided by who is at the other end, as the kernel tells it: on the Unix socket the
//! peer's user id; on loopback TCP any local user may report what happens, and only the server's own user (or root) may
//! read and close.

pub(crate) mod socket_owner;

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use session_model::{Transport, fold::Origin};

use crate::liveness::Sender;

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Report what happens.
    Emit,
    /// Read sessions.
    Read,
    /// Close sessions.
    Admin,
}

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
    /// Looked up for those who read and close, and remembered once it was found.
    owner: OnceLock<u32>,
}

/// A caller may not do what it wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is a user on the Unix socket who is neither the server's nor root.
    #[error("user id {0} may not use this socket: it belongs to another user")]
    OtherUser(u32),
    /// It is not proved to be the server's user.
    #[error(
        "reading and closing sessions over TCP needs a connection of the server's own user; \
         use the Unix socket or the command line as that user"
    )]
    NotOwner,
    /// It is not on this machine.
    #[error("only callers on this machine are served")]
    Remote,
}

impl Peer {
    /// Takes the ends of a TCP connection.
    pub fn tcp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self::Tcp(Arc::new(TcpPeer {
            local,
            remote,
            owner: OnceLock::new(),
        }))
    }

    /// Makes the peer that talks to this process on its standard input.
    pub fn stdio() -> Self {
        Self::Stdio {
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Tells whether the peer may do something. Blocks on `/proc` the first time that a TCP peer wants to read.
    ///
    /// # Errors
    ///
    /// Why it may not.
    pub fn may(&self, right: Right) -> Result<(), Refusal> {
        match (self, right) {
            (Self::Unix { uid, .. }, Right::Emit | Right::Read | Right::Admin) => {
                if trusted(*uid) {
                    Ok(())
                } else {
                    Err(Refusal::OtherUser(*uid))
                }
            }
            (Self::Stdio { .. }, Right::Emit | Right::Read | Right::Admin) => Ok(()),
            (Self::Tcp(peer), _) if !peer.remote.ip().to_canonical().is_loopback() => {
                Err(Refusal::Remote)
            }
            (Self::Tcp(_), Right::Emit) => Ok(()),
            (Self::Tcp(peer), Right::Read | Right::Admin) => {
                let known = peer.owner.get().copied();
                let owner = known.or_else(|| socket_owner::find(peer.remote, peer.local));
                if let Some(owner) = owner {
                    peer.owner.get_or_init(|| owner);
                }
                if owner.is_some_and(trusted) {
                    Ok(())
                } else {
                    Err(Refusal::NotOwner)
                }
            }
        }
    }

    /// Gives what the ledger says of the peer.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Unix { uid, .. } => Origin {
                transport: Transport::Unix,
                address: None,
                uid: Some(*uid),
            },
            Self::Tcp(peer) => {
                let address = Some(peer.remote.ip().to_canonical().to_string());
                Origin {
                    transport: Transport::Tcp,
                    address,
                    uid: peer.owner.get().copied(),
                }
            }
            Self::Stdio { uid } => Origin {
                transport: Transport::Stdio,
                address: None,
                uid: Some(*uid),
            },
        }
    }

    /// Gives what may lead to the process of the peer.
    pub fn sender(&self) -> Sender {
        match self {
            Self::Unix { sender, .. } => *sender,
            Self::Tcp(peer) => Sender::Tcp {
                from: peer.remote,
                to: peer.local,
            },
            Self::Stdio { .. } => Sender::Unknown,
        }
    }

    /// Gives a name for the peer, for the record of what it does.
    pub fn name(&self) -> String {
        match self {
            Self::Unix { uid, .. } | Self::Stdio { uid } => format!("uid {uid}"),
            Self::Tcp(peer) => match peer.owner.get().copied() {
                Some(uid) => format!("uid {uid}"),
                None => peer.remote.ip().to_canonical().to_string(),
            },
        }
    }
}

/// Tells whether a user is the server's own or root.
fn trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_loopback_connection_of_our_own_may_do_everything() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, remote) = listener.accept().unwrap();
        let peer = Peer::tcp(server.local_addr().unwrap(), remote);
        assert_eq!(peer.may(Right::Emit), Ok(()));
        assert_eq!(peer.origin().uid, None);
        assert_eq!(peer.may(Right::Admin), Ok(()));
        assert_eq!(peer.origin().uid, Some(rustix::process::geteuid().as_raw()));
        drop(client);
    }

    #[test]
    fn a_connection_that_the_kernel_does_not_know_may_only_report() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let local = listener.local_addr().unwrap();
        let client = TcpStream::connect(local).unwrap();
        let remote = client.local_addr().unwrap();
        drop(client);
        // Nothing is established from this port any more.
        let peer = Peer::tcp(local, SocketAddr::new(remote.ip(), 1));
        assert_eq!(peer.may(Right::Emit), Ok(()));
        assert_eq!(peer.may(Right::Read), Err(Refusal::NotOwner));
    }

    #[test]
    fn other_users_and_other_machines_are_refused() {
        let local = "127.0.0.1:8678".parse().unwrap();
        let remote = Peer::tcp(local, "192.0.2.7:4711".parse().unwrap());
        assert_eq!(remote.may(Right::Emit), Err(Refusal::Remote));
        let stranger = rustix::process::geteuid().as_raw() + 1;
        let on_the_socket = |uid| Peer::Unix {
            uid,
            sender: Sender::Unknown,
        };
        assert_eq!(
            on_the_socket(stranger).may(Right::Emit),
            Err(Refusal::OtherUser(stranger))
        );
        assert_eq!(on_the_socket(0).may(Right::Admin), Ok(()));
    }
}
