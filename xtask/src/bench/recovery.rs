//! What a server sees that returns to clients which began while it was away, and how long it takes them all.
//!
//! The clients are emitters as every shell has one, with the timing that users have. Simplified: many share a process,
//! and all share this machine with the server, with which they would not compete for a processor. What the server would
//! see is counted by a door before it, which also holds the clients' connections.

mod door;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Setting;
use super::table::{Table, tenths, verdict, whole};
use crate::listed;
use crate::process::{self, Owned};
use crate::server::{self, Server, StateFolder};
use crate::tracked::many::{ACKNOWLEDGED, LEFT_ALONE};
use door::{Address, Door};

/// Each has a thread and some files; a process may have 20,000 files here, and 65,530 pieces of memory.
const SHELLS_PER_PROCESS: u64 = 1_250;

/// How the clients find their server.
#[derive(Clone, Copy)]
enum Way {
    /// By its socket, which shows when it is back.
    Socket,
    /// By its URL, which says nothing until it is asked.
    Url,
}

pub(super) fn measure(setting: &Setting) -> Result<()> {
    process::allow_open_files(setting.clients + 1_000)?;
    let mut table = Table::new(&[
        "found by",
        "requests",
        "of them refused",
        "peak /s",
        "mean /s",
        "first after s",
        "all taken after s",
        "each exactly once",
    ]);
    let mut seconds = Vec::new();
    for (way, name) in [(Way::Socket, "socket"), (Way::Url, "URL")] {
        let seen = recovered(setting, way).with_context(|| format!("clients with a {name}"))?;
        table.row(seen.row(name));
        seconds.push(format!("{name}: {:?}", seen.per_second));
    }
    table.print(&format!(
        "A server that returns to {} clients, all of which had left it alone",
        setting.clients
    ));
    println!("requests in each second from the first on");
    for line in seconds {
        println!("{line}");
    }
    Ok(())
}

/// What the server saw from its return on.
struct Seen {
    requests: usize,
    refused: usize,
    first: Duration,
    per_second: Vec<u64>,
    all_taken: Duration,
}

impl Seen {
    fn row(&self, name: &str) -> Vec<String> {
        let busy = self.all_taken.saturating_sub(self.first).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        let mean = self.requests as f64 / busy;
        let peak = self.per_second.iter().max().copied().unwrap_or(0);
        vec![
            name.to_owned(),
            self.requests.to_string(),
            self.refused.to_string(),
            peak.to_string(),
            whole(mean),
            tenths(self.first.as_secs_f64()),
            tenths(self.all_taken.as_secs_f64()),
            verdict(true),
        ]
    }
}

fn recovered(setting: &Setting, way: Way) -> Result<Seen> {
    let (state, clients) = (StateFolder::new()?, StateFolder::new()?);
    let address = match way {
        Way::Socket => Address::Socket(clients.socket()),
        Way::Url => Address::Port(free_port()?),
    };
    let mut processes = open(setting.clients, &clients, &address)?;
    for process in &mut processes {
        process.expect(LEFT_ALONE)?;
    }
    let server = Server::start(&setting.binary, &state)?;
    let door = Door::open(&address, server.address)?;
    for process in &mut processes {
        process.expect(ACKNOWLEDGED)?;
    }
    let (all_taken, requests) = door.close();
    check(&server, setting.clients)?;
    drop(processes);
    server.stop(&state)?;
    let first = requests.first().map_or(all_taken, |request| request.at);
    Ok(Seen {
        requests: requests.len(),
        refused: requests.iter().filter(|request| !request.taken).count(),
        first,
        per_second: per_second(requests.iter().map(|request| request.at - first)),
        all_taken,
    })
}

/// Counts moments by their second. They come in order.
fn per_second(moments: impl Iterator<Item = Duration>) -> Vec<u64> {
    let mut counts = Vec::new();
    for moment in moments {
        let second = usize::try_from(moment.as_secs()).unwrap_or(usize::MAX);
        counts.resize(counts.len().max(second + 1), 0);
        counts[second] += 1;
    }
    counts
}

/// A process with many clients.
struct Process {
    output: BufReader<ChildStdout>,
    _process: Owned,
}

impl Process {
    fn expect(&mut self, what: &str) -> Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line.trim_end() == what, "clients say {line:?}, not {what}");
        Ok(())
    }
}

/// Opens all clients.
fn open(clients: u64, state: &StateFolder, address: &Address) -> Result<Vec<Process>> {
    let mut processes = Vec::new();
    let mut left = clients;
    while left > 0 {
        let shells = left.min(SHELLS_PER_PROCESS);
        left -= shells;
        let folder = state.home().join(format!("clients-{left}"));
        let mut command: Command = server::command(&std::env::current_exe()?, state);
        command
            .env("SESSION_BUDDY_PORT", "1")
            .args(["tracked-shells", "--shells"])
            .arg(shells.to_string())
            .arg("--folder")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Address::Port(port) = address {
            let endpoint = format!("http://127.0.0.1:{port}/mcp");
            command.env("SESSION_BUDDY_MCP_ENDPOINT", endpoint);
        }
        let mut process = command.spawn()?;
        let output = process.stdout.take().context("its output is a pipe")?;
        processes.push(Process {
            output: BufReader::new(output),
            _process: Owned::new(process),
        });
    }
    Ok(processes)
}

/// Finds a port at which nobody listens, below those that the kernel gives to connections: one of them could connect to
/// itself.
fn free_port() -> Result<u16> {
    (20_000..30_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no port is free")
}

/// The part of a session record that is compared.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Listed {
    session_id: String,
}

fn check(server: &Server, clients: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listed: Vec<Listed> = runtime.block_on(listed::all(server.address))?;
    let different: HashSet<&Listed> = listed.iter().collect();
    ensure!(
        listed.len() as u64 == clients && different.len() == listed.len(),
        "{} sessions are there, {} of them different",
        listed.len(),
        different.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_without_a_request_count_as_none() {
        let moments = [0, 999, 1_000, 3_500].map(Duration::from_millis);
        assert_eq!(per_second(moments.into_iter()), [2, 1, 0, 1]);
    }
}
