//! What tokens and bounds cost in starts per second, and what hostile clients cost an honest one in latency.
//!
//! The hostile ones run on the same two cores as everything else, so that what they take from the machine is in the figure.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Setting;
use super::table::{Sample, Table, ratio, tenths, verdict, whole};
use crate::http::Connection;
use crate::load::Destination;
use crate::load::closed::{Outcome, Run};
use crate::server::{self, Server, StateFolder};

/// As the documents make one. It guards nothing.
const SECRET: (&str, &str) = (
    "SESSION_BUDDY_SECRET",
    "hSc1dQfVQ1oh5EhwEIDgDtGzxuyEbW6TW8I1cW0Zf6Y",
);
/// Rates switched off.
const NO_RATES: &[(&str, &str)] = &[("SESSION_BUDDY_LOCAL_REQUESTS_PER_SECOND", "0")];
const CONNECTIONS: usize = 64;
const KEPT: f64 = 0.90;
/// Connections of the honest client beside hostile ones.
const HONEST: usize = 16;
const SLOW: usize = 100;
const FLOODING: usize = 8;
const P99_RATIO: f64 = 2.0;

pub(super) fn measure(setting: &Setting) -> Result<()> {
    cost_of_tokens_and_bounds(setting)?;
    beside_hostile_clients(setting)
}

fn cost_of_tokens_and_bounds(setting: &Setting) -> Result<()> {
    let (mut without, mut with) = (Sample::default(), Sample::default());
    let mut ratios = Sample::default();
    for repeat in 0..setting.repeats {
        let seed = 3 << 16 | u64::from(repeat);
        let mut rates = [0.0; 2];
        for turn in 0..2 {
            let arm = (turn + repeat as usize) % 2;
            let state = StateFolder::new()?;
            let (variables, token) = if arm == 0 {
                (NO_RATES, None)
            } else {
                (&[SECRET][..], Some(token(setting, &state)?))
            };
            let server = Server::start_with(&setting.binary, &state, variables)?;
            let run = run(setting, &server, token, CONNECTIONS, seed);
            let outcome = right(run.measure()?)?;
            rates[arm] = outcome.per_second;
            server.stop(&state)?;
        }
        without.push(rates[0]);
        with.push(rates[1]);
        ratios.push(rates[1] / rates[0]);
    }
    let mut table = Table::new(&[
        "connections",
        "no tokens, no rates",
        "tokens and bounds",
        "with / without",
        "target",
        "",
    ]);
    table.row([
        CONNECTIONS.to_string(),
        without.show(whole),
        with.show(whole),
        ratios.show(ratio),
        format!(">= {KEPT:.2}"),
        verdict(ratios.median() >= KEPT),
    ]);
    table.print(&format!(
        "Starts per second through MCP over TCP, {} repeats",
        setting.repeats
    ));
    Ok(())
}

fn beside_hostile_clients(setting: &Setting) -> Result<()> {
    let (mut alone, mut beside) = (Sample::default(), Sample::default());
    let (mut ratios, mut refused) = (Sample::default(), Sample::default());
    for repeat in 0..setting.repeats {
        let seed = 4 << 16 | u64::from(repeat);
        let state = StateFolder::new()?;
        let token = token(setting, &state)?;
        let server = Server::start_with(&setting.binary, &state, &[SECRET])?;
        let run = run(setting, &server, Some(token), HONEST, seed);
        let mut p99 = [0.0; 2];
        for turn in 0..2 {
            let arm = (turn + repeat as usize) % 2;
            let mut outcome = right(if arm == 0 {
                run.measure()?
            } else {
                let hostile = Hostile::default();
                thread::scope(|scope| {
                    scope.spawn(|| hostile.flood(server.address));
                    scope.spawn(|| hostile.hold(server.address));
                    let outcome = run.measure();
                    hostile.over.store(true, Ordering::Relaxed);
                    outcome
                })
                .inspect(|_| {
                    let count = u32::try_from(hostile.refused.load(Ordering::Relaxed));
                    refused.push(f64::from(count.unwrap_or(u32::MAX)));
                })?
            })?;
            p99[arm] = outcome.seen.quantile_ms(0.99);
        }
        alone.push(p99[0]);
        beside.push(p99[1]);
        ratios.push(p99[1] / p99[0]);
        server.kill()?;
    }
    let mut table = Table::new(&[
        "honest p99 ms alone",
        "beside hostile ones",
        "refused to them",
        "beside / alone",
        "target",
        "",
    ]);
    table.row([
        alone.show(tenths),
        beside.show(tenths),
        refused.show(whole),
        ratios.show(ratio),
        format!("<= {P99_RATIO:.1}"),
        verdict(ratios.median() <= P99_RATIO),
    ]);
    table.print(&format!(
        "An honest client with {HONEST} connections beside {SLOW} slow-loris and {FLOODING} that flood bad tokens, {} repeats",
        setting.repeats
    ));
    Ok(())
}

