//! Workflows over many repositories: run in parallel, watched from any process, with their errors collected.
//!
//! ```
//! use mahavishnu::{Plan, repository, workflow};
//!
//! let listed = "repos:\n- {path: /srv/billing, tags: [rust]}\n- {path: /srv/site, tags: [node]}\n";
//! let repositories = repository::parse("repos.yaml", "/srv", listed)?;
//! let text = "steps:\n  build: cargo build\n  test: {needs: [build], run: cargo test}\n";
//! let workflow = workflow::parse("check", "check.yaml", text)?;
//! let plan = Plan::new(&workflow, &repositories, Some("rust"))?;
//! let jobs: Vec<_> = plan.jobs.iter().map(|job| plan.name_of(&workflow, job)).collect();
//! assert_eq!(jobs, ["build in billing", "test in billing"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Project`]: where repositories and workflows are written down, and where state is kept.
//! - [`repository`], [`workflow`]: what the files say; [`Problem`]: what is wrong in them, with file, line and key.
//! - [`Plan`]: which step runs in which repository, after what.
//! - [`runner`]: runs a plan; [`log`]: what the steps wrote; [`progress`]: what people see meanwhile.
//! - [`Store`]: what all processes know of all workflows; [`process`]: whether who runs one still lives.
//! - [`adapters`], [`prefect`]: what else runs workflows, if it answers; [`sync`]: one look at all of them.
//! - [`shell`]: all that as helpers and commands.

pub mod adapters;
mod document;
pub mod log;
mod plan;
pub mod prefect;
mod problem;
pub mod process;
pub mod progress;
mod project;
pub mod record;
pub mod repository;
pub mod runner;
pub mod shell;
mod store;
pub mod sync;
pub mod workflow;

pub use plan::{Job, Plan, PlanError};
pub use problem::{Invalid, Problem};
pub use project::{Project, ProjectError};
pub use store::{Store, StoreError};
