//! Session-Buddy's server and command line.
//!
//! - [`tracker`]: every rule about sessions.
//! - [`store`]: the durable record; [`store::sqlite`] keeps it in one file.
//! - [`analytics`]: questions about many sessions at once.
//! - [`liveness`]: which sessions live, and how that is known.
//! - [`http`]: REST, MCP and health over the Unix socket and TCP.
//! - [`metrics`]: what is counted and measured, for Prometheus.
//! - [`network`]: what it bears from the network: bounds, names, certificates.
//! - [`relay`]: MCP on standard input and output.
//! - [`auth`]: who may do what.
//! - [`lifecycle`]: from settings to a server that runs, and back to nothing.
//! - [`cli`]: the command line.

use std::error::Error;

pub mod analytics;
pub mod auth;
pub mod cli;
pub mod export;
pub mod http;
pub mod import;
pub mod lifecycle;
pub mod liveness;
mod logging;
pub mod metrics;
pub mod network;
pub mod relay;
pub mod store;
pub mod tracker;

pub use session_client::clock;

/// Gives an error and its causes, the error first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
