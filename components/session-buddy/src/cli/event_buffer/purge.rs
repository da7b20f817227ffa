//! `session-buddy event-buffer purge`

use std::{
    io::{self, IsTerminal, Write, stdin, stdout},
    path::{Path, PathBuf},
};

use session_client::spool::{Adoption, SpoolError, SpoolFile, look};

use super::{ExitStatus, Failure, cannot_read};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Delete only what servers refused for good
    #[arg(long)]
    refused: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Some(spool) = super::spool()? else {
        return say("nothing to delete");
    };
    let mut paths = spool.refused().map_err(|error| cannot_read(&error))?;
    if !args.refused {
        paths.extend(spool.files().map_err(|error| cannot_read(&error))?);
    }
    let (mut sessions, mut events) = (0, 0);
    for path in &paths {
        if let Some(waiting) = waiting(path).map_err(|error| cannot_read(&error))? {
            (sessions, events) = (sessions + 1, events + waiting);
        }
    }
    if sessions == 0 {
        return say("nothing to delete");
    }
    let what = |events: usize, sessions: usize| format!("{events} events of {sessions} sessions");
    if !args.yes && !confirmed(&what(events, sessions))? {
        return say("nothing was deleted");
    }
    let (sessions, events) =
        delete(&paths).map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    say(&format!("deleted {}", what(events, sessions)))
}

/// Gives how many events wait in the file of a dead shell; `None` for what is not to be deleted.
fn waiting(path: &Path) -> io::Result<Option<usize>> {
    Ok(look(path)?.and_then(|found| {
        let contents = found.contents.ok()?;
        (!found.owner_alive).then(|| contents.waiting().len())
    }))
}

/// Deletes the files of dead shells; gives how many sessions and events that were. What somebody has delivered
/// meanwhile, or delivers now, is not deleted.
fn delete(paths: &[PathBuf]) -> Result<(usize, usize), SpoolError> {
    let (mut sessions, mut events) = (0, 0);
    for path in paths {
        if let Adoption::Adopted { file, .. } = SpoolFile::adopt(path)? {
            (sessions, events) = (sessions + 1, events + file.contents().waiting().len());
            file.discard()?;
        }
    }
    Ok((sessions, events))
}

fn confirmed(what: &str) -> Result<bool, Failure> {
    if !stdin().is_terminal() {
        let message = format!("deleting {what} has to be confirmed, and nobody can be asked");
        return Err(Failure::new(ExitStatus::Usage, message).hint("add --yes"));
    }
    let ask = || -> io::Result<String> {
        write!(stdout(), "Delete {what} that no server has? [y/N] ")?;
        stdout().flush()?;
        let mut answer = String::new();
        stdin().read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(Failure::writing)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

fn say(text: &str) -> Result<(), Failure> {
    writeln!(stdout(), "{text}").map_err(Failure::writing)
}
