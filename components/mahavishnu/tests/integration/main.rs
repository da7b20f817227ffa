//! Mahavishnu as its users run it: real repositories, real processes, one store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod files;
mod harness;
mod lives;
mod prefect;
mod running;
mod shell;
