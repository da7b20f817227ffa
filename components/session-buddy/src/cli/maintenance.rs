//! `session-buddy maintenance`

use std::{
    io::{Write, stdout},
    path::Path,
};

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
    /// Make the index of words that --search reads anew from the sessions
    #[command(
        after_help = "`session-buddy verify` says whether that is needed. No server may run meanwhile; it takes about
half a minute for a million sessions. Ended early, it leaves the rest to the next server."
    )]
    RebuildSearch(DatabaseArgs),
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    type Rebuild = fn(&Path) -> Result<u64, OpenError>;
    let (database, rebuild, done): (_, Rebuild, _) = match &args.command {
        Command::RebuildRollups(database) => (database, SqliteStore::rebuild_rollups, "counted"),
        Command::RebuildSearch(database) => (database, SqliteStore::rebuild_search, "indexed"),
    };
    let settings = database.settings()?;
    let path = existing(&settings)?;
    let sessions = rebuild(path).map_err(|error| {
        let failure = cannot_open(&settings, &error);
        match error {
            OpenError::Locked => failure.hint("stop the server first: `session-buddy mcp stop`"),
            _ => failure,
        }
    })?;
    writeln!(stdout(), "{done} {sessions} sessions").map_err(Failure::writing)
}
