//! The program `mahavishnu`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Only a shell says which adapters it has, and only it may wait for them.
    let is_shell = std::env::args().nth(1).is_some_and(|word| word == "shell");
    let adapters = if is_shell {
        mahavishnu::adapters::at_start()
    } else {
        vec![mahavishnu::adapters::LOCAL.to_owned()]
    };
    mahavishnu::shell::program(adapters).run()
}
