//! From what a person types to a session.

use session_model::SessionId;

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

impl Tracker {
    /// Finds the session that is meant by its id, by a unique beginning of its id or of the id's last part, or by
    /// `sess_` and that.
    ///
    /// # Errors
    ///
    /// The outer error when the store fails.
    pub(super) async fn resolve(
        &self,
        typed: &str,
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
        if self.store.get(id.clone()).await?.is_some() {
            return Ok(Ok(id));
        }
        let mut candidates = self.store.find(typed.to_owned(), CANDIDATES_MAX).await?;
        if let Some(last_part) = typed
            .strip_prefix("sess_")
            .filter(|last_part| !last_part.is_empty())
        {
            let mut by_last_part = self
                .store
                .find(last_part.to_owned(), CANDIDATES_MAX)
                .await?;
            by_last_part.retain(|id| id.last_part().starts_with(last_part));
            candidates.extend(by_last_part);
        }
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
