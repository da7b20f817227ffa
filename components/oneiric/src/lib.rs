//! Where each setting of a component comes from, what it beat, whether it is valid, and what changed.
//!
//! ```
//! use oneiric::{Component, Stack, Surroundings};
//!
//! let surroundings = Surroundings::new("/srv/app", [("BILLING_PORT", "9000")]);
//! let component = Component::find("billing", &surroundings)?;
//! let stack = Stack::read(&component, &surroundings, &[("port".to_owned(), "9001".to_owned())]);
//! let said = stack.layers().explain("port");
//! assert_eq!(said[0].to_string(), "9001 (flag --set)");
//! assert_eq!(said[1].to_string(), "9000 (environment variable BILLING_PORT)");
//! # Ok::<(), oneiric::ComponentError>(())
//! ```
//!
//! - [`Surroundings`]: the project, the user's folders and the environment, as plain data.
//! - [`Component`]: which files, variables and keys a component has; [`schema`]: how a project declares its keys.
//! - [`Stack`]: all layers, read; what each one says, whether it is there, and what is wrong with it.
//! - [`change`]: what differs between two looks; [`memory`]: the last look, kept for the next one.
//! - [`shell`]: all that as helpers and commands.

pub mod change;
mod component;
pub mod memory;
pub mod schema;
pub mod shell;
mod stack;
mod surroundings;

pub use component::{Component, ComponentError};
pub use stack::{Level, Stack, State};
pub use surroundings::Surroundings;
