//! `session-buddy verify`

use std::{
    fs,
    io::{self, Write, stdout},
};

use data_encoding::HEXLOWER;

use super::{DatabaseArgs, ExitStatus, Failure};
use crate::store::sqlite::verify::{Verified, VerifyError, verify};

/// Check that the record says what was recorded
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Names the first ledger record, session or sum that is not what was recorded, and exits with 1.
The server may run meanwhile."
)]
pub(super) struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = args.database.settings()?.db_path;
    if let Err(error) = fs::metadata(&path)
        && error.kind() == io::ErrorKind::NotFound
    {
        let message = format!("there is no database {}", path.display());
        return Err(Failure::new(ExitStatus::Unreachable, message));
    }
    let verified = verify(&path).map_err(|error| {
        let failure = Failure::of(ExitStatus::Failed, &error);
        match &error {
            VerifyError::Difference { place, .. } if place.starts_with("rollup_") => failure.hint(
                "the record itself verifies; `session-buddy maintenance rebuild-rollups` makes the sums anew",
            ),
            VerifyError::Difference { .. } => failure.hint(format!(
                "{} was changed by something else than Session-Buddy; compare it with a backup",
                path.display()
            )),
            VerifyError::Open(_) | VerifyError::Read(_) => failure.hint_for(&error),
        }
    })?;
    print(&verified).map_err(Failure::writing)
}

fn print(verified: &Verified) -> io::Result<()> {
    let mut out = stdout().lock();
    writeln!(
        out,
        "verified: {} ledger records, {} sessions",
        verified.records, verified.sessions
    )?;
    writeln!(out, "sums:     {} rows", verified.rollups)?;
    if verified.erased > 0 {
        writeln!(
            out,
            "erased:   {} payloads, whose sessions could not be compared",
            verified.erased
        )?;
    }
    for (chain, seq, hash) in &verified.heads {
        writeln!(
            out,
            "chain:    {chain} ends at record {seq}, hash {}",
            HEXLOWER.encode(hash)
        )?;
    }
    Ok(())
}
