//! The program `oneiric`.

use std::process::ExitCode;

fn main() -> ExitCode {
    oneiric::shell::program().run()
}
