//! The program `akosha`.

use std::process::ExitCode;

fn main() -> ExitCode {
    akosha::shell::main()
}
