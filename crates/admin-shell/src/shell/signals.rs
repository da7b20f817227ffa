//! Signals that end a shell, or what runs in it.

use std::{
    fs,
    io::{self, Write},
    sync::Arc,
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};
use session_client::Ending;
use session_model::ExitReason;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use super::tracking::Tracking;
use crate::{child::Children, helper::Context, interrupt::Interrupt};

/// Ends bracketed paste (xterm's private mode 2004), which the line editor has switched on.
const PASTE_AS_TYPED: &[u8] = b"\x1b[?2004l";
/// Ctrl-C.
pub(crate) const INTERRUPT: i32 = SIGINT;

/// Gives the exit code of a process that a signal ended, as shells count.
pub(crate) fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Starts a thread that takes the process's signals: it writes the end of the session, puts the terminal back as it was,
/// and leaves. Where a person sits at the shell SIGINT stops what runs instead.
pub(super) fn watch(
    tracking: &Arc<Tracking>,
    children: &Children,
    interrupt: &Interrupt,
    interactive: bool,
) -> io::Result<()> {
    let mut signals = Signals::new(wanted())?;
    let (tracking, interrupt) = (Arc::clone(tracking), interrupt.clone());
    let children = children.clone();
    let terminal = terminal();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGINT && interactive {
                    interrupt.set();
                    continue;
                }
                leave(&tracking, &children, terminal.as_ref(), signal);
            }
        })?;
    Ok(())
}

/// Starts a thread that takes the signals of a command: the first SIGINT asks what runs to stop, a second one and all others
/// leave at once, with all programs that were started.
pub(crate) fn watch_command(context: &Context) -> io::Result<()> {
    let mut signals = Signals::new(wanted())?;
    let (children, interrupt) = (context.children.clone(), context.interrupt.clone());
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGINT && !interrupt.is_set() {
                    interrupt.set();
                    continue;
                }
                children.kill();
                std::process::exit(exit_code(signal).into());
            }
        })?;
    Ok(())
}

/// Gives the signals that are taken. What whoever started the process wants ignored, as nohup does, stays so.
fn wanted() -> impl Iterator<Item = i32> {
    let ignored = ignored();
    let wanted = [SIGTERM, SIGHUP, SIGQUIT, SIGINT];
    wanted.into_iter().filter(move |signal| !ignored(*signal))
}

/// Starts a thread that leaves, as after SIGHUP, when the terminal is gone: it may be the terminal of another session, which
/// gets no signal.
pub(super) fn watch_terminal(tracking: &Arc<Tracking>, children: &Children) -> io::Result<()> {
    let (tracking, children) = (Arc::clone(tracking), children.clone());
    thread::Builder::new()
        .name("terminal".to_owned())
        .spawn(move || {
            let stdin = io::stdin();
            loop {
                // Nothing is asked for, so that only what is told unasked ends the wait: hangup and error.
                let mut watched = [PollFd::new(&stdin, PollFlags::empty())];
                match poll(&mut watched, None) {
                    Ok(_) => leave(&tracking, &children, None, SIGHUP),
                    Err(Errno::INTR) => {}
                    Err(_) => return,
                }
            }
        })?;
    Ok(())
}

/// Gives which signals were ignored when this process began, as `/proc/self/status` says (proc(5): a mask whose lowest bit is
/// signal 1); none where the system does not say.
fn ignored() -> impl Fn(i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    move |signal| mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

fn leave(tracking: &Tracking, children: &Children, terminal: Option<&Termios>, signal: i32) -> ! {
    children.kill();
    let code = exit_code(signal);
    tracking.end(Ending {
        reason: if signal == SIGINT {
            ExitReason::Interrupt
        } else {
            ExitReason::Signal
        },
        exit_code: code.into(),
    });
    if let Some(terminal) = terminal {
        // It may be gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, terminal);
        let _ = io::stderr().write_all(PASTE_AS_TYPED);
    }
    std::process::exit(code.into())
}

/// Gives how the terminal is set, if there is one.
fn terminal() -> Option<Termios> {
    tcgetattr(io::stdin()).ok()
}
