//! How the tracking of a shell goes.

use std::path::PathBuf;

use session_model::Timestamp;

use super::{Delivery, Shared};
use crate::credential;

/// How the tracking of a shell goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the server answers.
    pub connection: Connection,
    /// Whether the server has acknowledged the start.
    pub acknowledged: bool,
    /// Why the server refused the session for good.
    pub refused: Option<String>,
    /// Files in the spool that cannot be used, and why, each as a line; at most ten.
    pub unusable: Vec<String>,
    /// Until when the server is left alone after three failed calls in a row.
    pub circuit_open_until: Option<Timestamp>,
    /// Where events wait.
    pub storage: Storage,
    /// What to do, where the server does not accept who this shell says it is.
    pub advice: Option<&'static str>,
    /// Where they go: `unix:PATH`, a URL, or `stdio:PATH`.
    pub destination: String,
}

/// Whether a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Nobody knows yet.
    Connecting,
    /// It does.
    Connected,
    /// It does not.
    Offline {
        /// Why.
        cause: String,
    },
}

/// Where events wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In a file of this folder.
    Spool(PathBuf),
    /// In memory: they go with this process.
    Memory {
        /// Why.
        cause: String,
    },
}

pub(super) fn of(shared: &Shared, delivery: &Delivery) -> Status {
    let connection = match (&delivery.last_error, delivery.connected) {
        (None, true) => Connection::Connected,
        (None, false) => Connection::Connecting,
        (Some(cause), _) => Connection::Offline {
            cause: cause.clone(),
        },
    };
    Status {
        connection,
        acknowledged: delivery.started,
        refused: delivery.refused.clone(),
        unusable: delivery.unusable.clone(),
        circuit_open_until: delivery.circuit_open_until,
        advice: delivery.last_error.as_deref().and_then(credential::advice),
        storage: shared.storage.clone(),
        destination: shared.target.to_string(),
    }
}
