//! Latency of starts at a fixed rate, counted from the moment at which each was due.

use anyhow::Result;

use super::Setting;
use super::prefilled::Prefilled;
use super::table::{Sample, Table, ratio, tenths, verdict, whole};
use crate::load::Destination;
use crate::load::open::{Outcome, Run};
use crate::server::{Server, StateFolder};

const CONNECTIONS: usize = 1_000;
const PER_SECOND: u32 = 4_000;
/// The rate counts as reached from this part of it on.
const REACHED: f64 = 0.99;
const P99_EMPTY_MS: f64 = 25.0;
const P99_FULL_MS: f64 = 40.0;

#[derive(Default)]
struct Series {
    per_second: Sample,
    p50: Sample,
    p99: Sample,
    max: Sample,
    errors: u64,
    first_error: Option<String>,
}

impl Series {
    fn add(&mut self, mut outcome: Outcome) {
        self.per_second.push(outcome.per_second_reached);
        self.p50.push(outcome.seen.quantile_ms(0.5));
        self.p99.push(outcome.seen.quantile_ms(0.99));
        self.max.push(outcome.seen.quantile_ms(1.0));
        self.errors += outcome.seen.errors;
        self.first_error = self.first_error.take().or(outcome.seen.first_error);
    }

    fn row(&self, store: &str, target_ms: f64) -> Vec<String> {
        let rate = self.per_second.median() >= REACHED * f64::from(PER_SECOND);
        vec![
            store.to_owned(),
            self.per_second.show(whole),
            if rate { "yes" } else { "NO" }.to_owned(),
            self.p50.show(ratio),
            self.p99.show(tenths),
            self.max.show(tenths),
            self.errors.to_string(),
            format!("p99 <= {target_ms:.0} ms"),
            verdict(rate && self.p99.median() <= target_ms),
        ]
    }
}

pub(super) fn measure(setting: &Setting) -> Result<()> {
    let prefilled = Prefilled::prepare(setting)?;
    let window = setting.window(10);
    let (mut empty, mut full) = (Series::default(), Series::default());
    for repeat in 0..setting.repeats {
        let seed = 1 << 24 | u64::from(repeat);
        empty.add(on_store(setting, &StateFolder::new()?, seed)?);
        if let Some(prefilled) = &prefilled {
            full.add(on_store(setting, &prefilled.copy()?, seed)?);
        }
    }
    let heading = [
        "store",
        "starts/s",
        "rate reached",
        "p50 ms",
        "p99 ms",
        "max ms",
        "errors",
        "target",
        "",
    ];
    let mut table = Table::new(&heading);
    table.row(empty.row("empty", P99_EMPTY_MS));
    if prefilled.is_some() {
        table.row(full.row(&format!("{} sessions", setting.sessions), P99_FULL_MS));
    }
    table.print(&format!(
        "Latency from the due time, {PER_SECOND} starts/s over {CONNECTIONS} connections, {} repeats of {window:?}",
        setting.repeats
    ));
    for series in [&empty, &full] {
        if let Some(error) = &series.first_error {
            println!("{} errors, the first: {error}", series.errors);
        }
    }
    Ok(())
}

fn on_store(setting: &Setting, state: &StateFolder, seed: u64) -> Result<Outcome> {
    let server = Server::start(&setting.binary, state)?;
    let destination = Destination::mcp(server.address);
    let run = Run {
        destination,
        connections: CONNECTIONS,
        per_second: PER_SECOND,
        window: setting.window(10),
        seed,
    };
    let outcome = run.measure()?;
    server.stop(state)?;
    Ok(outcome)
}
