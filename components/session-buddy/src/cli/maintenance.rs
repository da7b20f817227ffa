//! `session-buddy maintenance`

use std::io::{Write, stdout};

use clap::Subcommand;

use super::{
    DatabaseArgs, Failure,
    source::{cannot_open, existing},
};
use crate::store::sqlite::{OpenError, SqliteStore};

/// Look after the database
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the sums that analytics reads anew from the sessions
    #[command(
        after_help = "`session-buddy verify` says whether that is needed. No server may run meanwhile; it takes about
half a minute for a million sessions."
    )]
    RebuildRollups(DatabaseArgs),
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::RebuildRollups(database) => rebuild_rollups(database),
    }
}

fn rebuild_rollups(database: &DatabaseArgs) -> Result<(), Failure> {
    let settings = database.settings()?;
    let path = existing(&settings)?;
    let counted = SqliteStore::rebuild_rollups(path).map_err(|error| {
        let failure = cannot_open(&settings, &error);
        match error {
            OpenError::Locked => failure.hint("stop the server first: `session-buddy mcp stop`"),
            _ => failure,
        }
    })?;
    writeln!(stdout(), "counted {counted} sessions").map_err(Failure::writing)
}
