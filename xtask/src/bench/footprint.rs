//! How small: time to ready, memory, sizes of the binary and of a session on disk.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Setting;
use super::table::{Sample, Table, tenths, verdict, whole};
use crate::load::fill::{Fill, Shell};
use crate::load::{Destination, closed, open};
use crate::server::{self, Server, StateFolder};
use crate::{clock, http, process};

const STARTS: usize = 20;
const READY_MS: f64 = 100.0;
const IDLE_MIB: f64 = 25.0;
const LOADED_MIB: f64 = 128.0;
const BINARY_MIB: f64 = 30.0;
const PAIRS: u64 = 20_000;
const BYTES_PER_SESSION: f64 = 2_048.0;

pub(super) fn measure(setting: &Setting) -> Result<()> {
    let mut table = Table::new(&["figure", "measured", "target", ""]);
    let mut row = |figure: &str, sample: &Sample, target: f64, unit: &str| {
        let reached = verdict(sample.median() <= target);
        table.row([
            figure.to_owned(),
            format!("{} {unit}", sample.show(tenths)),
            format!("<= {target:.0} {unit}"),
            reached,
        ]);
    };
    let (fresh, existing) = ready(setting)?;
    row("exec to ready, fresh state folder", &fresh, READY_MS, "ms");
    row("exec to ready, existing store", &existing, READY_MS, "ms");
    let memory = memory(setting)?;
    row(
        "resident memory, idle for 1 s",
        &memory.idle,
        IDLE_MIB,
        "MiB",
    );
    row(
        "... after 64 connections at full speed",
        &memory.saturated,
        LOADED_MIB,
        "MiB",
    );
    row(
        "... after 1,000 connections at 4,000 starts/s",
        &memory.loaded,
        LOADED_MIB,
        "MiB",
    );
    row("... its highest point", &memory.highest, LOADED_MIB, "MiB");
    let size = mebibytes(fs::metadata(&setting.binary)?.len());
    row(
        "size of the binary",
        &[size].into_iter().collect(),
        BINARY_MIB,
        "MiB",
    );
    let python = Database::fill(setting, Shell::Python)?;
    let counting = Database::fill(setting, Shell::Counting)?;
    for (name, database) in [
        (
            "database per session, events of the Python emitter",
            &python,
        ),
        ("... a start of 640 bytes, an end with counters", &counting),
    ] {
        let bytes = database.per_session(database.bytes);
        row(name, &[bytes].into_iter().collect(), BYTES_PER_SESSION, "B");
    }
    table.print("Footprint");
    python.print_parts("sessions of the Python emitter")?;
    counting.print_parts("larger sessions")
}

/// Milliseconds from exec until the socket answers that the server is ready, on a fresh folder and on a used one.
fn ready(setting: &Setting) -> Result<(Sample, Sample)> {
    let (mut fresh, mut existing) = (Sample::default(), Sample::default());
    for _ in 0..STARTS {
        let state = StateFolder::new()?;
        fresh.push(ready_once(setting, &state)?);
        existing.push(ready_once(setting, &state)?);
    }
    Ok((fresh, existing))
}

fn ready_once(setting: &Setting, state: &StateFolder) -> Result<f64> {
    // A socket path may have 107 bytes; through the open folder it is always short.
    let folder = File::open(state.home())?;
    let name = state
        .socket()
        .file_name()
        .context("the socket has a name")?
        .to_owned();
    let socket = Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    let begin = Instant::now();
    let mut server = server::spawn(&setting.binary, state)?;
    let ready = clock::poll(Duration::from_secs(10), Duration::from_micros(200), || {
        let stream = UnixStream::connect(&socket).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        http::answers_ok(stream, "/health/ready").then(|| begin.elapsed())
    });
    let elapsed = ready.context("the server is not ready within 10 s")?;
    let status = server.terminate(Duration::from_secs(10))?;
    ensure!(status.success(), "the server ended with {status}");
    Ok(elapsed.as_secs_f64() * 1e3)
}

/// Resident memory in MiB.
#[derive(Default)]
struct Memory {
    idle: Sample,
    saturated: Sample,
    loaded: Sample,
    highest: Sample,
}

fn memory(setting: &Setting) -> Result<Memory> {
    let mut memory = Memory::default();
    for repeat in 0..setting.repeats.min(3) {
        let state = StateFolder::new()?;
        let server = Server::start(&setting.binary, &state)?;
        let (pid, destination, seed) = (
            server.pid(),
            Destination::mcp(server.address),
            1 << 32 | u64::from(repeat),
        );
        let resident = |field| process::memory(pid, field).map(mebibytes);
        clock::sleep_until(Instant::now() + Duration::from_secs(1));
        memory.idle.push(resident("VmRSS")?);
        let window = setting.window(5);
        closed::Run {
            destination,
            pid,
            connections: 64,
            window,
            seed,
        }
        .measure()?;
        memory.saturated.push(resident("VmRSS")?);
        open::Run {
            destination,
            connections: 1_000,
            per_second: 4_000,
            window,
            seed: seed + 1_000,
        }
        .measure()?;
        memory.loaded.push(resident("VmRSS")?);
        memory.highest.push(resident("VmHWM")?);
        server.stop(&state)?;
    }
    Ok(memory)
}

/// A database of [`PAIRS`] sessions, each with a start and an end, after a graceful stop.
struct Database {
    state: StateFolder,
    bytes: u64,
}

impl Database {
    fn fill(setting: &Setting, shell: Shell) -> Result<Self> {
        let state = StateFolder::new()?;
        let server = Server::start(&setting.binary, &state)?;
        Fill {
            sessions: PAIRS,
            active: 0,
            shell,
        }
        .send(server.address)?;
        server.stop(&state)?;
        server::ensure_one_file(&state.database())?;
        let bytes = fs::metadata(state.database())?.len();
        Ok(Self { state, bytes })
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
    fn per_session(&self, bytes: u64) -> f64 {
        bytes as f64 / PAIRS as f64
    }

    /// Prints what each table and index takes, as SQLite's own `dbstat` counts it.
    fn print_parts(&self, of: &str) -> Result<()> {
        const PARTS: &str = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC";
        let output = Command::new("sqlite3")
            .arg("-separator")
            .arg("|")
            .arg(self.state.database())
            .arg(PARTS)
            .output();
        let output = output.context("could not run sqlite3")?;
        if !output.status.success() {
            println!(
                "no breakdown: sqlite3 has no dbstat here: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
            return Ok(());
        }
        let mut table = Table::new(&["table or index", "bytes per session"]);
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (name, bytes) = line.split_once('|').context("dbstat answers name|size")?;
            table.row([name.to_owned(), whole(self.per_session(bytes.parse()?))]);
        }
        table.print(&format!("What {PAIRS} {of} are made of"));
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
