//! How events travel.

mod mcp;
mod ours;

use std::{fmt, io, time::Duration};

use session_model::Timestamp;

use super::{
    answer::{Answer, Kind, for_people},
    target::Target,
    timing::Timing,
};
use crate::{
    connection::{ConnectionError, Destination},
    network::Network,
};
use mcp::Mcp;
use ours::Ours;

/// An event on its way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// A JSON object without `event_type` and what travels beside it.
    pub(crate) json: String,
    /// The component whose session it is.
    pub(crate) component: String,
    /// The session's own id.
    pub(crate) session_id: String,
    /// The id under which a foreign server knows the session, where it is not its own.
    pub(crate) known_as: Option<String>,
}

/// Why a call gave no answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct CallError {
    /// For people.
    pub(crate) cause: String,
    /// How long the server asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl CallError {
    pub(crate) fn new(cause: impl fmt::Display) -> Self {
        Self {
            cause: for_people(&cause.to_string()),
            retry_after: None,
        }
    }
}

impl From<ConnectionError> for CallError {
    fn from(error: ConnectionError) -> Self {
        match &error {
            ConnectionError::Unreachable { source, .. } => Self::new(format!("{error}: {source}")),
            ConnectionError::Stranger { .. } | ConnectionError::Broken { .. } => Self::new(error),
        }
    }
}

/// A connection to a server.
pub(crate) enum Transport {
    /// A Session-Buddy server of this kind, which takes many events at once.
    Ours(Ours),
    /// Any other server that speaks MCP.
    Mcp(Box<Mcp>),
}

impl Transport {
    /// Connects. `token` goes where tokens may be asked for.
    pub(crate) async fn connect(
        network: &Network,
        target: &Target,
        token: Option<&str>,
        timing: &Timing,
    ) -> Result<Self, CallError> {
        let connected =
            tokio::time::timeout(timing.call_max, Self::to(network, target, token, timing)).await;
        connected.unwrap_or_else(|_| Err(late(timing.call_max)))
    }

    async fn to(
        network: &Network,
        target: &Target,
        token: Option<&str>,
        timing: &Timing,
    ) -> Result<Self, CallError> {
        match target {
            Target::Local { socket, authority } => {
                let refused = match network.connect(Destination::Socket(socket.clone())).await {
                    Ok(link) => return Ok(Self::Ours(Ours::new(link))),
                    Err(error) => error,
                };
                if is_nobody(&refused) && network.is_there(authority).await {
                    let url = format!("http://{authority}/mcp");
                    Self::to_url(network, &url, token, timing).await
                } else {
                    Err(refused.into())
                }
            }
            Target::Url(url) => Self::to_url(network, url, token, timing).await,
            Target::Program(path) => Mcp::start(path).await.map(Box::new).map(Self::Mcp),
        }
    }

    async fn to_url(
        network: &Network,
        url: &str,
        token: Option<&str>,
        timing: &Timing,
    ) -> Result<Self, CallError> {
        if let Ok(destination) = url.parse::<Destination>() {
            let link = network.connect(destination).await?;
            if let Some(ours) = Ours::recognise(link, timing.health_max).await {
                return Ok(Self::Ours(ours));
            }
        }
        let mcp = Mcp::connect(url, token, timing.call_max).await;
        mcp.map(Box::new).map(Self::Mcp)
    }

    /// Tells whether who speaks is said by a token: at a Unix socket the kernel says it.
    pub(crate) fn takes_token(&self) -> bool {
        match self {
            Self::Ours(ours) => ours.takes_token(),
            Self::Mcp(_) => true,
        }
    }

    /// Gives how many events one call may carry.
    pub(crate) const fn batch_max(&self) -> usize {
        match self {
            Self::Ours(_) => ours::BATCH_MAX,
            Self::Mcp(_) => 1,
        }
    }

    /// Tells whether the connection is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Ours(ours) => ours.is_closed(),
            Self::Mcp(mcp) => mcp.is_closed(),
        }
    }

    /// Sends events, at most [`Self::batch_max`], and gives an answer to each.
    pub(crate) async fn send(
        &mut self,
        messages: &[Message],
        sent_at: Timestamp,
        token: Option<&str>,
        timing: &Timing,
    ) -> Result<Vec<Answer>, CallError> {
        let call = async {
            match self {
                Self::Ours(ours) => ours.send(messages, sent_at, token, timing.call_max).await,
                Self::Mcp(mcp) => mcp.send(messages, sent_at, token).await,
            }
        };
        let answers = tokio::time::timeout(timing.call_max, call).await;
        answers.unwrap_or_else(|_| Err(late(timing.call_max)))
    }
}

/// Tells whether nobody listens at a socket. Whoever only cannot accept now is not passed over for somebody else.
fn is_nobody(refused: &ConnectionError) -> bool {
    match refused {
        ConnectionError::Unreachable { source, .. } => source.kind() != io::ErrorKind::WouldBlock,
        ConnectionError::Stranger { .. } | ConnectionError::Broken { .. } => false,
    }
}

fn late(patience: Duration) -> CallError {
    CallError::new(format!("no answer within {} s", patience.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::{
        io::Errno,
        net::{
            AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen,
            socket_with,
        },
    };

    use super::*;

    #[tokio::test]
    async fn a_server_that_cannot_accept_now_is_not_passed_over_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let address = SocketAddrUnix::new(&socket).unwrap();
        let open = || {
            let flags = SocketFlags::NONBLOCK;
            socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
        };
        let listener = open();
        bind(&listener, &address).unwrap();
        listen(&listener, 0).unwrap();
        let waiting: Vec<_> = (0..3).map(|_| open()).collect();
        let full = waiting
            .iter()
            .any(|waiting| connect(waiting, &address) == Err(Errno::AGAIN));
        assert!(full, "the backlog has an end");

        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        other.set_nonblocking(true).unwrap();
        let authority = other.local_addr().unwrap().to_string();
        let target = Target::Local { socket, authority };
        let refused =
            Transport::connect(&Network::system(), &target, None, &Timing::default()).await;
        assert!(refused.is_err_and(|error| error.cause.starts_with("no server answers at unix:")));
        assert_eq!(
            other.accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }
}
