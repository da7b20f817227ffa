//! Signals that end a shell, or what runs in it.

use std::{io, sync::Arc, thread};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use session_client::Ending;
use session_model::ExitReason;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use super::tracking::Tracking;
use crate::interrupt::Interrupt;

/// Ctrl-C.
pub(super) const INTERRUPT: i32 = SIGINT;

/// Gives the exit code of a process that a signal ended, as shells count.
pub(super) fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Starts a thread that takes the process's signals: it writes the end of the session, puts the terminal back as it was,
/// and leaves. Where a person sits at the shell SIGINT stops what runs instead.
pub(super) fn watch(
    tracking: &Arc<Tracking>,
    interrupt: &Interrupt,
    interactive: bool,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGQUIT, SIGINT])?;
    let (tracking, interrupt) = (Arc::clone(tracking), interrupt.clone());
    let terminal = terminal();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGINT && interactive {
                    interrupt.set();
                    continue;
                }
                leave(&tracking, terminal.as_ref(), signal);
            }
        })?;
    Ok(())
}

fn leave(tracking: &Tracking, terminal: Option<&Termios>, signal: i32) -> ! {
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
    }
    std::process::exit(code.into())
}

/// Gives how the terminal is set, if there is one.
fn terminal() -> Option<Termios> {
    tcgetattr(io::stdin()).ok()
}
