//! How events travel.

mod listener;
mod mcp;
mod ours;

use std::{fmt, time::Duration};

use session_model::Timestamp;

use super::{
    answer::{Answer, Kind},
    target::Target,
};
use crate::connection::{Connection, ConnectionError, Destination};
use mcp::Mcp;
use ours::Ours;

/// How long a call may take, connecting included: 5 seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// An event on its way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// A JSON object without `event_type` and what travels beside it.
    pub(crate) json: String,
    /// The id under which a foreign server knows the session, where it is not the event's own.
    pub(crate) session_id: Option<String>,
}

/// Why a call gave no answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallError {
    /// For people.
    pub(crate) cause: String,
    /// How long the server asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl CallError {
    fn new(cause: impl fmt::Display) -> Self {
        Self {
            cause: cause.to_string(),
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
    /// Connects.
    pub(crate) async fn connect(target: &Target) -> Result<Self, CallError> {
        tokio::time::timeout(CALL_TIMEOUT, Self::connect_unbounded(target))
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn connect_unbounded(target: &Target) -> Result<Self, CallError> {
        match target {
            Target::Local { socket, authority } => {
                let refused = match Connection::to(Destination::Socket(socket.clone())).await {
                    Ok(connection) => return Ok(Self::Ours(Ours::new(connection))),
                    Err(error) => error,
                };
                let nobody = matches!(refused, ConnectionError::Unreachable { .. });
                if nobody && listener::is_trusted(authority) {
                    Self::connect_url(&format!("http://{authority}/mcp")).await
                } else {
                    Err(refused.into())
                }
            }
            Target::Url(url) => Self::connect_url(url).await,
            Target::Program(path) => Mcp::start(path).await.map(Box::new).map(Self::Mcp),
        }
    }

    async fn connect_url(url: &str) -> Result<Self, CallError> {
        if let Ok(destination) = url.parse::<Destination>()
            && let Some(ours) = Ours::recognise(Connection::to(destination).await?).await
        {
            return Ok(Self::Ours(ours));
        }
        Mcp::connect(url).await.map(Box::new).map(Self::Mcp)
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
    ) -> Result<Vec<Answer>, CallError> {
        let call = async {
            match self {
                Self::Ours(ours) => ours.send(messages, sent_at).await,
                Self::Mcp(mcp) => mcp.send(messages, sent_at).await,
            }
        };
        tokio::time::timeout(CALL_TIMEOUT, call)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

fn late() -> CallError {
    CallError::new(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))
}
