//! What is longer than the terminal, page by page.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal, Write},
    path::Path,
    process::{Command, Stdio},
};

/// What is used where `PAGER` names nothing else.
const DEFAULT: &str = "less";
/// How `less` is told to leave where the text fits, to show the terminal's colours, and to leave the text on the screen; the
/// same as `git` tells it.
const LESS: &str = "FRX";
/// What the system's shell says when it cannot run a command, and when there is none.
const NOT_RUN: [i32; 2] = [126, 127];

/// Shows a text page by page if it is longer than the terminal; tells whether that was done.
///
/// `PAGER` names the program, as for `man` and `git`; an empty one, or `cat`, switches this off.
pub(crate) fn page(text: &str) -> bool {
    let on_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    let size = terminal_size::terminal_size();
    let fits = size.is_none_or(|(_, rows)| text.lines().count() < usize::from(rows.0));
    if !on_terminal || dumb || fits {
        return false;
    }
    pager().is_some_and(|pager| show(&pager, text))
}

/// Names the program, if there is one.
fn pager() -> Option<OsString> {
    match env::var_os("PAGER") {
        Some(pager) => (!pager.is_empty() && pager != "cat").then_some(pager),
        None => is_on_path(DEFAULT).then(|| DEFAULT.into()),
    }
}

fn is_on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
}

fn show(pager: &OsString, text: &str) -> bool {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        command.env("LESS", LESS);
    }
    let Ok(mut process) = command.spawn() else {
        return false;
    };
    if let Some(mut input) = process.stdin.take() {
        // Who has seen enough closes it.
        let _ = input.write_all(text.as_bytes());
    }
    process
        .wait()
        .is_ok_and(|status| status.code().is_none_or(|code| !NOT_RUN.contains(&code)))
}
