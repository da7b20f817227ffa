//! A shell that opens only once its session is on record.

use std::process::ExitCode;

use admin_shell::AdminShell;

fn main() -> ExitCode {
    AdminShell::builder("vault", env!("CARGO_PKG_VERSION"))
        .helper("seal() - seal the vault", || "sealed")
        .fail_closed()
        .run()
}
