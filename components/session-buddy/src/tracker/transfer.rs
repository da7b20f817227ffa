//! Sessions on their way to another store and from one.

use session_model::{Act, ActName, Deed, SessionFilter, SessionRecord, Timestamp, fold::Origin};

use super::Tracker;
use crate::{
    import::Staged,
    store::{Cursor, Differing, ExportQuery, Import, ImportCount, StoreError},
};

/// How many sessions are looked at in one go: few enough that nobody waits, and that the largest need no more than some
/// megabytes.
const PAGE: usize = 250;

/// An export under way.
pub struct Export {
    tracker: Tracker,
    filter: SessionFilter,
    now: Timestamp,
    /// None once the last page was given.
    place: Option<Option<Cursor>>,
}

impl Export {
    /// Gives the next sessions, oldest first, as they are stored: of an active one without duration and liveness. `None`
    /// once there are no more; no session may have been found for now.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::list`](crate::store::SessionStore::list).
    pub async fn next(&mut self) -> Result<Option<Vec<SessionRecord>>, StoreError> {
        let Some(after) = self.place.take() else {
            return Ok(None);
        };
        let query = ExportQuery {
            filter: self.filter.clone(),
            after,
            limit: PAGE,
            now: self.now,
        };
        let page = self.tracker.store.export(query).await?;
        self.place = page.next.map(Some);
        Ok(Some(
            page.sessions
                .into_iter()
                .map(|stored| stored.record)
                .collect(),
        ))
    }
}

impl Tracker {
    /// Begins an export. What changes meanwhile is given as it is when its turn comes; what begins meanwhile is given too,
    /// unless it says that it began before what was given last.
    pub fn export(&self, filter: SessionFilter) -> Export {
        Export {
            tracker: self.clone(),
            filter,
            now: self.clock.now(),
            place: Some(None),
        }
    }

    /// Puts down what another server tells of sessions: all of them, or none, where something else is on record of one. Who
    /// brought them stands in the ledger, with each of them and once more as an act.
    ///
    /// # Errors
    ///
    /// The outer error as [`SessionStore::import`](crate::store::SessionStore::import).
    pub async fn import(
        &self,
        staged: Staged,
    ) -> Result<Result<ImportCount, Vec<Differing>>, StoreError> {
        let (digest, who) = (staged.digest(), staged.who().clone());
        let act = move |count: ImportCount| Act {
            received_at: who.received_at,
            origin: who.origin,
            subject: who.subject,
            deed: Deed {
                what: Some(format!(
                    "{} sessions, {} known already",
                    count.imported, count.known
                )),
                reason: Some(format!("file with SHA-256 {digest}")),
                ..Deed::new(ActName::Imported)
            },
        };
        let unreadable = |error: std::io::Error| StoreError::Unavailable(error.to_string());
        let import = Import {
            sessions: Box::new(staged.into_lines().map_err(unreadable)?),
            act: Box::new(act),
        };
        self.store.import(import).await
    }

    /// Records that sessions were exported.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`](crate::store::SessionStore::apply).
    pub async fn record_export(
        &self,
        exported: &Exported,
        origin: Origin,
        subject: Option<String>,
    ) -> Result<(), StoreError> {
        self.record(exported.deed(), origin, subject).await
    }
}

/// What was exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Which sessions were asked for.
    pub filter: SessionFilter,
    /// As what.
    pub format: crate::export::Format,
    /// How many were given.
    pub sessions: u64,
    /// Whether that was all.
    pub whole: bool,
}

impl Exported {
    /// The most characters of a filter that are recorded.
    const FILTER_CHARACTERS_MAX: usize = 500;

    fn deed(&self) -> Deed {
        let pairs = self.filter.to_pairs();
        let filter: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let filter = if filter.is_empty() {
            "all sessions".to_owned()
        } else {
            filter.join(" ")
        };
        Deed {
            what: Some(format!("{} sessions as {}", self.sessions, self.format)),
            code: (!self.whole).then(|| "broken_off".to_owned()),
            reason: Some(filter.chars().take(Self::FILTER_CHARACTERS_MAX).collect()),
            ..Deed::new(ActName::Exported)
        }
    }
}
