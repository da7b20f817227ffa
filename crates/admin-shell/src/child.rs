//! Programs that a helper runs: each in a process group of its own, its output line by line as it comes, and ended with
//! all that it has started on Ctrl-C, when its time is over, and when the shell leaves.

use std::{
    io::{self, BufRead, BufReader, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::interrupt::Interrupt;

/// How often it is looked whether a program has ended or should: 20 ms, which nobody notices.
const LOOK: Duration = Duration::from_millis(20);
/// How long a program that was asked to end may take before it is killed: 2 seconds.
const GRACE: Duration = Duration::from_secs(2);
/// How long what a program has written is waited for once it has ended; who else has its output may keep it open for ever.
const REST: Duration = Duration::from_secs(1);
/// How many lines wait while nobody takes them; then the program waits.
const LINES_MAX: usize = 1_024;
/// The longest line: 64 KiB; a longer one is cut in pieces.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal that was not ours.
    Killed(i32),
    /// Its time was over.
    TimedOut,
    /// The user asked to stop.
    Interrupted,
}

/// The process groups that run. Clones mean the same ones.
#[derive(Clone, Default)]
pub(crate) struct Children(Arc<Mutex<Vec<Pid>>>);

impl Children {
    /// Kills them all, with what they have started: for who is about to leave.
    pub(crate) fn kill(&self) {
        for group in self.groups().iter() {
            // It may have ended just now.
            let _ = kill_process_group(*group, Signal::KILL);
        }
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a program to its end, without input. `line` gets each line of its output, without its line break and as it
    /// came: it is escaped where it is shown.
    pub(crate) fn run(
        &self,
        interrupt: &Interrupt,
        mut command: Command,
        limit: Duration,
        line: &mut dyn FnMut(Stream, &str),
    ) -> io::Result<End> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let group = Group::of(Pid::from_child(&process), self);
        let (sender, lines) = mpsc::sync_channel(LINES_MAX);
        let mut open = 0;
        if let Some(output) = process.stdout.take() {
            open += 1;
            read(Stream::Output, output, sender.clone())?;
        }
        if let Some(errors) = process.stderr.take() {
            open += 1;
            read(Stream::Errors, errors, sender.clone())?;
        }
        let mut follower = Follower { lines, open, line };
        let ended = group.follow(&mut follower, interrupt, limit)?;
        // What it has started and left behind goes with it. Until it is reaped its number is nobody else's.
        group.signal(Signal::KILL);
        follower.rest();
        drop((group, sender));
        let status = process.wait()?;
        Ok(match (ended, status.code(), status.signal()) {
            (Some(end), _, _) => end,
            (None, Some(code), _) => End::Exited(code),
            (None, None, signal) => End::Killed(signal.unwrap_or_default()),
        })
    }
}

/// A process group that runs; killed when dropped.
struct Group {
    leader: Pid,
    children: Children,
}

impl Group {
    fn of(leader: Pid, children: &Children) -> Self {
        children.groups().push(leader);
        Self {
            leader,
            children: children.clone(),
        }
    }

    /// Follows the leader to its end; gives why it was ended, if it did not end by itself.
    fn follow(
        &self,
        follower: &mut Follower<'_>,
        interrupt: &Interrupt,
        limit: Duration,
    ) -> io::Result<Option<End>> {
        let began = Instant::now();
        let mut asked: Option<(End, Instant)> = None;
        while !self.has_ended()? {
            follower.take(LOOK);
            match asked {
                None if interrupt.is_set() => {
                    self.signal(Signal::INT);
                    asked = Some((End::Interrupted, Instant::now()));
                }
                None if began.elapsed() >= limit => {
                    self.signal(Signal::TERM);
                    asked = Some((End::TimedOut, Instant::now()));
                }
                Some((_, at)) if at.elapsed() >= GRACE => self.signal(Signal::KILL),
                None | Some(_) => {}
            }
        }
        Ok(asked.map(|(end, _)| end))
    }

    /// Tells whether the leader has ended, and leaves it unreaped.
    fn has_ended(&self) -> io::Result<bool> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.leader), look)?.is_some())
    }

    fn signal(&self, signal: Signal) {
        // All of it may have ended just now.
        let _ = kill_process_group(self.leader, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.children.groups().retain(|group| *group != self.leader);
    }
}

/// What a reader of one stream says.
enum Heard {
    Line(Stream, String),
    End,
}

/// Who takes the lines.
struct Follower<'a> {
    lines: Receiver<Heard>,
    open: usize,
    line: &'a mut dyn FnMut(Stream, &str),
}

