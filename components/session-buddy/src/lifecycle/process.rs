//! The process of a server, named so that nobody else is hit when its number is used again.

use std::{io, time::Duration};

use rustix::process::Signal;

use super::ServerInfo;

/// The process of a server.
#[derive(Debug)]
pub struct Process(system::Handle);

impl Process {
    /// Opens the process that a server's file names; `None` when it is gone.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn of(info: &ServerInfo) -> io::Result<Option<Self>> {
        Ok(system::Handle::of(info)?.map(Self))
    }

    /// Sends a signal. A process that has ended meanwhile is none the worse for it.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match self.0.signal(signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// Waits for its end, which frees its locks; tells whether it came in time. Needs a runtime.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub async fn ended(&self, patience: Duration) -> io::Result<bool> {
        self.0.ended(patience).await
    }
}

/// Tells when a process started: field 22 of its stat line, the 20th behind the name, which stands in parentheses. A
/// process that has ended and that nobody has waited for yet (state Z) started never.
pub(super) fn start_ticks(process: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(target_os = "linux")]
mod system {
    use std::{io, os::fd::OwnedFd, time::Duration};

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        io::Errno,
        process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
    };

    use super::{ServerInfo, start_ticks};

    #[derive(Debug)]
    pub(super) struct Handle(OwnedFd);

    impl Handle {
        pub(super) fn of(info: &ServerInfo) -> io::Result<Option<Self>> {
            let Some(pid) = i32::try_from(info.pid).ok().and_then(Pid::from_raw) else {
                return Ok(None);
            };
            let opened = match pidfd_open(pid, PidfdFlags::empty()) {
                Err(Errno::SRCH) => return Ok(None),
                opened => opened?,
            };
            // Looked at once it is held: if the number means the server now, it meant it when it was opened.
            let is_server = start_ticks(&info.pid.to_string()) == info.start_ticks;
            Ok(is_server.then_some(Self(opened)))
        }

        pub(super) fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
            pidfd_send_signal(&self.0, signal)
        }

        pub(super) async fn ended(&self, patience: Duration) -> io::Result<bool> {
            let process = self.0.try_clone()?;
            let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
            let wait = tokio::task::spawn_blocking(move || {
                // pidfd_open(2): it is readable when the process has ended.
                let mut wanted = [PollFd::new(&process, PollFlags::IN)];
                poll(&mut wanted, Some(&patience))
            });
            Ok(wait.await.map_err(io::Error::other)?? > 0)
        }
    }
}

/// Where there is no such handle, the number has to do.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::{io, time::Duration};

    use rustix::{
        io::Errno,
        process::{Pid, Signal, kill_process, test_kill_process},
    };

    use super::ServerInfo;

    #[derive(Debug)]
    pub(super) struct Handle(Pid);

    impl Handle {
        pub(super) fn of(info: &ServerInfo) -> io::Result<Option<Self>> {
            let pid = i32::try_from(info.pid).ok().and_then(Pid::from_raw);
            Ok(pid
                .filter(|pid| test_kill_process(*pid) != Err(Errno::SRCH))
                .map(Self))
        }

        pub(super) fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
            kill_process(self.0, signal)
        }

        pub(super) async fn ended(&self, patience: Duration) -> io::Result<bool> {
            let mut polls = tokio::time::interval(Duration::from_millis(10));
            let gone = tokio::time::timeout(patience, async {
                while test_kill_process(self.0) != Err(Errno::SRCH) {
                    polls.tick().await;
                }
            });
            Ok(gone.await.is_ok())
        }
    }
}
