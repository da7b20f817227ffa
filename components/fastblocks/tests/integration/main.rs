//! FastBlocks as its users run it, on real folders.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod building;
mod checks;
mod harness;
mod roles;
mod serving;
mod shell;
