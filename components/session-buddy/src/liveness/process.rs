//! Processes of this host, named so that a number that is used again means nobody else.
//!
//! A pid means something only inside one pid space: the kernel's boot and the pid namespace. Within it a process is told
//! by when it started and, where the kernel has pidfs (6.9 and later), by the inode of its pidfd, which no other process
//! of that boot ever has.

use std::{fmt, net::SocketAddr};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use session_model::ProcessIdentity;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
use elsewhere as kernel;
#[cfg(target_os = "linux")]
use linux as kernel;

pub use kernel::{Ends, Held};

/// A process in the pid space of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId {
    /// Its pid.
    pub pid: i32,
    /// Field 22 of its stat line: when it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// Inode of a pidfd of it, where that is known.
    pub pidfd_inode: Option<u64>,
}

impl ProcessId {
    /// Takes what a process says of itself.
    pub fn claimed(pid: i32, process: &ProcessIdentity) -> Option<Self> {
        let inode = process.pidfd_inode.map(|inode| u64::try_from(inode.get()));
        Some(Self {
            pid,
            start_ticks: u64::try_from(process.start_ticks.get()).ok()?,
            pidfd_inode: inode.transpose().ok()?,
        })
    }

    /// Tells whether a process that was found is this one. The inode is compared where both are known: ticks are 10 ms
    /// long, and of pids that were used again within 1 ms they told 3 % apart (measured), the inode all.
    fn is(&self, found: &Self) -> bool {
        let inodes = self.pidfd_inode.zip(found.pidfd_inode);
        self.pid == found.pid
            && self.start_ticks == found.start_ticks
            && inodes.is_none_or(|(claimed, found)| claimed == found)
    }
}

/// The host of this program, and its pid space in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Salted hash of the machine id; none where the machine has no id.
    pub host_id: Option<String>,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Inode of the pid namespace.
    pub pid_namespace: u64,
}

impl Host {
    /// Looks at this host; `None` where processes cannot be watched.
    pub fn this() -> Option<Self> {
        kernel::host()
    }

    /// Tells whether a process says that it is in this pid space.
    pub fn has(&self, process: &ProcessIdentity) -> bool {
        *process.boot_id == self.boot_id
            && u64::try_from(process.pid_namespace.get()) == Ok(self.pid_namespace)
    }
}

/// Where an event came from, as far as the kernel tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sender {
    /// A process that connected to the Unix socket.
    Unix {
        /// Its pid, as this program's pid namespace has it.
        pid: i32,
        /// When its connection was taken, in clock ticks since boot.
        accepted_ticks: u64,
    },
    /// A connection over TCP.
    Tcp {
        /// Its end.
        from: SocketAddr,
        /// Our end.
        to: SocketAddr,
    },
    /// Nobody knows.
    #[default]
    Unknown,
}

/// A process that was looked at.
pub enum Sighting {
    /// It is the one, and is held: its end will be told. It may have ended already.
    Held(Held, ProcessId),
    /// It is the one, and has to be looked at again and again: there are too many open files.
    Seen(ProcessId),
    /// It is not there, or it is another one.
    NotThere,
}

impl fmt::Debug for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(_, process) => f.debug_tuple("Held").field(process).finish(),
            Self::Seen(process) => f.debug_tuple("Seen").field(process).finish(),
            Self::NotThere => f.write_str("NotThere"),
        }
    }
}

/// Looks for a process; it is only held while its file has a number below `files_max`. The kernel gives the lowest number
/// that is free, so a high one says that nearly all below are taken.
pub fn look(process: &ProcessId, files_max: u64) -> Sighting {
    kernel::find(process.pid, files_max, |found| process.is(found))
}

/// Looks for the process that connected when the clock stood at `accepted_ticks`.
pub fn look_for_connected(pid: i32, accepted_ticks: u64, files_max: u64) -> Sighting {
    kernel::find(pid, files_max, |found| found.start_ticks <= accepted_ticks)
}

/// Tells whether a process is still there.
pub fn is_there(process: &ProcessId) -> bool {
    kernel::is_there(process)
}

/// Tells whether there is a process with a pid, whichever.
pub fn exists(pid: i32) -> bool {
    kernel::exists(pid)
}

/// Gives the process with a pid, if the connection from `from` to `to` is its.
pub fn owner(pid: i32, from: SocketAddr, to: SocketAddr) -> Option<ProcessId> {
    kernel::owner(pid, from, to)
}

/// Gives the time since boot, in clock ticks, as field 22 of a stat line counts it.
pub fn ticks_since_boot() -> u64 {
    kernel::ticks_since_boot()
}

/// Raises the limit of open files as far as it may go, and gives it.
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where that is refused the limit stays as it was.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
