//! Processes as Linux tells them: pidfds, and files of `/proc`.

use std::{
    collections::HashMap,
    fs, io,
    net::SocketAddr,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    sync::Arc,
    thread,
};

use rustix::{
    buffer::spare_capacity,
    event::{EventfdFlags, epoll, eventfd},
    fs::{fstat, fstatfs},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open, test_kill_process},
    time::{ClockId, clock_gettime},
};
use session_client::identity;
use tokio::sync::mpsc;

use super::{Host, ProcessId, Sighting};
use crate::auth::socket_owner;

/// What `statfs` says of a pidfd on kernels with pidfs (`linux/magic.h`). Without it all pidfds share one inode.
const PID_FS_MAGIC: u64 = 0x5049_4446;

/// A process that is held by a pidfd.
pub struct Held(OwnedFd);

/// How many ends may wait to be heard; the thread that sees them waits then.
const ENDS_MAX: usize = 1024;

/// What stops the thread instead of a key.
const STOP: u64 = 0;

/// Waits for the ends of processes, all in one thread, which wakes only when one comes.
#[derive(Debug)]
pub struct Ends {
    epoll: Arc<OwnedFd>,
    stop: Arc<OwnedFd>,
    held: HashMap<u64, OwnedFd>,
    added: u64,
}

impl Ends {
    /// Begins to wait; what comes of it is the key of each process that has ended.
    pub fn new() -> io::Result<(Self, mpsc::Receiver<u64>)> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        epoll::add(
            &epoll,
            &stop,
            epoll::EventData::new_u64(STOP),
            epoll::EventFlags::IN,
        )?;
        let (sender, ended) = mpsc::channel(ENDS_MAX);
        let (waits_on, stopped) = (Arc::clone(&epoll), Arc::clone(&stop));
        thread::Builder::new()
            .name("process-ends".to_owned())
            .spawn(move || {
                wait_for_ends(&waits_on, &sender);
                drop(stopped);
            })?;
        let ends = Self {
            epoll,
            stop,
            held: HashMap::new(),
            added: STOP,
        };
        Ok((ends, ended))
    }

    /// Waits for the end of one more process, and gives the key under which it will be told: at once where it has come
    /// already.
    pub fn add(&mut self, Held(pidfd): Held) -> io::Result<u64> {
        let key = self.added + 1;
        // pidfd_open(2): it is readable when the process has ended.
        epoll::add(
            &self.epoll,
            &pidfd,
            epoll::EventData::new_u64(key),
            epoll::EventFlags::IN | epoll::EventFlags::ONESHOT,
        )?;
        self.held.insert(key, pidfd);
        self.added = key;
        Ok(key)
    }

    /// No longer waits for the end of a process. It may have been told already.
    pub fn remove(&mut self, key: u64) {
        // Closed, it leaves the set by itself: nobody else has it open.
        self.held.remove(&key);
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // It cannot fail: the counter is far from full.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }
}

fn wait_for_ends(epoll: &OwnedFd, sender: &mpsc::Sender<u64>) {
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return tracing::error!("Ends of processes are no longer seen: {error}"),
        }
        for event in &events {
            let key = event.data.u64();
            if key == STOP || sender.blocking_send(key).is_err() {
                return;
            }
        }
    }
}

pub(super) fn host() -> Option<Host> {
    Some(Host {
        host_id: identity::host_id_of_this_machine().map(|id| id.as_str().to_owned()),
        boot_id: identity::boot_id()?,
        pid_namespace: fs::metadata("/proc/self/ns/pid").ok()?.ino(),
    })
}

/// The order matters: first it is held, then looked at, and whoever waits for its end asks once more. What is looked at
/// by its number is then the one that is held, or that one has ended, which the last question tells.
pub(super) fn find(pid: i32, files_max: u64, is_it: impl Fn(&ProcessId) -> bool) -> Sighting {
    let Some(pidfd) = open(pid) else {
        return Sighting::NotThere;
    };
    let found = seen(pid, inode(&pidfd)).filter(is_it);
    match found {
        None => Sighting::NotThere,
        Some(found) if u64::try_from(pidfd.as_raw_fd()).is_ok_and(|number| number < files_max) => {
            Sighting::Held(Held(pidfd), found)
        }
        Some(found) => Sighting::Seen(found),
    }
}

pub(super) fn is_there(process: &ProcessId) -> bool {
    start_ticks(process.pid).is_some_and(|stat| !stat.ended && stat.ticks == process.start_ticks)
}

