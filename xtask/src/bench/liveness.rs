//! How soon a server knows that a shell is gone, and what it costs to know that the others are not.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use session_client::identity::Identity;
use session_model::Timestamp;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at};
use uuid::Uuid;

use super::table::{Sample, Table, ratio, tenths, verdict, whole};
use super::{Setting, build};
use crate::http::Connection;
use crate::process::{self, Owned};
use crate::server::{self, Server, StateFolder};
use crate::workspace;
use crate::{clock, listed};

const KILLS: usize = 200;
const LIMIT: Duration = Duration::from_secs(60);
const SAME_HOST_SECONDS: f64 = 3.0;
/// A lease of 6 seconds.
const INTERVAL_SECONDS: u32 = 2;
const LEASE_SECONDS: f64 = 6.0;
const BEYOND_LEASE_SECONDS: f64 = 10.0;
const WATCHED: usize = 10_000;
/// Those of them that are killed one by one.
const ONE_BY_ONE: usize = 500;
const LEASED: usize = 100_000;
const CONNECTIONS: usize = 256;
const BATCH: usize = 100;
/// Longer than the minute after which everything heard is written once.
const HEARTBEATS_WINDOW: Duration = Duration::from_secs(75);
const RESIDENT_MIB: f64 = 128.0;
const CORES: f64 = 0.5;

/// The part of a session record that is looked at.
#[derive(Deserialize)]
struct Listed {
    session_id: String,
    status: String,
    liveness: Option<String>,
    end_known_by: Option<String>,
    end_time: Option<Timestamp>,
    end_latest: Option<Timestamp>,
    last_seen: Timestamp,
    pid: u32,
}

pub(super) fn measure(setting: &Setting) -> Result<()> {
    build(&["-p", "admin-shell", "--example", "billing"])?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut table = Table::new(&["until lost, s", "median", "worst", "target", ""]);
    let mut row = |name: &str, sample: &Sample, target: f64| {
        let worst = sample.quantile(1.0);
        table.row([
            name.to_owned(),
            ratio(sample.median()),
            ratio(worst),
            format!("<= {target:.0}"),
            verdict(worst <= target),
        ]);
    };
    let shells = killed_shells(setting, &runtime)?;
    row(
        "kill -9 of the example shell, seen by a reader",
        &shells,
        SAME_HOST_SECONDS,
    );
    let strangers = killed_strangers(setting, &runtime)?;
    row(
        "kill -9 of a process that spools nothing",
        &strangers,
        SAME_HOST_SECONDS,
    );
    let leases = silent(setting, &runtime)?;
    row(
        "silence elsewhere, beyond the lease",
        &leases,
        BEYOND_LEASE_SECONDS,
    );
    table.print(&format!(
        "How soon a shell is known to be gone, {KILLS} each"
    ));
    watched(setting, &runtime)?;
    leased(setting, &runtime)
}

/// Opens the example, kills it, and asks until a reader is told.
fn killed_shells(setting: &Setting, runtime: &Runtime) -> Result<Sample> {
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let example = workspace::target().join("release/examples/billing");
    let mut connection = runtime.block_on(Connection::open(server.address))?;
    let mut sample = Sample::default();
    for _ in 0..KILLS {
        let mut command = server::command(&example, &state);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        // Without its input it would leave.
        let input = child.stdin.take();
        let mut shell = Owned::new(child);
        let pid = shell.pid();
        let mut ask = |path: &str| -> Result<Value> {
            let answer = runtime.block_on(connection.get(path))?;
            Ok(serde_json::from_slice(answer.body)?)
        };
        let id = poll("a shell that is live", || {
            let newest = ask("/api/sessions?limit=1").ok()?;
            let newest = newest.get(0)?;
            let live = newest["pid"] == pid && newest["liveness"] == "live";
            live.then(|| newest["session_id"].as_str().map(str::to_owned))?
        })?;
        let path = format!("/api/sessions/{id}");
        let killed = Instant::now();
        shell.kill()?;
        let record = poll("a shell that is lost", || {
            ask(&path).ok().filter(|record| record["status"] == "lost")
        })?;
        sample.push(killed.elapsed().as_secs_f64());
        ensure!(record["end_known_by"] == "process_gone", "{record}");
        drop(input);
    }
    server.stop(&state)?;
    Ok(sample)
}

