//! `cargo xtask test`: two stages, every step named, stopping at the first that fails.

mod setup;
mod step;

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::workspace::{self, Profile};
use step::{Report, Step};

/// Which stages to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run one stage only
    #[arg(long, value_enum)]
    stage: Option<Stage>,
}

/// A stage of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Needs nothing from outside once the tools are installed
    Hermetic,
    /// Runs foreign programs against the built server
    External,
}

/// What the hermetic stage may take before it says that it has grown too slow.
const HERMETIC_BUDGET: Duration = Duration::from_mins(15);

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut report = Report::default();
    let stages = match options.stage {
        Some(stage) => vec![stage],
        None => vec![Stage::Hermetic, Stage::External],
    };
    let outcome = stages.into_iter().try_for_each(|stage| match stage {
        Stage::Hermetic => hermetic(&mut report),
        Stage::External => external(&mut report),
    });
    report.print();
    outcome
}

fn hermetic(report: &mut Report) -> Result<()> {
    setup::debian_packages(report)?;
    setup::rust_components(report)?;
    setup::cargo_tools(report)?;
    let begin = Instant::now();
    for step in [
        cargo("fmt", "fmt --all --check"),
        cargo(
            "clippy",
            "clippy --locked --workspace --all-targets -- -D warnings",
        ),
        cargo("nextest", "nextest run --locked --workspace"),
        cargo("doc tests", "test --locked --workspace --doc"),
        cargo("docs", "doc --locked --workspace --no-deps").env("RUSTDOCFLAGS", "-Dwarnings"),
        cargo("deny", "deny --locked check licenses bans sources"),
    ] {
        report.run("hermetic", &step)?;
    }
    if begin.elapsed() > HERMETIC_BUDGET {
        println!(
            "note: stage hermetic took longer than {} minutes",
            HERMETIC_BUDGET.as_secs() / 60
        );
    }
    Ok(())
}

fn external(report: &mut Report) -> Result<()> {
    setup::debian_packages(report)?;
    let prometheus = setup::prometheus(report)?;
    let python = setup::venv(report)?;
    let server = workspace::session_buddy(Profile::Debug);
    let crackerjack = workspace::target().join("debug/crackerjack");
    let program = |name: &str, file: &str, limit_seconds: u32| {
        Step::new(name, "timeout")
            .arguments(["--kill-after=10", &limit_seconds.to_string()])
            .argument(&python)
            .argument("-B")
            .argument(workspace::root().join("tests/external").join(file))
            .env("SESSION_BUDDY_BINARY", &server)
            .env("CRACKERJACK_BINARY", &crackerjack)
    };
    for step in [
        cargo(
            "build",
            "build --locked -p session-buddy -p akosha -p crackerjack -p fastblocks -p mahavishnu -p oneiric",
        ),
        cargo(
            "build example",
            "build --locked -p admin-shell --example billing",
        ),
        program("mcp client", "mcp_client.py", 120),
        program("documents", "documents.py", 180),
        program("openapi", "openapi.py", 180),
        program("from python", "from_python.py", 180),
        program("quick start", "quick_start.py", 180),
        program("six shells", "six_shells.py", 120),
        program("extending", "extending.py", 600),
        program("quality tools", "quality_tools.py", 300),
        program("prefect", "prefect.py", 240),
        program("monitoring", "monitoring.py", 120).env("PROMETHEUS_TOOLS", &prometheus),
        cargo(
            "torture",
            "run --quiet --locked -p xtask -- torture --minutes 1",
        ),
        cargo("shells", "run --quiet --locked -p xtask -- shells"),
    ] {
        report.run("external", &step)?;
    }
    Ok(())
}

fn cargo(name: &str, arguments: &str) -> Step {
    Step::new(name, "cargo").arguments(arguments.split(' '))
}