impl Follower<'_> {
    /// Takes what comes within a time; tells whether something came.
    fn take(&mut self, patience: Duration) -> bool {
        match self.lines.recv_timeout(patience) {
            Ok(Heard::Line(stream, text)) => (self.line)(stream, &text),
            Ok(Heard::End) => self.open -= 1,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// Takes what was written before the end.
    fn rest(&mut self) {
        let until = Instant::now() + REST;
        while self.open > 0 && self.take(until.saturating_duration_since(Instant::now())) {}
    }
}

/// Starts a thread that reads a stream. It ends with the stream, or when nobody takes its lines.
fn read(
    stream: Stream,
    source: impl Read + Send + 'static,
    lines: SyncSender<Heard>,
) -> io::Result<()> {
    let mut source = BufReader::new(source);
    thread::Builder::new()
        .name("output of a child".to_owned())
        .spawn(move || {
            let mut bytes = Vec::new();
            loop {
                bytes.clear();
                let taken = source
                    .by_ref()
                    .take(LINE_BYTES_MAX)
                    .read_until(b'\n', &mut bytes);
                if !matches!(taken, Ok(1..)) {
                    let _ = lines.send(Heard::End);
                    return;
                }
                let text = String::from_utf8_lossy(&bytes);
                let text = text.trim_end_matches(['\n', '\r']).to_owned();
                if lines.send(Heard::Line(stream, text)).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        process::{PidfdFlags, pidfd_open},
    };

    use super::*;

    /// A limit that no test reaches.
    const LONG: Duration = Duration::from_mins(5);

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        command
    }

    fn run(script: &str, limit: Duration) -> (End, Vec<(Stream, String)>) {
        let mut lines = Vec::new();
        let end = Children::default().run(
            &Interrupt::default(),
            sh(script),
            limit,
            &mut |stream, text| lines.push((stream, text.to_owned())),
        );
        (end.unwrap(), lines)
    }

    #[test]
    fn lines_and_exit_code_are_told() {
        let (end, mut lines) = run(
            "echo one; printf 'two\\r\\nthree'; echo bad >&2; exit 3",
            LONG,
        );
        assert_eq!(end, End::Exited(3));
        lines.sort_by_key(|(stream, _)| *stream == Stream::Errors);
        let expected = [
            (Stream::Output, "one"),
            (Stream::Output, "two"),
            (Stream::Output, "three"),
            (Stream::Errors, "bad"),
        ];
        assert_eq!(
            lines,
            expected.map(|(stream, text)| (stream, text.to_owned()))
        );
        assert_eq!(run("kill -9 $$", LONG).0, End::Killed(9));
    }

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let (end, lines) = run("head -c 100000 /dev/zero | tr '\\0' x", LONG);
        assert_eq!(end, End::Exited(0));
        let lengths: Vec<_> = lines.iter().map(|(_, text)| text.len()).collect();
        assert_eq!(lengths, [65_536, 34_464]);
    }

    #[test]
    fn who_takes_too_long_ends_with_all_that_it_has_started() {
        let (end, lines) = run("sleep 1000 & echo $!; wait", Duration::from_millis(300));
        assert_eq!(end, End::TimedOut);
        assert_is_gone(&lines[0].1);
    }

    #[test]
    fn what_is_left_behind_goes_too_and_keeps_nobody() {
        let (end, lines) = run("sleep 1000 & echo $!", LONG);
        assert_eq!(end, End::Exited(0));
        assert_is_gone(&lines[0].1);
    }

    #[test]
    fn an_interrupt_ends_also_who_does_not_listen() {
        let interrupt = Interrupt::default();
        let wish = interrupt.clone();
        let mut pid = String::new();
        let script = "trap '' INT TERM; sleep 1000 & echo $!; wait; wait";
        let end = Children::default().run(&interrupt, sh(script), LONG, &mut |_, text| {
            pid = text.to_owned();
            wish.set();
        });
        assert_eq!(end.unwrap(), End::Interrupted);
        assert_is_gone(&pid);
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let command = Command::new("/nowhere/at/all");
        let run = Children::default().run(&Interrupt::default(), command, LONG, &mut |_, _| {});
        assert_eq!(run.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// Waits until a process that was killed has ended; whoever reaps it may be late.
    #[track_caller]
    fn assert_is_gone(pid: &str) {
        let pid = pid.parse().ok().and_then(Pid::from_raw).unwrap();
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        let limit = Timespec::try_from(Duration::from_secs(20)).unwrap();
        let mut watched = [PollFd::new(&process, PollFlags::IN)];
        assert_eq!(poll(&mut watched, Some(&limit)), Ok(1), "{pid:?} lives");
    }
}
