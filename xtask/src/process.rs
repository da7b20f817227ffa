//! What the kernel knows about a process, and children that never outlive us.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::clock;

/// A child process that is killed when its owner goes, whatever the reason.
pub(crate) struct Owned(Child);

impl Owned {
    pub(crate) fn new(child: Child) -> Self {
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// Asks it to end and waits for that.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        signal(self.pid(), Signal::TERM)?;
        clock::poll(limit, Duration::from_millis(2), || self.ended()).with_context(|| {
            format!(
                "pid {} does not end within {limit:?} of SIGTERM",
                self.pid()
            )
        })
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.kill();
    }
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("a pid is positive")?;
    rustix::process::kill_process(pid, signal).context("could not send the signal")
}

/// Processor time that the process has used so far, all its threads together; the kernel counts in steps of 10 ms.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain anything, so count from its end: utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let [utime, stime] = [11, 12].map(|field: usize| {
        fields
            .get(field)
            .and_then(|ticks| ticks.parse::<u64>().ok())
    });
    let (Some(utime), Some(stime)) = (utime, stime) else {
        bail!("/proc/{pid}/stat has an unknown shape")
    };
    Ok(
        Duration::from_secs(utime + stime)
            / u32::try_from(rustix::param::clock_ticks_per_second())?,
    )
}

/// A size from `/proc/PID/status`, such as `VmRSS` or `VmHWM`, in bytes.
pub(crate) fn memory(pid: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    Ok(kibibytes.with_context(|| format!("/proc/{pid}/status has no {field}"))? * 1024)
}

/// A program and its arguments.
#[derive(Args)]
pub(crate) struct Program {
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Runs a program and prints the most memory that it had resident, in KiB. The kernel keeps the highest of all children, so
/// this is a process of its own, and none that is smaller than this one can be seen.
pub(crate) fn print_peak_memory(program: &Program) -> Result<()> {
    let mut command = Command::new(&program.words[0]);
    command.args(&program.words[1..]);
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    println!("{}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(())
}

/// Makes sure that `count` files can be open at once.
pub(crate) fn allow_open_files(count: u64) -> Result<()> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < count) {
        bail!(
            "{count} open files are needed, the hard limit is {:?} (ulimit -Hn)",
            limit.maximum
        );
    }
    rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(count),
            maximum: limit.maximum,
        },
    )
    .context("could not raise the limit of open files")
}
