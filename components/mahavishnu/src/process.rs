//! Who runs a workflow, so that it is noticed when they are gone.
//!
//! A pid alone says little: it is used again. Together with when its process began (field 22 of `/proc/PID/stat`, proc(5)),
//! the boot and the pid namespace it is one process only.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use session_client::identity;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Its number.
    pub pid: u32,
    /// When it began, in ticks since the machine did.
    pub start_ticks: u64,
    /// During which run of the machine.
    pub boot_id: String,
    /// In which pid namespace.
    pub namespace: String,
}

/// Whether a runner is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Lives,
    /// It is gone for good.
    Gone,
    /// It is in a pid namespace of its own, as in a container, and cannot be seen from here.
    Unknown,
}

impl Runner {
    /// Gives this process; what the system does not tell is empty.
    pub fn of_this_process() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            start_ticks: stat(pid).map_or(0, |stat| stat.start_ticks),
            boot_id: identity::boot_id().unwrap_or_default(),
            namespace: namespace(),
        }
    }

    /// Looks whether it is there.
    pub fn life(&self) -> Life {
        let boot_id = identity::boot_id().unwrap_or_default();
        if self.boot_id.is_empty() || boot_id.is_empty() {
            return Life::Unknown;
        }
        if self.boot_id != boot_id {
            return Life::Gone;
        }
        if self.namespace != namespace() {
            return Life::Unknown;
        }
        match stat(self.pid) {
            // A zombie runs nothing any more.
            Some(stat) if stat.start_ticks == self.start_ticks && stat.state != 'Z' => Life::Lives,
            Some(_) | None => Life::Gone,
        }
    }
}

/// Gives the processes of this user that were started for a workflow, as their environment says.
pub fn of_workflow(id: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_of_workflow(*pid, id)).collect()
}

fn is_of_workflow(pid: u32, id: &str) -> bool {
    let wanted = format!("{WORKFLOW_ID}={id}");
    // What belongs to others cannot be read, and is not ours.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    // A step may itself ask.
    pid != std::process::id() && variables.any(|variable| variable == wanted.as_bytes())
}

/// Ends what still runs of a workflow whose runner is gone; gives how many processes that were.
pub fn end_rest_of(id: &str) -> usize {
    let end = |pid: &u32| {
        let raw = i32::try_from(*pid).ok().and_then(Pid::from_raw)?;
        let process = pidfd_open(raw, PidfdFlags::empty()).ok()?;
        // Held now: if it is still one of them it is the one that was found.
        let is_meant = is_of_workflow(*pid, id);
        is_meant.then(|| pidfd_send_signal(&process, Signal::KILL).ok())?
    };
    of_workflow(id).iter().filter_map(end).count()
}

/// The variable that tells a step for which workflow it runs.
pub const WORKFLOW_ID: &str = "MAHAVISHNU_WORKFLOW_ID";

fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid");
    link.map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}

struct Stat {
    state: char,
    start_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, also parentheses and blanks.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 was taken: 22 is the 19th of the rest.
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat { state, start_ticks })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_runner_is_one_process_and_no_other() {
        let this = Runner::of_this_process();
        assert_eq!(this.life(), Life::Lives);
        let again = Runner {
            start_ticks: this.start_ticks + 1,
            ..this.clone()
        };
        assert_eq!(again.life(), Life::Gone);
        let before = Runner {
            boot_id: "another".to_owned(),
            ..this.clone()
        };
        assert_eq!(before.life(), Life::Gone);
        let elsewhere = Runner {
            namespace: "pid:[1]".to_owned(),
            ..this
        };
        assert_eq!(elsewhere.life(), Life::Unknown);
    }

    #[test]
    fn a_zombie_is_gone() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let runner = Runner {
            pid: child.id(),
            start_ticks: stat(child.id()).unwrap().start_ticks,
            ..Runner::of_this_process()
        };
        assert_eq!(runner.life(), Life::Lives);
        drop(child.stdin.take());
        let pid = rustix::process::Pid::from_child(&child);
        let look = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), look).unwrap();
        assert_eq!(runner.life(), Life::Gone);
        child.wait().unwrap();
    }
}
