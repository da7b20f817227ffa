//! Durable starts per second, beside a do-nothing tool that takes the same event and a bare echo.

use std::time::Duration;

use anyhow::Result;

use super::Setting;
use super::prefilled::Prefilled;
use super::table::{Sample, Table, ratio, tenths, verdict, whole};
use crate::baseline::Baseline;
use crate::load::Destination;
use crate::load::closed::{Outcome, Run};
use crate::server::{Server, StateFolder};

const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];
/// Where the targets are set.
const JUDGED: usize = 64;
const TO_DO_NOTHING: f64 = 0.40;
const TO_DO_NOTHING_AT_LEAST: f64 = 0.33;
const FULL_TO_EMPTY: f64 = 0.60;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arm {
    Start,
    DoNothing,
    Echo,
}

const ARMS: [Arm; 3] = [Arm::Start, Arm::DoNothing, Arm::Echo];

/// The repeats of one arm.
#[derive(Clone, Default)]
struct Series {
    per_second: Sample,
    cpu: Sample,
    client_cpu: Sample,
    p50_ms: Sample,
    p99_ms: Sample,
    errors: u64,
    first_error: Option<String>,
}

impl Series {
    fn add(&mut self, mut outcome: Outcome) -> f64 {
        self.per_second.push(outcome.per_second);
        self.cpu.push(outcome.cpu_us_per_thousand);
        self.client_cpu.push(outcome.client_cpu_us);
        self.p50_ms.push(outcome.seen.quantile_ms(0.5));
        self.p99_ms.push(outcome.seen.quantile_ms(0.99));
        self.errors += outcome.seen.errors;
        self.first_error = self.first_error.take().or(outcome.seen.first_error);
        outcome.per_second
    }

    fn row(&self, connections: usize, name: &str) -> Vec<String> {
        vec![
            connections.to_string(),
            name.to_owned(),
            self.per_second.show(whole),
            self.cpu.show(whole),
            self.p50_ms.show(ratio),
            self.p99_ms.show(tenths),
            self.client_cpu.show(tenths),
            self.errors.to_string(),
        ]
    }
}

const HEADING: [&str; 8] = [
    "connections",
    "what",
    "requests/s",
    "server CPU us per 1,000",
    "p50 ms",
    "p99 ms",
    "client CPU us",
    "errors",
];

pub(super) fn measure(setting: &Setting) -> Result<()> {
    beside_the_baseline(setting)?;
    if let Some(prefilled) = Prefilled::prepare(setting)? {
        full_beside_empty(setting, &prefilled)?;
    }
    Ok(())
}

