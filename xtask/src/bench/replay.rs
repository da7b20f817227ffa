//! How fast what dead shells left comes to a server: by the command line, and by the server itself when it starts.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Setting;
use super::cli::time;
use super::table::{Sample, Table, ratio, verdict, whole};
use crate::dead_shells::{self, Left};
use crate::server::{self, Server, StateFolder};
use crate::{clock, listed};

const EVENTS_PER_SESSION: u64 = 2;
/// The record with which a ledger begins.
const FIRST_RECORD: u64 = 1;
/// The target, for 100,000 events.
const TARGET_SECONDS: f64 = 10.0;
const LIMIT: Duration = Duration::from_secs(600);
/// Looking whether the spool is empty takes the kernel's time too.
const PAUSE: Duration = Duration::from_millis(50);

/// One way from the spool to the record.
type Way = fn(&Setting) -> Result<f64>;

const WAYS: [(&str, Way); 2] = [
    ("session-buddy event-buffer replay", replayed),
    ("adopted by a server, from its exec", adopted),
];

pub(super) fn measure(setting: &Setting) -> Result<()> {
    let mut samples = WAYS.map(|_| Sample::default());
    for _ in 0..setting.repeats {
        for ((_, way), sample) in WAYS.iter().zip(&mut samples) {
            sample.push(way(setting)?);
        }
    }
    let events = setting.dead * EVENTS_PER_SESSION;
    let mut table = Table::new(&["by", "seconds", "events/s", "target", ""]);
    for ((name, _), seconds) in WAYS.iter().zip(&samples) {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        let per_second = events as f64 / seconds.median();
        table.row([
            (*name).to_owned(),
            seconds.show(ratio),
            whole(per_second),
            format!("<= {TARGET_SECONDS:.0} s"),
            verdict(seconds.median() <= TARGET_SECONDS),
        ]);
    }
    table.print(&format!(
        "{events} events that {} dead shells left, {} repeats; each found exactly once afterwards",
        setting.dead, setting.repeats
    ));
    Ok(())
}

/// Over HTTP, to a server of another state folder, which therefore adopts nothing itself.
fn replayed(setting: &Setting) -> Result<f64> {
    let (state, spool) = (StateFolder::new()?, StateFolder::new()?);
    let server = Server::start(&setting.binary, &state)?;
    let endpoint = format!("http://{}/mcp", server.address);
    let left = dead_shells::leave(&spool.home(), Some(&endpoint), setting.dead)?;
    let mut replay = server::command(&setting.binary, &spool);
    replay
        .args(["event-buffer", "replay"])
        .env("SESSION_BUDDY_MCP_ENDPOINT", endpoint);
    let ms = time(&mut replay)?;
    ensure!(is_empty(&spool.home())?, "something still waits");
    check(setting, server, &state, &left)?;
    Ok(ms / 1e3)
}

fn adopted(setting: &Setting) -> Result<f64> {
    let state = StateFolder::new()?;
    let left = dead_shells::leave(&state.home(), None, setting.dead)?;
    let begin = Instant::now();
    let server = Server::start(&setting.binary, &state)?;
    let empty = clock::poll(LIMIT, PAUSE, || match is_empty(&state.home()) {
        Ok(true) => Some(Ok(begin.elapsed())),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    });
    let took = empty.context("the server does not adopt everything")??;
    check(setting, server, &state, &left)?;
    Ok(took.as_secs_f64())
}

fn is_empty(state_folder: &Path) -> Result<bool> {
    for entry in fs::read_dir(state_folder.join("spool"))? {
        if entry?.path().extension().is_some_and(|end| end == "spool") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The part of a session record that is compared.
#[derive(Deserialize)]
struct Listed {
    session_id: String,
    status: String,
}

/// Checks that the server knows each session once, as what it is, and has no event of it twice. Stops the server.
fn check(setting: &Setting, server: Server, state: &StateFolder, left: &Left) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listed: Vec<Listed> = runtime.block_on(listed::all(server.address))?;
    let known: HashMap<&str, &str> = listed
        .iter()
        .map(|listed| (listed.session_id.as_str(), listed.status.as_str()))
        .collect();
    ensure!(
        known.len() == listed.len() && known.len() == left.len(),
        "{} sessions are there, {} of them different; {} were left",
        listed.len(),
        known.len(),
        left.len()
    );
    for (id, status) in left {
        let known = known.get(id.as_str());
        ensure!(
            known == Some(status),
            "{id} is {status}, and known as {known:?}"
        );
    }
    server.stop(state)?;
    let output = server::command(&setting.binary, state)
        .arg("verify")
        .output()?;
    let verified = String::from_utf8_lossy(&output.stdout);
    let expected = format!(
        "verified: {} ledger records, {} sessions\n",
        FIRST_RECORD + setting.dead * EVENTS_PER_SESSION,
        setting.dead
    );
    ensure!(
        output.status.success() && verified.starts_with(&expected),
        "the record should be {expected:?}: {output:?}"
    );
    Ok(())
}
