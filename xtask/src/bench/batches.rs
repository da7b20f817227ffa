//! Starts per second in batches, as deliverers with a backlog send them, into an empty store and into a full one.

use std::time::Duration;

use anyhow::Result;

use super::Setting;
use super::prefilled::Prefilled;
use super::table::{Sample, Table, tenths, verdict, whole};
use crate::load::Destination;
use crate::load::closed::{Outcome, Run};
use crate::server::{Server, StateFolder};

const CONNECTIONS: usize = 4;
const EVENTS: usize = 100;
const EVENTS_PER_SECOND: f64 = 20_000.0;

/// The repeats of one store.
#[derive(Default)]
struct Series {
    events_per_second: Sample,
    cpu_us: Sample,
    client_cpu_us: Sample,
    p50_ms: Sample,
    p99_ms: Sample,
    errors: u64,
    first_error: Option<String>,
}

impl Series {
    fn add(&mut self, mut outcome: Outcome) {
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        let events = EVENTS as f64;
        self.events_per_second.push(outcome.per_second * events);
        self.cpu_us
            .push(outcome.cpu_us_per_thousand / 1_000.0 / events);
        self.client_cpu_us.push(outcome.client_cpu_us / events);
        self.p50_ms.push(outcome.seen.quantile_ms(0.5));
        self.p99_ms.push(outcome.seen.quantile_ms(0.99));
        self.errors += outcome.seen.errors;
        self.first_error = self.first_error.take().or(outcome.seen.first_error);
    }

    fn row(&self, store: &str) -> Vec<String> {
        vec![
            store.to_owned(),
            self.events_per_second.show(whole),
            self.cpu_us.show(tenths),
            self.client_cpu_us.show(tenths),
            self.p50_ms.show(tenths),
            self.p99_ms.show(tenths),
            self.errors.to_string(),
            format!(">= {EVENTS_PER_SECOND:.0}/s"),
            verdict(self.events_per_second.median() >= EVENTS_PER_SECOND),
        ]
    }
}

pub(super) fn measure(setting: &Setting) -> Result<()> {
    let window = setting.window(5);
    let prefilled = Prefilled::prepare(setting)?;
    let (mut empty, mut full) = (Series::default(), Series::default());
    for repeat in 0..setting.repeats {
        let seed = 1 << 24 | u64::from(repeat);
        for turn in 0..2 {
            match &prefilled {
                Some(prefilled) if (turn + repeat) % 2 == 1 => {
                    full.add(on_store(setting, &prefilled.copy()?, window, seed)?);
                }
                None if turn == 1 => {}
                Some(_) | None => {
                    empty.add(on_store(setting, &StateFolder::new()?, window, seed)?);
                }
            }
        }
    }
    let mut table = Table::new(&[
        "store",
        "events/s",
        "server CPU us",
        "client CPU us",
        "p50 ms",
        "p99 ms",
        "errors",
        "target",
        "",
    ]);
    table.row(empty.row("empty"));
    if prefilled.is_some() {
        table.row(full.row(&format!("{} sessions", setting.sessions)));
    }
    table.print(&format!(
        "Starts in batches of {EVENTS} over {CONNECTIONS} connections, {} repeats of {window:?}",
        setting.repeats
    ));
    for error in [empty, full]
        .iter()
        .filter_map(|series| series.first_error.as_deref())
    {
        println!("the first error: {error}");
    }
    Ok(())
}

fn on_store(
    setting: &Setting,
    state: &StateFolder,
    window: Duration,
    seed: u64,
) -> Result<Outcome> {
    let server = Server::start(&setting.binary, state)?;
    let outcome = Run {
        destination: Destination::batches(server.address, EVENTS),
        pid: server.pid(),
        connections: CONNECTIONS,
        window,
        seed,
    }
    .measure()?;
    server.stop(state)?;
    Ok(outcome)
}
