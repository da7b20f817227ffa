//! `session-buddy completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure, report::print};
use crate::lifecycle::background::CHILD_FLAG;

const AFTER_HELP: &str = "\
Examples:
  session-buddy completions bash > ~/.local/share/bash-completion/completions/session-buddy
  session-buddy completions zsh > ~/.zfunc/_session-buddy   (with `fpath+=~/.zfunc` before `compinit`)
  session-buddy completions fish > ~/.config/fish/completions/session-buddy.fish";

/// Write what a shell needs to complete these commands
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    clap_complete::generate(args.shell, &mut command, "session-buddy", &mut script);
    // The generator for bash spells a program with a hyphen in two ways, so nothing below it is completed:
    // <https://github.com/clap-rs/clap/issues/6421>.
    let script =
        String::from_utf8_lossy(&script).replace("session__subcmd__buddy", "session__buddy");
    print(&without_child_flag(&script))
}

/// Takes out the one flag that is hidden: the generators offer those too. It is a word of a list, or has a line.
fn without_child_flag(script: &str) -> String {
    let script = script.replace(&format!(" {CHILD_FLAG} "), " ");
    script
        .split_inclusive('\n')
        .filter(|line| !line.contains(CHILD_FLAG.trim_start_matches('-')))
        .collect()
}
