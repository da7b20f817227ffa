//! Akosha as its users run it: real servers, real sessions, the program and its shell.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod aggregate;
mod detect;
mod graph;
mod harness;
mod search;
mod servers;
mod shell;
mod trends;
