//! `session-buddy verify`

use std::{
    error::Error,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use anstream::eprintln;
use data_encoding::HEXLOWER;
use session_model::escape::for_line;

use super::{DatabaseArgs, ExitStatus, Failure, report::print};
use crate::store::{
    checkpoint::{Checkpoint, CheckpointFiles, Key, PublicKey, short},
    sqlite::{
        compared::compare,
        verify::{Verified, VerifyError, is_of_search, verify},
    },
};

/// Check that the record says what was recorded
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Names the first ledger record, session, sum, word or checkpoint that is not what was recorded, and exits with 1.
The server may run meanwhile. `session-buddy checkpoint` writes what --checkpoint takes. Who signed it is compared with
checkpoint.key in the state folder, unless --db-path names a database that is not the one of this folder's server."
)]
pub(super) struct Args {
    /// Compare with a checkpoint that was kept elsewhere, too; can be repeated
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let settings = args.database.settings()?;
    let path = settings.db_path;
    check_there(&path)?;
    let verified = verify(&path);
    if let Err(error) = &verified
        && remedy(error).is_none()
    {
        return Err(not_verified(error, &path));
    }
    let files = CheckpointFiles::of(&settings.state_folder, &path);
    let key = match args.database.is_other_than_own(&path)? {
        true => None,
        false => Key::load(files.key()).map_err(|error| failed(&error))?,
    };
    let key = key.map(|key| key.public());
    let mut agreed = compare_with_own(&path, &files, key.as_ref())?;
    let kept_here = !agreed.is_empty();
    for file in &args.checkpoint {
        agreed.push(compare_with(&path, file, key.as_ref())?);
    }
    // What was signed outweighs what can be made anew.
    let verified = verified.map_err(|error| not_verified(&error, &path))?;
    let mut text = describe(&verified);
    for (file, checkpoint) in &agreed {
        let line = format!(
            "record {} was the newest at {}, signed with key {}: {}",
            checkpoint.head().seq,
            checkpoint.made_at(),
            short(checkpoint.public_key()),
            file.display()
        );
        let _ = writeln!(text, "signed:   {}", for_line(&line));
    }
    print(&text)?;
    if !kept_here {
        eprintln!(
            "note: there is no checkpoint beside the database{}; without one nobody sees that its newest records were cut off",
            if key.is_some() {
                ", but there is a key, so it was removed"
            } else {
                ""
            }
        );
    }
    Ok(())
}

/// Gives what makes anew what does not verify, where the record itself does.
fn remedy(error: &VerifyError) -> Option<&'static str> {
    match error {
        VerifyError::Difference { place, .. } if place.starts_with("rollup_") => Some(
            "the record itself verifies; `session-buddy maintenance rebuild-rollups` makes the sums anew",
        ),
        VerifyError::Difference { place, .. } if is_of_search(place) => Some(
            "the record itself verifies; `session-buddy maintenance rebuild-search` makes the index anew",
        ),
        _ => None,
    }
}

fn not_verified(error: &VerifyError, path: &Path) -> Failure {
    let failure = Failure::of(ExitStatus::Failed, error);
    if let Some(remedy) = remedy(error) {
        return failure.hint(remedy);
    }
    match error {
        VerifyError::Difference { .. } => failure.hint(format!(
            "{} was changed by something else than Session-Buddy; compare it with a backup",
            path.display()
        )),
        VerifyError::Open(_) | VerifyError::Read(_) => failure.hint_for(error),
    }
}

/// Checks that there is a database.
pub(super) fn check_there(path: &Path) -> Result<(), Failure> {
    if let Err(error) = fs::metadata(path)
        && error.kind() == io::ErrorKind::NotFound
    {
        let message = format!("there is no database {}", path.display());
        return Err(Failure::new(ExitStatus::Unreachable, message));
    }
    Ok(())
}

/// A checkpoint and its file.
type Agreed = (PathBuf, Checkpoint);

/// Compares the ledger with the checkpoints beside its database, also those that a server has put aside.
pub(super) fn compare_with_own(
    path: &Path,
    files: &CheckpointFiles,
    key: Option<&PublicKey>,
) -> Result<Vec<Agreed>, Failure> {
    let (current, aside) = files.list().map_err(|error| failed(&error))?;
    let all = current.into_iter().chain(aside);
    all.map(|file| compare_with(path, &file, key)).collect()
}

fn compare_with(path: &Path, file: &Path, key: Option<&PublicKey>) -> Result<Agreed, Failure> {
    let place = format!("checkpoint {}", file.display());
    let checkpoint = CheckpointFiles::read(file)
        .map_err(|error| Failure::new(ExitStatus::Failed, &place).because(&error))?;
    match compare(path, &checkpoint, key).map_err(|error| failed(&error))? {
        Ok(()) => Ok((file.to_owned(), checkpoint)),
        Err(disagreement) => Err(Failure::new(
            ExitStatus::Failed,
            format!("{place}: {disagreement}"),
        )
        .hint("if you restored a backup or began anew, remove that file; else find out who did")),
    }
}

fn failed(error: &(dyn Error + 'static)) -> Failure {
    Failure::of(ExitStatus::Failed, error).hint_for(error)
}

fn describe(verified: &Verified) -> String {
    let mut text = format!(
        "verified: {} ledger records, {} sessions\nsums:     {} rows\nsearch:   {} entries\n",
        verified.records, verified.sessions, verified.rollups, verified.search_entries
    );
    if verified.erased > 0 {
        let _ = writeln!(
            text,
            "erased:   {} payloads, whose sessions could not be compared",
            verified.erased
        );
    }
    for (chain, seq, hash) in &verified.heads {
        let hash = HEXLOWER.encode(hash);
        let _ = writeln!(text, "chain:    {chain} ends at record {seq}, hash {hash}");
    }
    text
}
