//! What a shell is called with.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser};

use crate::output::Format;

/// The flags of every shell; a component with a command line of its own puts them under its `shell`.
#[derive(Args, Clone, Debug, Default)]
pub struct ShellArgs {
    /// Run a script instead of asking for lines
    #[arg(
        short = 'c',
        value_name = "SCRIPT",
        conflicts_with = "file",
        allow_hyphen_values = true
    )]
    pub script: Option<String>,
    /// Run the script in a file
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Say why the shell is opened; it is kept with the session
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not track this session
    #[arg(long)]
    pub no_tracking: bool,
    /// How to write results
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// The command line of a shell that is a program of its own.
#[derive(Parser)]
struct Program {
    #[command(flatten)]
    shell: ShellArgs,
}

/// What every shell says of its exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes: that of exit(), 1 for an error in a script, 2 for wrong usage or a reason that is missing, 69 where the shell
must be tracked and is not, 77 where its policy does not let you in, 78 where its policy cannot be read, 101 after a bug of the shell, 128 and the signal's number after a signal.";

/// Reads the arguments of this process; help, version and wrong usage end it.
pub(crate) fn of_this_process(component: &str, version: &str) -> ShellArgs {
    let examples = format!(
        "Examples:\n  {component}\n  {component} -c 'help()'\n  echo 'help()' | {component} --format json\n\n{EXIT_CODES}"
    );
    let command = Program::command()
        .name(component.to_owned())
        .version(version.to_owned())
        .about(format!("Open the admin shell of {component}"))
        .after_help(examples);
    let mut matches = command.get_matches();
    match Program::from_arg_matches_mut(&mut matches) {
        Ok(program) => program.shell,
        Err(error) => error.exit(),
    }
}
