//! `session-buddy man`

use std::{fs, path::PathBuf};

use clap::CommandFactory;

use super::{Cli, ExitStatus, Failure, report::print};

const AFTER_HELP: &str = "\
Example:
  session-buddy man ~/.local/share/man/man1 && man session-buddy-mcp-start";

/// Write a page of the manual for each command
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// Folder for the pages; made if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let folder = &args.folder;
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| {
        let message = format!("cannot write the manual to {}", folder.display());
        Failure::new(ExitStatus::Failed, message)
            .because(&error)
            .hint_for(&error)
    })?;
    print(&format!("the manual is in {}\n", folder.display()))
}
