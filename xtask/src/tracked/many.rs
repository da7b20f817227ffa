//! Many tracked shells in one process, for there are not as many processes as there are clients.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use session_client::emitter::Status;
use session_client::identity::Identity;
use session_client::settings::Settings;
use session_client::{Clock, Emitter};
use session_model::ComponentName;

use super::{COMPONENT, beginning};
use crate::{clock, process};

/// What the process says once every one of its shells leaves the server alone after three calls that failed.
pub(crate) const LEFT_ALONE: &str = "left alone";
/// What the process says once a server has acknowledged the start of every one of its shells.
pub(crate) const ACKNOWLEDGED: &str = "acknowledged";
/// A shell has its spool file, and its runtime takes a few.
const FILES_PER_SHELL: u64 = 8;
/// Longer than three calls and a pause of a minute take.
const LIMIT: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(50);

/// How many there are.
#[derive(Args)]
pub(crate) struct Options {
    /// How many shells
    #[arg(long)]
    shells: u64,
    /// The folder for their state folders, one each, as if each were on a host of its own
    #[arg(long)]
    folder: PathBuf,
}

/// Opens shells, says how far they are, and leaves without ending them.
pub(crate) fn run(options: &Options) -> Result<()> {
    process::allow_open_files(options.shells * FILES_PER_SHELL + 64)?;
    let emitters: Vec<Emitter> = (0..options.shells)
        .map(|number| open(options.folder.join(number.to_string())))
        .collect::<Result<_>>()?;
    say_when(&emitters, LEFT_ALONE, |status| {
        status.circuit_open_until.is_some()
    })?;
    say_when(&emitters, ACKNOWLEDGED, |status| status.acknowledged)
}

fn open(state_folder: PathBuf) -> Result<Emitter> {
    // Folders that are there cost no fsync, which ten thousand hosts would not do on one disk either.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_folder.join("spool"))?;
    let component: ComponentName = COMPONENT.parse().map_err(anyhow::Error::msg)?;
    let variable = |name: &str| std::env::var_os(name);
    let (mut settings, _) = Settings::from_environment(&component, &variable);
    settings.state_folders = vec![state_folder];
    let identity = Identity::of_this_process(&variable);
    let emitter = Emitter::begin(&settings, identity, beginning(component), Clock::system());
    emitter.deliver();
    Ok(emitter)
}

fn say_when(emitters: &[Emitter], what: &str, holds: impl Fn(&Status) -> bool) -> Result<()> {
    let mut rest = emitters;
    let all = clock::poll(LIMIT, PAUSE, || {
        while let Some((first, others)) = rest.split_first()
            && holds(&first.status())
        {
            rest = others;
        }
        rest.is_empty().then_some(())
    });
    all.with_context(|| format!("not every shell is {what}"))?;
    println!("{what}");
    Ok(())
}
