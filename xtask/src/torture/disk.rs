//! A disk that fills up under the load, with room again later: a small file system where one can be mounted, else a limit
//! on the size of the server's files.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::runtime::Runtime;

use super::book::Book;
use super::findings::{self, Findings, Shells};
use crate::event::Random;
use crate::world::World;
use crate::{clock, listed};

/// The WAL alone grows to 16 MiB before it is brought in.
const SIZE: &str = "size=40m,mode=700";
/// How often the disk fills up in one go.
const ROUNDS: usize = 4;
const CONNECTIONS: usize = 4;
/// How long the server may take to refuse, and to take events again.
const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);
/// The disk fills up this long after the clients begin at most.
const LOAD_US_MAX: u64 = 200_000;
/// Room that is left at most, in bytes: about what the server keeps free.
const ROOM_MAX: u64 = 1_200_000;

/// What a disk that fills up came to.
pub(super) struct Filled {
    pub(super) how: &'static str,
    pub(super) times: usize,
    pub(super) kills: u32,
    pub(super) refused: u64,
    pub(super) findings: Findings,
}

/// Fills the disk of a server of its own, several times.
pub(super) fn fills_up(binary: &Path, runtime: &Runtime, random: &mut Random) -> Result<Filled> {
    let mut world = World::of(binary.to_owned())?;
    let mut book = Book::default();
    let disk = Disk::under(&world);
    let mut kills = 0;
    world.start_server()?;
    for _ in 0..ROUNDS {
        let address = world.server()?.address;
        let load = book.load(runtime, address, CONNECTIONS, random);
        clock::sleep_until(Instant::now() + Duration::from_micros(random.below(LOAD_US_MAX)));
        let full = disk.fill(&world, random.below(ROOM_MAX))?;
        let before = book.tally.refused.load(Ordering::Relaxed);
        clock::poll(LIMIT, PAUSE, || {
            (book.tally.refused.load(Ordering::Relaxed) > before).then_some(())
        })
        .context("nothing is refused on a full disk")?;
        let kill = random.below(2) == 0;
        if kill {
            world.kill_server()?;
            kills += 1;
        }
        disk.make_room(&world, full)?;
        if kill {
            book.enter(runtime, load)?;
            world.start_server()?;
        } else {
            clock::poll(LIMIT, PAUSE, || {
                world.server().ok()?.is_ready().then_some(())
            })
            .context("the server takes nothing, though there is room again")?;
            book.enter(runtime, load)?;
        }
        book.settle(runtime, world.server()?.address)?;
    }
    let records: Vec<findings::Record> = runtime.block_on(listed::all(world.server()?.address))?;
    let shells = Shells {
        living: Vec::new(),
        gone: &[],
        settled: true,
    };
    let findings = findings::compare(&records, &book.told, &shells);
    world.stop_server()?;
    world.product(&["verify"])?;
    Ok(Filled {
        how: disk.how(),
        times: ROUNDS,
        kills,
        refused: book.tally.refused.load(Ordering::Relaxed),
        findings,
    })
}

/// A disk that can be filled.
enum Disk {
    /// A file system of its own; taken away when dropped.
    Mounted(PathBuf),
    /// None can be mounted.
    Limited,
}

/// What fills it.
enum Full {
    File(PathBuf),
    Limit,
}

impl Disk {
    fn under(world: &World) -> Self {
        let folder = world.state.home();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "none"])
            .arg(&folder)
            .output();
        if mounted.is_ok_and(|ran| ran.status.success()) {
            Self::Mounted(folder)
        } else {
            Self::Limited
        }
    }

    const fn how(&self) -> &'static str {
        match self {
            Self::Mounted(_) => "a small file system",
            Self::Limited => "a limit of file sizes, since nothing can be mounted here",
        }
    }

    /// Leaves `room` bytes.
    fn fill(&self, world: &World, room: u64) -> Result<Full> {
        match self {
            Self::Mounted(folder) => {
                let path = folder.join("filler");
                let mut file = File::create(&path)?;
                while file.write_all(&[b'x'; 65536]).is_ok() {}
                let length = file.metadata()?.len();
                file.set_len(length.saturating_sub(room))?;
                Ok(Full::File(path))
            }
            Self::Limited => {
                let wal = world.state.database().with_extension("db-wal");
                limit(world, Some(fs::metadata(wal)?.len() + room / 16))?;
                Ok(Full::Limit)
            }
        }
    }

    fn make_room(&self, world: &World, full: Full) -> Result<()> {
        match full {
            Full::File(path) => Ok(fs::remove_file(path)?),
            // Who was killed has no limit any more.
            Full::Limit if world.server().is_err() => Ok(()),
            Full::Limit => limit(world, None),
        }
    }
}

fn limit(world: &World, bytes: Option<u64>) -> Result<()> {
    let pid = i32::try_from(world.server()?.pid())
        .ok()
        .and_then(Pid::from_raw);
    ensure!(pid.is_some(), "a pid is positive");
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).context("could not limit the size of files")?;
    Ok(())
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Mounted(folder) = self {
            // What still runs on it keeps it until it ends.
            let _ = Command::new("umount").arg("--lazy").arg(folder).output();
        }
    }
}