/// Processes of which the server only knows what their start said.
fn killed_strangers(setting: &Setting, runtime: &Runtime) -> Result<Sample> {
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let mut crowd = Crowd::open(KILLS)?;
    let starts = crowd
        .pids
        .iter()
        .map(|pid| of_process(*pid))
        .collect::<Result<Vec<_>>>()?;
    begin(runtime, server.address, starts)?;
    wait_until_live(runtime, server.address, KILLS)?;
    let mut killed = HashMap::new();
    for pid in crowd.pids.clone() {
        killed.insert(pid, now());
        kill(pid)?;
        // Spread over a second, as the sweeps are.
        clock::sleep_until(Instant::now() + Duration::from_millis(5));
    }
    let records = wait_until_lost(runtime, server.address, KILLS)?;
    crowd.close();
    server.stop(&state)?;
    let until_lost = |record: &Listed| Some(seconds(*killed.get(&record.pid)?, record.end_latest?));
    Ok(records.iter().filter_map(until_lost).collect())
}

/// Senders elsewhere that stop in the middle of their heartbeats.
fn silent(setting: &Setting, runtime: &Runtime) -> Result<Sample> {
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let starts = (0..KILLS).map(|_| leased_start(INTERVAL_SECONDS)).collect();
    let ids = begin(runtime, server.address, starts)?;
    let lines: Vec<_> = ids.iter().map(|id| heartbeat(id)).collect();
    runtime.block_on(post(server.address, &lines, "alive"))?;
    let records = wait_until_lost(runtime, server.address, KILLS)?;
    server.stop(&state)?;
    let beyond = |record: &Listed| {
        assert_eq!(record.end_known_by.as_deref(), Some("lease_expired"));
        Some(seconds(record.last_seen, record.end_latest?) - LEASE_SECONDS)
    };
    Ok(records.iter().filter_map(beyond).collect())
}

fn watched(setting: &Setting, runtime: &Runtime) -> Result<()> {
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let mut crowd = Crowd::open(WATCHED)?;
    // Memory that starts alone take: the same events of processes that nobody can look for.
    let plain = (0..WATCHED).map(|_| unwatched_start()).collect();
    begin(runtime, server.address, plain)?;
    clock::sleep_until(Instant::now() + Duration::from_secs(1));
    let before = mebibytes(process::memory(server.pid(), "VmRSS")?);
    let starts = crowd
        .pids
        .iter()
        .map(|pid| of_process(*pid))
        .collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    begin(runtime, server.address, starts)?;
    wait_until_live(runtime, server.address, WATCHED)?;
    let until_watched = begun.elapsed();
    clock::sleep_until(Instant::now() + Duration::from_secs(1));
    let after = mebibytes(process::memory(server.pid(), "VmRSS")?);
    let cpu = process::cpu(server.pid())?;
    clock::sleep_until(Instant::now() + Duration::from_secs(10));
    let idle = process::cpu(server.pid())?.saturating_sub(cpu);
    let mut killed = HashMap::new();
    for pid in crowd.pids.iter().take(ONE_BY_ONE).copied() {
        killed.insert(pid, now());
        kill(pid)?;
        clock::sleep_until(Instant::now() + Duration::from_millis(4));
    }
    wait_until_lost(runtime, server.address, ONE_BY_ONE)?;
    let all = Instant::now();
    crowd.close();
    let records = wait_until_lost(runtime, server.address, WATCHED)?;
    let all = all.elapsed();
    server.stop(&state)?;
    let woken: Sample = records
        .iter()
        .filter_map(|record| Some(seconds(*killed.get(&record.pid)?, record.end_time?) * 1e3))
        .collect();
    let mut table = Table::new(&["10,000 watched processes", "measured"]);
    table.row([
        "memory before, with as many sessions that are not".to_owned(),
        format!("{} MiB", tenths(before)),
    ]);
    table.row([
        "... and with them".to_owned(),
        format!("{} MiB", tenths(after)),
    ]);
    table.row([
        "from the first start until all are watched".to_owned(),
        format!("{} s", tenths(until_watched.as_secs_f64())),
    ]);
    table.row([
        "processor time in 10 s in which nothing happens".to_owned(),
        format!("{} ms", idle.as_millis()),
    ]);
    table.row([
        format!("kill to woken, {ONE_BY_ONE} one by one"),
        format!(
            "median {} ms, p99 {} ms, worst {} ms",
            ratio(woken.median()),
            ratio(woken.quantile(0.99)),
            ratio(woken.quantile(1.0))
        ),
    ]);
    table.row([
        "the others at once, until all are lost".to_owned(),
        format!("{} s", tenths(all.as_secs_f64())),
    ]);
    table.print("What watching costs");
    Ok(())
}

