//! What happens to sessions, for those who follow it.

use session_model::{SessionStatus, record::ProofOfLife};
use tokio::sync::watch;

use super::Tracker;
use crate::store::{
    StoreError,
    checkpoint::ChainHead,
    happening::{Happening, Happenings, Sought},
};

impl Tracker {
    /// Tells of the newest record that is on disk for good, and of each that comes after it.
    pub fn head(&self) -> watch::Receiver<Option<ChainHead>> {
        self.store.head()
    }

    /// Finds a record up to `head` after which to read on; `None` where it is not in that chain.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`](crate::store::SessionStore::apply).
    pub async fn locate(
        &self,
        sought: Sought,
        head: ChainHead,
    ) -> Result<Option<ChainHead>, StoreError> {
        self.store.locate(sought, head).await
    }

    /// Gives what happened after a record, up to `head`; of at most `limit` records of the ledger. Each session is as that
    /// record left it: how long it had run then, and whether it lives now is not said.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`](crate::store::SessionStore::apply).
    pub async fn happenings(
        &self,
        after: ChainHead,
        head: ChainHead,
        limit: usize,
    ) -> Result<Happenings, StoreError> {
        let mut happenings = self.store.happenings(after, head, limit).await?;
        for happening in &mut happenings.found {
            show(happening);
        }
        Ok(happenings)
    }
}

fn show(happening: &mut Happening) {
    let session = &mut happening.session;
    if session.status == SessionStatus::Active {
        *session = session
            .clone()
            .as_of(happening.received_at, ProofOfLife::NotAsked);
        session.liveness = None;
    }
}
