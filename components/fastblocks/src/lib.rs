//! A folder of blocks, routes and static files becomes a checked static site.
//!
//! ```no_run
//! use std::{collections::BTreeMap, path::Path};
//! use fastblocks::{App, build, gather};
//!
//! let app = App::open(Path::new("report"))?;
//! let data = gather(&app, &BTreeMap::new(), &mut |_| Err("no programs here".to_owned()))?;
//! let built = build(&app, &data, Some("auditor"), Path::new("site"), &mut |_, _| true)?;
//! println!("{} pages", built.pages);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`App`]: what the folder says: [`Route`], [`Block`], [`Access`]; [`Problem`]: what is wrong, with file and line.
//! - `check`: what can be known without data: syntax, names, blocks, links.
//! - [`gather()`]: what blocks are given, held against what they declare.
//! - [`Site`], [`Page`]: an app with its data, as somebody with a role sees it; `engine`: the templates, escaped and bounded.
//! - [`build()`]: pages with fingerprinted files and links that work in any folder, put into place at once.
//! - [`serve`]: the same while it is written, shown again when it changes.
//! - [`scaffold`]: apps to begin with; [`shell`]: all that as helpers and commands.

mod app;
mod build;
mod check;
mod context;
mod engine;
mod html;
mod problem;
pub mod scaffold;
pub mod serve;
pub mod shell;
mod site;

pub use app::{Access, App, Block, CONFIG, Declared, METHODS, Names, PUBLIC, Route, Shape, Source};
pub use build::{BuildError, Built, FolderError, GoOn, MANIFEST, build, rehearse};
pub use context::{Data, Given, Run, gather};
pub use problem::{Problem, Problems};
pub use site::{Page, Site};