fn beside_the_baseline(setting: &Setting) -> Result<()> {
    let baseline = Baseline::start()?;
    let window = setting.window(3);
    let mut series =
        vec![[Series::default(), Series::default(), Series::default()]; CONNECTIONS.len()];
    let mut ratios = vec![[Sample::default(), Sample::default()]; CONNECTIONS.len()];
    for repeat in 0..setting.repeats {
        for (place, connections) in CONNECTIONS.into_iter().enumerate() {
            let mut rates = [0.0; 3];
            for turn in 0..ARMS.len() {
                let arm = (turn + repeat as usize) % ARMS.len();
                let seed = u64::from(repeat) << 8 | place as u64;
                let outcome = match ARMS[arm] {
                    Arm::Start => on_empty_store(setting, connections, window, seed)?,
                    Arm::DoNothing => run(
                        baseline.do_nothing,
                        baseline.pid(),
                        connections,
                        window,
                        seed,
                    )?,
                    Arm::Echo => run(baseline.echo, baseline.pid(), connections, window, seed)?,
                };
                rates[arm] = series[place][arm].add(outcome);
            }
            let [start, do_nothing, echo] = rates;
            ratios[place][0].push(start / do_nothing);
            ratios[place][1].push(start / echo);
        }
    }

    let mut rates = Table::new(&HEADING);
    for (place, connections) in CONNECTIONS.into_iter().enumerate() {
        for (arm, name) in ["durable start", "do-nothing tool, same event", "bare echo"]
            .into_iter()
            .enumerate()
        {
            rates.row(series[place][arm].row(connections, name));
        }
    }
    rates.print(&format!(
        "Starts through MCP, empty store, {} repeats of {window:?}",
        setting.repeats
    ));
    let mut table = Table::new(&[
        "connections",
        "start / do-nothing",
        "start / echo",
        "target",
        "",
    ]);
    for (place, connections) in CONNECTIONS.into_iter().enumerate() {
        let [do_nothing, echo] = &ratios[place];
        let (target, judgement) = if connections == JUDGED {
            let target = format!(
                ">= {TO_DO_NOTHING:.2} of do-nothing, at least {TO_DO_NOTHING_AT_LEAST:.2}"
            );
            let median = do_nothing.median();
            let floor = if median >= TO_DO_NOTHING_AT_LEAST {
                "at least"
            } else {
                "MISSED"
            };
            (
                target,
                if median >= TO_DO_NOTHING {
                    verdict(true)
                } else {
                    floor.to_owned()
                },
            )
        } else {
            (String::new(), String::new())
        };
        table.row([
            connections.to_string(),
            do_nothing.show(ratio),
            echo.show(ratio),
            target,
            judgement,
        ]);
    }
    table.print("Ratios by repeat");
    series.iter().flatten().for_each(tell_errors);
    Ok(())
}

fn full_beside_empty(setting: &Setting, prefilled: &Prefilled) -> Result<()> {
    let window = setting.window(3);
    let (mut empty, mut full) = (Series::default(), Series::default());
    let mut ratios = Sample::default();
    for repeat in 0..setting.repeats {
        let seed = 1 << 16 | u64::from(repeat);
        let mut rates = [0.0; 2];
        for turn in 0..2 {
            if (turn + repeat) % 2 == 0 {
                rates[0] = empty.add(on_empty_store(setting, JUDGED, window, seed)?);
            } else {
                rates[1] = full.add(on_store(setting, &prefilled.copy()?, JUDGED, window, seed)?);
            }
        }
        ratios.push(rates[1] / rates[0]);
    }
    let mut rates = Table::new(&HEADING);
    rates.row(empty.row(JUDGED, "durable start, empty store"));
    rates.row(full.row(
        JUDGED,
        &format!("durable start, {} sessions", setting.sessions),
    ));
    rates.print(&format!(
        "Starts on a full store, {} repeats of {window:?}",
        setting.repeats
    ));
    let mut table = Table::new(&["connections", "full / empty", "target", ""]);
    let reached = verdict(ratios.median() >= FULL_TO_EMPTY);
    table.row([
        JUDGED.to_string(),
        ratios.show(ratio),
        format!(">= {FULL_TO_EMPTY:.2}"),
        reached,
    ]);
    table.print("Ratio by repeat");
    [empty, full].iter().for_each(tell_errors);
    Ok(())
}

fn on_empty_store(
    setting: &Setting,
    connections: usize,
    window: Duration,
    seed: u64,
) -> Result<Outcome> {
    on_store(setting, &StateFolder::new()?, connections, window, seed)
}

fn on_store(
    setting: &Setting,
    state: &StateFolder,
    connections: usize,
    window: Duration,
    seed: u64,
) -> Result<Outcome> {
    let server = Server::start(&setting.binary, state)?;
    let outcome = run(
        Destination::mcp(server.address),
        server.pid(),
        connections,
        window,
        seed,
    )?;
    server.stop(state)?;
    Ok(outcome)
}

pub(super) fn run(
    destination: Destination,
    pid: u32,
    connections: usize,
    window: Duration,
    seed: u64,
) -> Result<Outcome> {
    Run {
        destination,
        pid,
        connections,
        window,
        seed,
    }
    .measure()
}

fn tell_errors(series: &Series) {
    if let Some(error) = &series.first_error {
        println!("{} errors, the first: {error}", series.errors);
    }
}
