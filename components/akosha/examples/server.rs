//! The program `session-buddy`, for the tests of this package: those of another package are not built with them.

use std::process::ExitCode;

fn main() -> ExitCode {
    session_buddy::cli::main()
}
