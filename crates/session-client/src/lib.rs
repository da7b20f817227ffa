//! Talking to a Session-Buddy server.
//!
//! - [`Reader`] lists, shows and closes sessions over the server's Unix socket or over HTTP.
//! - [`state_folder`] is where server and client of one user meet.
//! - [`identity`] is what a process knows of itself: the start event is made of it.
//! - [`leaving`] is the door through which free text leaves the process.
//! - [`Problem`] is how a server says that it did not.

pub mod identity;
pub mod leaving;
mod problem;
mod reader;
pub mod state_folder;

pub use problem::Problem;
pub use reader::{Destination, PAGE_MAX, Page, Reader, ReaderError};
