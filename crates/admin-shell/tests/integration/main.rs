//! The example shells as their users run them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ends;
mod harness;
mod policy;
mod program;
mod screen;
mod scripts;
mod terminal;
mod tracking;
