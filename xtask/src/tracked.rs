//! Tracked shells without a shell: processes that do with tracking what a shell does, and tell how long it took.

pub(crate) mod many;

use std::fs::File;
use std::io::{Read, Write, stdin, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use session_client::emitter::Connection;
use session_client::identity::Identity;
use session_client::settings::Settings;
use session_client::{Beginning, Clock, Emitter, Ending};
use session_model::{ComponentName, ExitReason};

use crate::clock;

/// The component of these shells, which is that of the example shell.
pub(crate) const COMPONENT: &str = "billing";
/// What a shell writes before it waits for its siblings to begin with it.
pub(crate) const READY: &str = "ready\n";
/// What a shell writes before it waits for its siblings to end with it.
pub(crate) const BEGUN: &str = "begun\n";
/// How long the banner may look for a server.
const PROBE: Duration = Duration::from_millis(2);
/// Longer than a shell takes to learn that nobody answers.
const KNOWN_LIMIT: Duration = Duration::from_secs(30);

/// How the shell lives.
#[derive(Args)]
pub(crate) struct Options {
    /// Begin only when standard input ends, and end only when this file is unlocked
    #[arg(long)]
    together: Option<PathBuf>,
    /// End only when it is known that no server answers
    #[arg(long)]
    until_offline: bool,
}

/// What the prompt's thread spent in calls for tracking, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) settings: f64,
    pub(crate) identity: f64,
    pub(crate) begin: f64,
    pub(crate) probe: f64,
    pub(crate) deliver: f64,
    pub(crate) end: f64,
    /// Processor time of all but `end`: what is above it was spent waiting.
    pub(crate) start_cpu: f64,
}

impl Spent {
    /// From the first call to the last one before commands are read.
    pub(crate) const fn start(&self) -> f64 {
        self.settings + self.identity + self.begin + self.probe + self.deliver
    }
}

/// Opens and ends one tracked session, and prints what that took.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.together.is_some() {
        stdout().write_all(READY.as_bytes())?;
        stdin().read_to_end(&mut Vec::new())?;
    }
    let component: ComponentName = COMPONENT.parse().map_err(anyhow::Error::msg)?;
    let variable = |name: &str| std::env::var_os(name);
    let cpu_before = cpu();

    let mut watch = Watch(Instant::now());
    let (settings, _) = Settings::from_environment(&component, &variable);
    let settings_took = watch.lap();
    let identity = Identity::of_this_process(&variable);
    let identity_took = watch.lap();
    let emitter = Emitter::begin(&settings, identity, beginning(component), Clock::system());
    let begin_took = watch.lap();
    emitter.probe(PROBE);
    let probe_took = watch.lap();
    // Here a shell paints its prompt.
    emitter.deliver();
    let deliver_took = watch.lap();

    let start_cpu = cpu().saturating_sub(cpu_before);
    if let Some(gate) = &options.together {
        let gate = File::open(gate)?;
        stdout().write_all(BEGUN.as_bytes())?;
        gate.lock_shared()?;
    }
    if options.until_offline {
        wait_until_offline(&emitter)?;
    }
    let mut watch = Watch(Instant::now());
    emitter.end(Ending {
        reason: ExitReason::Exit,
        exit_code: 0,
    });
    let spent = Spent {
        settings: settings_took,
        identity: identity_took,
        begin: begin_took,
        probe: probe_took,
        deliver: deliver_took,
        end: watch.lap(),
        start_cpu: microseconds(start_cpu),
    };
    println!("{}", serde_json::to_string(&spent)?);
    Ok(())
}

/// What each of these shells says of itself.
pub(crate) fn beginning(component: ComponentName) -> Beginning {
    Beginning {
        component,
        shell_type: "BillingShell".to_owned(),
        session_type: Default::default(),
        reason: None,
        metadata:
            serde_json::json!({"component_version": "1.0.0", "adapters": ["ledger", "mailer"]})
                .as_object()
                .cloned()
                .unwrap_or_default(),
    }
}

fn wait_until_offline(emitter: &Emitter) -> Result<()> {
    let known = clock::poll(KNOWN_LIMIT, Duration::from_millis(1), || {
        matches!(emitter.status().connection, Connection::Offline { .. }).then_some(())
    });
    known.context("a server answers")
}

/// A stopwatch that begins anew with each lap.
struct Watch(Instant);

impl Watch {
    /// Gives the microseconds since the last lap.
    fn lap(&mut self) -> f64 {
        let before = std::mem::replace(&mut self.0, Instant::now());
        microseconds(self.0 - before)
    }
}

/// Processor time of this thread.
fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

const fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