fn leased(setting: &Setting, runtime: &Runtime) -> Result<()> {
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let starts = (0..LEASED).map(|_| leased_start(30)).collect();
    let ids = begin(runtime, server.address, starts)?;
    let cpu = process::cpu(server.pid())?;
    let began = Instant::now();
    let sent = runtime.block_on(keep_alive(server.address, &ids))?;
    let elapsed = began.elapsed().as_secs_f64();
    let cpu = process::cpu(server.pid())?
        .saturating_sub(cpu)
        .as_secs_f64()
        / elapsed;
    let resident = mebibytes(process::memory(server.pid(), "VmRSS")?);
    let highest = mebibytes(process::memory(server.pid(), "VmHWM")?);
    let path = "/api/sessions?status=lost&limit=1";
    let lost: Value = runtime.block_on(async {
        let mut connection = Connection::open(server.address).await?;
        let answer = connection.get(path).await?;
        anyhow::Ok(serde_json::from_slice(answer.body)?)
    })?;
    ensure!(lost == json!([]), "a lease was taken for run out: {lost}");
    server.stop(&state)?;
    let mut table = Table::new(&["100,000 leases, 256 connections", "measured", "target", ""]);
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let rate = sent as f64 / elapsed;
    table.row([
        "heartbeats a second, all alive, none lost".to_owned(),
        whole(rate),
        "3333".to_owned(),
        verdict(rate >= 3_200.0),
    ]);
    table.row([
        "cores".to_owned(),
        ratio(cpu),
        format!("<= {CORES}"),
        verdict(cpu <= CORES),
    ]);
    table.row([
        "resident memory, MiB".to_owned(),
        tenths(resident),
        format!("<= {RESIDENT_MIB:.0}"),
        verdict(resident <= RESIDENT_MIB),
    ]);
    table.row([
        "... its highest point".to_owned(),
        tenths(highest),
        String::new(),
        String::new(),
    ]);
    table.print("What leases cost");
    Ok(())
}

/// Sends each session's heartbeat every 30 seconds, as many connections one after the other, and gives how many were sent.
async fn keep_alive(address: SocketAddr, ids: &[String]) -> Result<u64> {
    let mut connections = JoinSet::new();
    let begin = tokio::time::Instant::now();
    for ids in ids.chunks(ids.len().div_ceil(CONNECTIONS)) {
        let lines: Vec<_> = ids.iter().map(|id| heartbeat(id).to_string()).collect();
        connections.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let pause = Duration::from_secs(30) / u32::try_from(lines.len())?;
            let mut ticks = interval_at(begin, pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut sent = 0;
            for line in lines.iter().cycle() {
                ticks.tick().await;
                if begin.elapsed() >= HEARTBEATS_WINDOW {
                    break;
                }
                let answer = connection
                    .post_lines("/api/events", line.as_bytes())
                    .await?;
                let right = answer.body.windows(7).any(|word| word == b"\"alive\"");
                ensure!(right, "{}", answer.excerpt());
                sent += 1;
            }
            Ok(sent)
        });
    }
    let mut sent = 0;
    while let Some(connection) = connections.join_next().await {
        sent += connection??;
    }
    Ok(sent)
}

/// Processes that do nothing and share nearly all their memory: children that a shell forks.
struct Crowd {
    pids: Vec<u32>,
    shell: Owned,
    input: Option<std::process::ChildStdin>,
}

