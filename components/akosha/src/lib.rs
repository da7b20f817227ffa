//! Session history of one or many servers: grouped, searched, and looked at for what is unusual.
//!
//! - [`history`]: the sessions that all of it reads.
//! - [`detect`]: what is unusual, and why.

pub mod detect;
pub mod history;