pub(super) fn exists(pid: i32) -> bool {
    // Whoever may not send it a signal still learns that it is there.
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

pub(super) fn owner(pid: i32, from: SocketAddr, to: SocketAddr) -> Option<ProcessId> {
    let pidfd = open(pid)?;
    let (_, socket) = socket_owner::established(from, to)?;
    let socket = format!("socket:[{socket}]");
    let mut files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    files.find(|file| {
        fs::read_link(file.path()).is_ok_and(|file| file.to_str() == Some(&*socket))
    })?;
    seen(pid, inode(&pidfd))
}

pub(super) fn ticks_since_boot() -> u64 {
    let since_boot = clock_gettime(ClockId::Boottime);
    let per_second = rustix::param::clock_ticks_per_second();
    let seconds = u64::try_from(since_boot.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(since_boot.tv_nsec).unwrap_or_default();
    seconds * per_second + nanos * per_second / 1_000_000_000
}

fn open(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

fn inode(pidfd: &OwnedFd) -> Option<u64> {
    let filesystem = fstatfs(pidfd).ok()?.f_type;
    let pidfs = u64::try_from(filesystem) == Ok(PID_FS_MAGIC);
    pidfs.then(|| fstat(pidfd).ok())?.map(|stat| stat.st_ino)
}

fn seen(pid: i32, pidfd_inode: Option<u64>) -> Option<ProcessId> {
    Some(ProcessId {
        pid,
        start_ticks: start_ticks(pid)?.ticks,
        pidfd_inode,
    })
}

struct Stat {
    ticks: u64,
    /// It has ended, and nobody has waited for it yet.
    ended: bool,
}

/// Reads state and field 22: the first and the 20th behind the program's name, which stands in parentheses and need not be
/// text.
fn start_ticks(pid: i32) -> Option<Stat> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    let ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat { ticks, ended })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::{
        super::{look, look_for_connected},
        *,
    };

    /// A process that lives until its input ends.
    fn cat() -> Child {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().unwrap()
    }

    fn pid(child: &Child) -> i32 {
        child.id().try_into().unwrap()
    }

    fn identity_of(pid: i32) -> ProcessId {
        seen(pid, inode(&open(pid).unwrap())).unwrap()
    }

    #[tokio::test]
    async fn the_end_of_a_process_that_is_held_is_told_also_when_it_came_before() {
        for before in [true, false] {
            let mut child = cat();
            let process = identity_of(pid(&child));
            let Sighting::Held(held, found) = look(&process, 1_000) else {
                panic!("it is not found")
            };
            assert_eq!(found, process);
            if before {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            let (mut ends, mut ended) = Ends::new().unwrap();
            let key = ends.add(held).unwrap();
            if !before {
                assert!(is_there(&process));
                assert!(ended.try_recv().is_err());
                child.kill().unwrap();
            }
            assert_eq!(ended.recv().await, Some(key));
            let _ = child.wait();
            assert!(!is_there(&process));
            assert!(matches!(look(&process, 1_000), Sighting::NotThere));
        }
    }

    #[tokio::test]
    async fn the_end_of_a_process_that_nobody_waits_for_any_more_is_not_told() {
        let mut children = [cat(), cat()];
        let (mut ends, mut ended) = Ends::new().unwrap();
        let keys = children.each_ref().map(|child| {
            let Sighting::Held(held, _) = look(&identity_of(pid(child)), 1_000) else {
                panic!("it is not found")
            };
            ends.add(held).unwrap()
        });
        ends.remove(keys[0]);
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(ended.recv().await, Some(keys[1]));
        drop(ends);
        // The thread ends, and nothing more is told.
        assert_eq!(ended.recv().await, None);
    }

    /// What the number means now is another process than the one that is asked for: the pid was used again.
    #[test]
    fn a_pid_that_is_used_again_is_not_there() {
        let here = identity_of(std::process::id().try_into().unwrap());
        assert!(matches!(look(&here, 1_000), Sighting::Held(..)));
        let earlier = ProcessId {
            start_ticks: here.start_ticks - 1,
            ..here
        };
        assert!(matches!(look(&earlier, 1_000), Sighting::NotThere));
        // Within one tick only the inode tells.
        if let Some(inode) = here.pidfd_inode {
            let twin = ProcessId {
                pidfd_inode: Some(inode + 1),
                ..here
            };
            assert!(matches!(look(&twin, 1_000), Sighting::NotThere));
        }
        let untold = ProcessId {
            pidfd_inode: None,
            ..here
        };
        assert!(matches!(look(&untold, 1_000), Sighting::Held(..)));
    }

    #[test]
    fn beyond_the_limit_of_files_a_process_is_only_seen() {
        let here = identity_of(std::process::id().try_into().unwrap());
        assert!(matches!(look(&here, 0), Sighting::Seen(found) if found == here));
    }

    #[test]
    fn who_began_after_a_connection_was_taken_did_not_make_it() {
        let before = ticks_since_boot();
        let here = i32::try_from(std::process::id()).unwrap();
        let started = identity_of(here).start_ticks;
        assert!(started <= before);
        assert!(matches!(
            look_for_connected(here, before, 1_000),
            Sighting::Held(..)
        ));
        assert!(matches!(
            look_for_connected(here, started - 1, 1_000),
            Sighting::NotThere
        ));
    }

    #[test]
    fn a_connection_belongs_to_who_has_it_open() {
        use std::net::{Ipv4Addr, TcpListener, TcpStream};
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (from, to) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let here = i32::try_from(std::process::id()).unwrap();
        assert_eq!(owner(here, from, to), Some(identity_of(here)));
        let mut other = cat();
        assert_eq!(owner(pid(&other), from, to), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
