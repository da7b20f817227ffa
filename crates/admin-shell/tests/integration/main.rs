//! The example shells as their users run them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ends;
mod harness;
mod policy;
mod program;
#[expect(
    dead_code,
    reason = "it serves the programs that take the whole screen too"
)]
mod screen;
mod scripts;
mod terminal;
mod tracking;
