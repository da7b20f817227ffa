//! Talking to a Session-Buddy server.
//!
//! - [`Reader`] lists, shows and closes sessions over the server's Unix socket or over HTTP.
//! - [`state_folder`] is where server and client of one user meet.
//! - [`clock`]: wall time, passed in.
//! - [`Problem`] is how a server says that it did not.

pub mod clock;
mod connection;
mod problem;
mod reader;
pub mod spool;
pub mod state_folder;

pub use clock::Clock;
pub use connection::{ConnectionError, Destination};
pub use problem::Problem;
pub use reader::{PAGE_MAX, Page, Reader, ReaderError};
