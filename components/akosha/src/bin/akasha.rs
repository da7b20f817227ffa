//! The program `akosha`, as some documents spell it.

use std::process::ExitCode;

fn main() -> ExitCode {
    akosha::shell::main()
}
