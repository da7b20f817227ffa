//! `session-buddy verify`

use std::io::{Write, stdout};

use data_encoding::HEXLOWER;

use super::{DatabaseArgs, ExitStatus, Failure};
use crate::store::sqlite::verify::{VerifyError, verify};

/// Check that the record says what was recorded
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Names the first ledger record or session that is not what was recorded, and exits with 1.
The server may run meanwhile."
)]
pub(super) struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = args.database.settings()?.db_path;
    if !path.exists() {
        return Err(Failure::new(
            ExitStatus::Unreachable,
            format!("there is no database {}", path.display()),
        ));
    }
    let verified = verify(&path).map_err(|error| {
        let failure = Failure::of(ExitStatus::Failed, &error);
        match error {
            VerifyError::Difference { .. } => failure.hint(format!(
                "{} was changed by something else than Session-Buddy; compare it with a backup",
                path.display()
            )),
            VerifyError::Open(_) | VerifyError::Read(_) => failure,
        }
    })?;
    let mut out = stdout().lock();
    writeln!(
        out,
        "verified: {} ledger records, {} sessions",
        verified.records, verified.sessions
    )?;
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