fn run(
    setting: &Setting,
    server: &Server,
    token: Option<&'static str>,
    connections: usize,
    seed: u64,
) -> Run {
    Run {
        destination: Destination::mcp(server.address).with_token(token),
        pid: server.pid(),
        connections,
        window: setting.window(3),
        seed,
    }
}

/// Refuses a run in which the honest client was refused anything.
fn right(outcome: Outcome) -> Result<Outcome> {
    let seen = &outcome.seen;
    ensure!(
        seen.errors == 0,
        "{} errors, the first: {:?}",
        seen.errors,
        seen.first_error
    );
    Ok(outcome)
}

/// Has the program make a token. It lives as long as this process, as the load generator wants it.
fn token(setting: &Setting, state: &StateFolder) -> Result<&'static str> {
    let made = server::command(&setting.binary, state)
        .args([
            "token",
            "create",
            "--subject",
            "bench",
            "--scope",
            "emit",
            "--ttl",
            "1h",
        ])
        .env(SECRET.0, SECRET.1)
        .output()?;
    ensure!(
        made.status.success(),
        "no token: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let text = String::from_utf8(made.stdout).context("a token is text")?;
    Ok(String::leak(text.trim().to_owned()))
}

/// Hostile clients, until it is over.
#[derive(Default)]
struct Hostile {
    over: AtomicBool,
    refused: AtomicU64,
}

impl Hostile {
    /// Asks with bad tokens as fast as it is answered.
    fn flood(&self, address: SocketAddr) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        else {
            return;
        };
        runtime.block_on(async {
            let mut clients = tokio::task::JoinSet::new();
            for _ in 0..FLOODING {
                clients.spawn(bad_token(address));
            }
            while !self.over.load(Ordering::Relaxed) {
                let Some(done) = clients.join_next().await else {
                    return;
                };
                self.refused
                    .fetch_add(u64::from(done.unwrap_or(false)), Ordering::Relaxed);
                clients.spawn(bad_token(address));
            }
        });
    }

    /// Keeps headers open that never end, byte by byte; opens again what is closed.
    fn hold(&self, address: SocketAddr) {
        let open = || {
            let mut stream = TcpStream::connect(address).ok()?;
            stream
                .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
                .ok()?;
            Some(stream)
        };
        let mut held: Vec<Option<TcpStream>> = (0..SLOW).map(|_| open()).collect();
        while !self.over.load(Ordering::Relaxed) {
            for slow in &mut held {
                let alive = slow
                    .as_mut()
                    .is_some_and(|stream| stream.write_all(b"x").is_ok());
                if !alive {
                    *slow = open();
                }
            }
            thread::park_timeout(Duration::from_millis(100));
        }
    }
}

/// Opens a connection and asks with a bad token; whether it was refused.
async fn bad_token(address: SocketAddr) -> bool {
    let Ok(connection) = Connection::open(address).await else {
        return false;
    };
    let mut connection = connection.with_token(Some("eyJhbGciOiJIUzI1NiJ9.e30.bad"));
    let answer = connection.post("/mcp", b"{}").await;
    answer.is_ok_and(|answer| matches!(answer.status, 401 | 429))
}
