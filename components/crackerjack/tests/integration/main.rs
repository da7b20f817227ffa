//! Crackerjack as its users run it: real projects, the real Cargo, and tools made up where a machine may not have them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod checks;
mod formatting;
mod harness;
mod looks;
mod shell;
mod stopping;
