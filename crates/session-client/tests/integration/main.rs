//! The client as shells and servers see it: through its public surface, against servers that do as they are told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

mod bounds;
mod environment;
mod foreign;
mod harness;
mod heartbeats;
mod lying;
mod ours;
mod status;
mod strangers;
mod watch;
