//! The client side of Session-Buddy: what makes a shell tracked, and what reads the record.
//!
//! - [`emitter`]: a shell that is tracked: [`Emitter`] spools its start and its end and delivers them behind its back.
//! - [`settings`]: whether, and where to, from the environment.
//! - [`credential`]: what it has to say to a server of who it is.
//! - [`identity`]: what a process knows of itself: the start event is made of it.
//! - [`leaving`]: the door through which free text leaves the process.
//! - [`spool`]: events on disk that no server has acknowledged.
//! - [`delivery`]: from there to a server.
//! - [`Reader`] lists, shows and closes sessions over the server's Unix socket or over HTTP; [`Problem`] is how a server
//!   says that it did not. [`Connection`] carries any other request.
//! - [`Watch`] follows what happens to sessions, over breaks of the connection and of the server.
//! - [`policy`]: what `config.yaml` asks of the shells of a component.
//! - [`token`]: what tells a server who somebody is, and the secrets that make it.
//! - [`state_folder`] is where server and client of one user meet.
//! - [`clock`], [`spool::disk`] and [`network`]: time, disk and network, passed in, so that all of this can be run in a world
//!   of which every accident is chosen.

pub mod clock;
mod connection;
pub mod credential;
pub mod delivery;
pub mod emitter;
mod fresh_id;
pub mod identity;
pub mod leaving;
pub mod network;
pub mod policy;
mod problem;
mod reader;
pub mod settings;
pub mod spool;
pub mod state_folder;
pub mod token;
mod watch;

pub use clock::Clock;
pub use connection::{Connection, ConnectionError, Destination};
pub use credential::Credential;
pub use emitter::{Beginning, Emitter, Ending};
pub use policy::Policies;
pub use problem::Problem;
pub use reader::{Export, Imported, PAGE_MAX, Page, Reader, ReaderError};
pub use settings::Settings;
pub use watch::{Seen, Watch};
