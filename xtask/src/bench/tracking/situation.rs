//! What goes wrong around a shell.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen,
    shutdown, socket_with,
};
use session_client::state_folder::ShortPath;

use crate::clock;
use crate::server::StateFolder;

/// Somebody at the socket who takes every connection and never says a word.
pub(super) struct BlackHole {
    listener: Arc<UnixListener>,
    thread: Option<JoinHandle<()>>,
}

impl BlackHole {
    pub(super) fn at(socket: &Path) -> Result<Self> {
        /// Far more than there are shells at a time.
        const HELD_MAX: usize = 256;
        let listener = Arc::new(UnixListener::bind(ShortPath::of(socket)?.as_path())?);
        let accepting = Arc::clone(&listener);
        let thread = thread::spawn(move || {
            let mut held = VecDeque::new();
            while let Ok((stream, _)) = accepting.accept() {
                held.push_back(stream);
                if held.len() > HELD_MAX {
                    held.pop_front();
                }
            }
        });
        Ok(Self {
            listener,
            thread: Some(thread),
        })
    }
}

impl Drop for BlackHole {
    fn drop(&mut self) {
        // Wakes the thread, whose accept then fails.
        let _ = shutdown(&self.listener, Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("accepting does not panic");
        }
    }
}

/// Somebody at the socket who accepts nobody, and before whom so many wait that no more may.
pub(super) struct FullBacklog {
    _sockets: Vec<OwnedFd>,
}

impl FullBacklog {
    pub(super) fn at(socket: &Path) -> Result<Self> {
        /// More than the backlog is; the kernel adds one.
        const WAITING_MAX: usize = 16;
        let path = ShortPath::of(socket)?;
        let address = SocketAddrUnix::new(path.as_path())?;
        let open = || {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        };
        let listener = open()?;
        bind(&listener, &address)?;
        listen(&listener, 0)?;
        let mut sockets = vec![listener];
        loop {
            ensure!(sockets.len() <= WAITING_MAX, "the backlog has no end");
            let waiting = open()?;
            match connect(&waiting, &address) {
                Ok(()) => sockets.push(waiting),
                Err(Errno::AGAIN) => return Ok(Self { _sockets: sockets }),
                Err(error) => return Err(error).context("could not fill the backlog"),
            }
        }
    }
}

/// A disk that is written and flushed all the time, the one of a state folder.
pub(super) struct BusyDisk {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl BusyDisk {
    pub(super) fn beside(state: &StateFolder) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let file = state.home().join("busy");
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                while !stop.load(Ordering::Relaxed) {
                    write(&file)?;
                }
                Ok(())
            }
        });
        // The first write finds an empty queue, as no later one does.
        clock::sleep_until(Instant::now() + Duration::from_secs(1));
        ensure!(!thread.is_finished(), "dd does not work here");
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("running dd does not panic")
    }
}

fn write(file: &PathBuf) -> Result<()> {
    let mut of = std::ffi::OsString::from("of=");
    of.push(file);
    let mut dd = Command::new("dd");
    dd.args(["if=/dev/zero", "bs=1M", "count=64", "conv=fdatasync"])
        .arg(of)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let status = dd.status().context("could not run dd")?;
    ensure!(status.success(), "{dd:?} ended with {status}");
    Ok(())
}
