//! Session history of one or many servers: grouped, searched, drawn as a graph, followed over time, and looked at for what is
//! unusual.
//!
//! - [`Settings`], [`Selection`], [`source`]: which sessions, of which servers, and how they are read.
//! - [`History`] and [`history`]: the sessions that all of it looks at.
//! - [`field`]: what they can be grouped by.
//! - [`aggregate`]: sessions in groups.
//! - [`search`]: sessions, and who and what is in them, by words.
//! - [`graph`]: who was where.
//! - [`trends`]: how something went over time.
//! - [`detect`]: what is unusual, and why.
//! - [`synthetic`]: histories with planted anomalies, by which `detect` is judged.
//! - [`shell`]: all that as helpers and commands.

pub mod aggregate;
pub mod detect;
pub mod field;
pub mod graph;
pub mod history;
mod reading;
pub mod search;
mod selection;
mod settings;
pub mod shell;
pub mod source;
pub mod synthetic;
pub mod trends;
mod words;

pub use reading::History;
pub use selection::{Selection, SelectionError};
pub use settings::{Settings, SettingsError};
