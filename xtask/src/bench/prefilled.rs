//! A store with many sessions in it, filled once and copied for every run.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

use super::Setting;
use crate::load::fill::{Fill, Shell};
use crate::server::{self, Server, StateFolder};
use crate::workspace;

/// Sessions of a filled store that stay active.
const ACTIVE: u64 = 1_000;

/// The cached database file of a filled store.
pub(super) struct Prefilled {
    cache: PathBuf,
}

impl Prefilled {
    /// Finds the cached store, or fills one through the server; nothing when the setting asks for none.
    pub(super) fn prepare(setting: &Setting) -> Result<Option<Self>> {
        if setting.sessions == 0 {
            return Ok(None);
        }
        let prefilled = Self {
            cache: workspace::target().join(format!("bench-store-{}.db", setting.sessions)),
        };
        if prefilled.cache.exists() {
            if prefilled.opens(setting) {
                return Ok(Some(prefilled));
            }
            println!(
                "\nthe server refuses {}; it is filled anew",
                prefilled.cache.display()
            );
        }
        prefilled.fill(setting)?;
        Ok(Some(prefilled))
    }

    /// A fresh state folder with a copy of the store, already on disk.
    pub(super) fn copy(&self) -> Result<StateFolder> {
        let state = StateFolder::new()?;
        fs::copy(&self.cache, state.database()).context("could not copy the filled store")?;
        // What is still to be written would be written during the measurement.
        File::open(state.database())?.sync_all()?;
        Ok(state)
    }

    fn opens(&self, setting: &Setting) -> bool {
        let started = self
            .copy()
            .and_then(|state| Server::start(&setting.binary, &state)?.stop(&state));
        started.is_ok()
    }

    fn fill(&self, setting: &Setting) -> Result<()> {
        println!(
            "\nfilling a store with {} sessions, all but {ACTIVE} of them ended ...",
            setting.sessions
        );
        let state = StateFolder::new()?;
        let server = Server::start(&setting.binary, &state)?;
        let begin = Instant::now();
        Fill {
            sessions: setting.sessions,
            active: ACTIVE,
            shell: Shell::Counting,
        }
        .send(server.address)?;
        let seconds = begin.elapsed().as_secs_f64();
        server.stop(&state)?;
        server::ensure_one_file(&state.database())?;
        // Under another name first: a cache that exists is a cache that is whole.
        let partial = self.cache.with_extension("partial");
        fs::copy(state.database(), &partial)?;
        fs::rename(&partial, &self.cache)?;
        println!(
            "filled in {seconds:.0} s: {} ({} MiB)",
            self.cache.display(),
            fs::metadata(&self.cache)?.len() >> 20
        );
        Ok(())
    }
}
