//! One look at all that runs workflows: what has changed since the last one, whoever took it.

use session_client::Clock;

use crate::{
    adapters::PATIENCE,
    prefect::{Prefect, PrefectError},
    store::{Change, Store, StoreError},
};

/// What a look has found.
#[derive(Debug)]
pub struct Synced {
    /// What has changed, the oldest first.
    pub changes: Vec<Change>,
    /// Why Prefect could not be asked.
    pub prefect: Option<PrefectError>,
}

/// Looks at the runners that live, and at Prefect where it is configured, and tells what has changed in the store.
///
/// # Errors
///
/// The store fails.
pub fn sync(store: &mut Store, clock: &Clock) -> Result<Synced, StoreError> {
    store.notice_crashed(clock.now())?;
    let runs = Prefect::of_this_process().map(|prefect| prefect?.flow_runs(PATIENCE));
    let prefect = match runs {
        Some(Ok(runs)) => {
            store.take_over(&runs)?;
            None
        }
        Some(Err(error)) => Some(error),
        None => None,
    };
    Ok(Synced {
        changes: store.tell_changes()?,
        prefect,
    })
}
