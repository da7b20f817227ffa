//! The program `session-buddy`.

use std::process::ExitCode;

fn main() -> ExitCode {
    session_buddy::cli::main()
}
