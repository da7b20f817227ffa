//! Finds out what a project is, and runs its real tools with streamed output and a verdict.
//!
//! - [`project`]: what a project is (Cargo, Python, Node, Go; several at once), and how that is known.
//! - [`tools`]: the tools of each kind and what they are for, as data; [`finder`]: where they are; [`version`]: which ones.
//! - [`settings`]: what a project says of that in `crackerjack.yaml` or `[tool.crackerjack]`.
//! - [`check`]: running a tool, and its verdict; [`mod@format`]: what a formatter would change, asked before it does.
//! - [`hooks`]: what runs at commits, and whether it is installed.
//! - [`shell`]: all that as helpers and commands.
//!
//! ```
//! use crackerjack::project::{Kind, Project};
//!
//! let project = Project::find(std::path::Path::new(env!("CARGO_MANIFEST_DIR")))?.expect("this is one");
//! assert_eq!(project.parts[0].kind, Kind::Cargo);
//! assert_eq!(project.parts[0].evidence, ["Cargo.toml"]);
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod check;
pub mod finder;
pub mod format;
pub mod hooks;
pub mod project;
pub mod settings;
pub mod shell;
mod summary;
pub mod tools;
pub mod version;
