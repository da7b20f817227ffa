//! The program `crackerjack`.

use std::process::ExitCode;

fn main() -> ExitCode {
    crackerjack::shell::program().run()
}
