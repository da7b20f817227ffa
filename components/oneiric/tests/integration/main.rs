//! Oneiric as its users run it, on real files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod changes;
mod harness;
mod layers;
mod shell;
mod validation;
