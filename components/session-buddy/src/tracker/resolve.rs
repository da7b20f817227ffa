//! From what a person types to a session.

use session_model::{ComponentName, SessionId};

use super::Tracker;
use crate::store::StoreError;

/// Why a text names no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No session has this id, or begins with it.
    #[error("session {0} not found")]
    NotFound(String),
    /// Several begin with it.
    #[error("{typed} is the beginning of several ids")]
    Ambiguous {
        /// What was typed.
        typed: String,
        /// Some of them.
        candidates: Vec<SessionId>,
    },
}

/// The most candidates that are named.
const CANDIDATES_MAX: usize = 10;
/// The most that are looked at, where those of one component are wanted.
const LOOKED_AT_MAX: usize = 1000;

impl Tracker {
    /// Finds the session that is meant by its id, by a unique beginning of its id or of the id's last part, or by
    /// `sess_` and that. Where those of one component are wanted there are no others.
    ///
    /// # Errors
    ///
    /// The outer error when the store fails.
    pub(super) async fn resolve(
        &self,
        typed: &str,
        of: Option<&ComponentName>,
    ) -> Result<Result<SessionId, ResolveError>, StoreError> {
        // Nobody wants to read all of a text that is no id.
        let shown: String = typed.chars().take(SessionId::CHARACTERS_MAX).collect();
        let not_found = || Ok(Err(ResolveError::NotFound(shown.clone())));
        let Ok(id) = typed.parse::<SessionId>() else {
            return not_found();
        };
        if typed.is_empty() {
            return not_found();
        }
        let is_of = |id: &SessionId| of.is_none_or(|of| id.component() == of.as_str());
        if self.store.get(id.clone()).await?.is_some() {
            return if is_of(&id) { Ok(Ok(id)) } else { not_found() };
        }
        let limit = of.map_or(CANDIDATES_MAX, |_| LOOKED_AT_MAX);
        let mut candidates = self.store.find(typed.to_owned(), limit).await?;
        if let Some(last_part) = typed
            .strip_prefix("sess_")
            .filter(|last_part| !last_part.is_empty())
        {
            let mut by_last_part = self.store.find(last_part.to_owned(), limit).await?;
            by_last_part.retain(|id| id.last_part().starts_with(last_part));
            candidates.extend(by_last_part);
        }
        candidates.retain(is_of);
        candidates.truncate(CANDIDATES_MAX);
        Ok(match candidates.len() {
            0 => return not_found(),
            1 => Ok(candidates.swap_remove(0)),
            _ => Err(ResolveError::Ambiguous {
                typed: typed.to_owned(),
                candidates,
            }),
        })
    }
}
