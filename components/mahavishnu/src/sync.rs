//! One look at all that runs workflows: what has changed since the last one, whoever took it.

use session_client::Clock;

use crate::store::{Change, Remote, Store, StoreError};

/// Looks at the runners that live, takes over what others run, and tells what has changed in the store, the oldest first.
///
/// # Errors
///
/// The store fails.
pub fn sync(
    store: &mut Store,
    clock: &Clock,
    remotes: &[Remote],
) -> Result<Vec<Change>, StoreError> {
    store.notice_crashed(clock.now())?;
    store.take_over(remotes)?;
    store.tell_changes()
}
