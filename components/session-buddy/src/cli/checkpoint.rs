//! `session-buddy checkpoint`

use std::{io::Write, path::PathBuf};

use super::{DatabaseArgs, ExitStatus, Failure, output::Output, verify};
use crate::{
    clock::Clock,
    store::{
        checkpoint::{Checkpoint, CheckpointFiles, Key},
        sqlite::compared,
    },
};

/// Write a signed note of how far the record has come, to keep elsewhere
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Whoever keeps it can tell later that nothing up to now was cut off or changed:
  session-buddy checkpoint --output /mnt/elsewhere/sessions-$(date +%F).json
  session-buddy verify --checkpoint /mnt/elsewhere/sessions-2026-02-06.json

The server may run meanwhile. Beside its database it writes one by itself, every minute."
)]
pub(super) struct Args {
    /// File to write to [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let settings = args.database.settings()?;
    verify::check_there(&settings.db_path)?;
    let files = CheckpointFiles::of(&settings.state_folder, &settings.db_path);
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::of(ExitStatus::Failed, error).hint_for(error)
    };
    let Some(key) = Key::load(files.key()).map_err(|error| failed(&error))? else {
        let message = format!("there is no key {}", files.key().display());
        return Err(Failure::new(ExitStatus::Failed, message)
            .hint("the server makes it when it first starts: `session-buddy mcp start`"));
    };
    // What is signed is vouched for.
    verify::compare_with_own(&settings.db_path, &files, Some(&key.public()))?;
    let newest = compared::newest(&settings.db_path).map_err(|error| failed(&error))?;
    let newest = newest
        .ok_or_else(|| Failure::new(ExitStatus::Failed, "the ledger has no record to sign"))?;
    let checkpoint = Checkpoint::sign(newest, Clock::system().now(), &key);
    let mut output = Output::to(args.output.clone()).map_err(Failure::writing)?;
    output
        .write_all(checkpoint.to_json().as_bytes())
        .and_then(|()| output.finish())
        .map_err(Failure::writing)
}