impl Crowd {
    fn open(count: usize) -> Result<Self> {
        const FORK: &str = r#"exec 3<&0; i=0; while [ $i -lt "$1" ]; do { read -r line; } <&3 & echo $!; i=$((i+1)); done; exec 1>&-; wait"#;
        let mut shell = Command::new("sh")
            .args(["-c", FORK, "sh", &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = shell.stdin.take();
        let output = BufReader::new(shell.stdout.take().context("its output is a pipe")?);
        let shell = Owned::new(shell);
        let pids = output
            .lines()
            .take(count)
            .map(|line| Ok(line?.trim().parse()?))
            .collect::<Result<Vec<_>>>()?;
        ensure!(
            pids.len() == count,
            "only {} processes were made",
            pids.len()
        );
        Ok(Self { pids, shell, input })
    }

    /// Lets all end that still live.
    fn close(&mut self) {
        drop(self.input.take());
        let _ = self.shell.ended();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.close();
    }
}

fn kill(pid: u32) -> Result<()> {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("a pid is positive")?;
    Ok(rustix::process::kill_process(
        pid,
        rustix::process::Signal::KILL,
    )?)
}

fn start(pid: u64) -> Value {
    json!({
        "event_version": "1.0",
        "event_type": "session_start",
        "event_id": Uuid::now_v7().to_string(),
        "component_name": "mahavishnu",
        "shell_type": "MahavishnuShell",
        "timestamp": clock::now().to_string(),
        "pid": pid,
        "user": {"username": "les", "home": "/home/les"},
        "hostname": "build-7",
        "environment": {"python_version": "3.13.1", "platform": "Linux-6.1", "cwd": "/srv/app"},
    })
}

/// A start of a process that no machine here has.
fn unwatched_start() -> Value {
    start(4_194_304)
}

fn leased_start(interval_seconds: u32) -> Value {
    let mut start = unwatched_start();
    start["heartbeat_interval_seconds"] = interval_seconds.into();
    start
}

/// A start as a process of ours says it.
fn of_process(pid: u32) -> Result<Value> {
    let own = Identity::of_this_process(&|_| None)
        .process
        .context("there is no /proc")?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("a stat line has a name")?.1;
    let ticks: u64 = fields
        .split_ascii_whitespace()
        .nth(19)
        .context("it has 22 fields")?
        .parse()?;
    let mut start = start(pid.into());
    start["process"] = json!({
        "boot_id": &*own.boot_id,
        "pid_namespace": own.pid_namespace.get(),
        "start_ticks": ticks,
    });
    Ok(start)
}

fn heartbeat(id: &str) -> Value {
    json!({"event_type": "session_heartbeat", "session_id": id, "timestamp": clock::now().to_string()})
}

/// Sends starts and gives the ids of their sessions.
fn begin(runtime: &Runtime, address: SocketAddr, starts: Vec<Value>) -> Result<Vec<String>> {
    let answers = runtime.block_on(post(address, &starts, "tracked"))?;
    let id = |answer: &Value| answer["session_id"].as_str().map(str::to_owned);
    answers
        .iter()
        .map(|answer| id(answer).context("no session id"))
        .collect()
}

async fn post(address: SocketAddr, events: &[Value], expected: &str) -> Result<Vec<Value>> {
    let mut connection = Connection::open(address).await?;
    let mut answers = Vec::with_capacity(events.len());
    for some in events.chunks(BATCH) {
        let lines: Vec<_> = some.iter().map(Value::to_string).collect();
        let answer = connection
            .post_lines("/api/events", lines.join("\n").as_bytes())
            .await?;
        let results: Vec<Value> =
            serde_json::from_slice(answer.body).with_context(|| answer.excerpt())?;
        for result in &results {
            ensure!(result["status"] == expected, "{result}");
        }
        answers.extend(results);
    }
    Ok(answers)
}

fn wait_until_live(runtime: &Runtime, address: SocketAddr, count: usize) -> Result<()> {
    let live = |record: &Listed| record.liveness.as_deref() == Some("live");
    wait(runtime, address, count, "live", live).map(drop)
}

fn wait_until_lost(runtime: &Runtime, address: SocketAddr, count: usize) -> Result<Vec<Listed>> {
    wait(runtime, address, count, "lost", |record| {
        record.status == "lost"
    })
}

/// Lists until so many sessions are as wanted, and gives them.
fn wait(
    runtime: &Runtime,
    address: SocketAddr,
    count: usize,
    what: &str,
    is_wanted: impl Fn(&Listed) -> bool,
) -> Result<Vec<Listed>> {
    let found = clock::poll(LIMIT, Duration::from_millis(100), || {
        let listed = runtime.block_on(listed::all::<Listed>(address)).ok()?;
        let found: Vec<_> = listed.into_iter().filter(&is_wanted).collect();
        (found.len() >= count).then_some(found)
    });
    let found = found.with_context(|| format!("{count} sessions are not {what} in time"))?;
    ensure!(found.iter().all(|record| !record.session_id.is_empty()));
    Ok(found)
}

fn now() -> Timestamp {
    Timestamp::saturating_from(clock::now())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times far below 2^53 microseconds"
)]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.micros_since(from) as f64 / 1e6
}

fn poll<T>(what: &str, probe: impl FnMut() -> Option<T>) -> Result<T> {
    clock::poll(LIMIT, Duration::from_millis(2), probe).with_context(|| format!("never: {what}"))
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
