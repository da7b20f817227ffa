//! The server and its command line as their users see them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod analytics;
mod background;
mod bad_input;
mod batches;
mod bulk;
mod canaries;
mod checkpoints;
mod cli;
mod escaping;
mod event_buffer;
mod harness;
mod http;
mod insights;
mod ledger;
mod live;
mod liveness;
mod manual;
mod mcp;
mod metrics;
mod network;
mod permissions;
mod refusals;
mod rules;
mod schemas;
mod shell;
mod simulation;
mod stdio;
mod storage;
mod tampering;
mod transfer;
