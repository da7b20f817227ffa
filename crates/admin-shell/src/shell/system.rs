//! `!command`: a command of the system's shell.

use std::os::unix::process::ExitStatusExt;

use crate::{
    engine::{Outcome, ScriptError},
    helper::Context,
    output::Reply,
};

/// Runs a command on the shell's own terminal and waits for it.
pub(super) fn run(context: &Context, command: &str) -> Outcome {
    if command.is_empty() {
        return Outcome::Done(Reply::Nothing);
    }
    let failed = |problem: String| Outcome::Failed(ScriptError::new(problem, None));
    match context.command("/bin/sh").arg("-c").arg(command).status() {
        Ok(status) if status.success() => Outcome::Done(Reply::Nothing),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => failed(format!("the command ended with exit code {code}")),
            (None, Some(signal)) => failed(format!("the command was ended by signal {signal}")),
            (None, None) => failed(format!("the command ended with {status}")),
        },
        Err(error) => failed(format!("cannot run /bin/sh: {error}")),
    }
}
