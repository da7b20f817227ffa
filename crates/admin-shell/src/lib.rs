//! A shell for administrators that is tracked without a line of code for it.
//!
//! ```no_run
//! use admin_shell::AdminShell;
//!
//! fn main() -> std::process::ExitCode {
//!     AdminShell::builder("billing", env!("CARGO_PKG_VERSION"))
//!         .adapters(["ledger", "mailer"])
//!         .helper("refund(order_id) - refund an order", |order_id: i64| format!("refunded {order_id}"))
//!         .run()
//! }
//! ```
//!
//! - `builder`: what a component says of its shell; [`AdminShell`], [`Builder`], [`ShellArgs`].
//! - [`program`]: the program around a shell, in which each helper is a command.
//! - [`helper`]: functions, objects and magics as data.
//! - [`output`]: what they give, and how it is written; `pager`: what is longer than the terminal.
//! - [`dates`]: times as people type them.
//! - [`child`]: programs that helpers run.
//! - `terminal`: the line editor; `completion`: what it offers.
//! - `shell`: a run, from the banner to the end of the session.
//! - `language`: what people type, and Python's spellings of it; `engine`: the scripts, under limits.

mod arguments;
mod builder;
mod catalogue;
pub mod child;
mod completion;
mod console;
pub mod dates;
mod engine;
pub mod helper;
mod interrupt;
mod language;
mod logging;
pub mod output;
mod pager;
pub mod program;
mod shell;
mod terminal;

pub use arguments::ShellArgs;
pub use builder::{AdminShell, Builder};
pub use child::{End, Stream};
pub use helper::{Context, HelperError};
pub use output::{Cell, Column, Format, Kind, Record, Reply, Table, View};
pub use program::Program;
