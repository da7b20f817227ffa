//! The program `fastblocks`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fastblocks::shell::program().run()
}
