//! What differs between two looks at a component's settings.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Stack;

/// What a look saw. It holds no secret: of one it keeps a salted hash, which only tells that it has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    salt: String,
    values: BTreeMap<String, Seen>,
}

/// A key as a look saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// What it is for people.
    shown: String,
    /// The salted hash of a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// Who says so.
    origin: String,
}

/// A key that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What happened to it.
    pub what: What,
    /// What it was, and who said so.
    pub before: Option<(String, String)>,
    /// What it is, and who says so.
    pub after: Option<(String, String)>,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nobody set it before.
    Added,
    /// Nobody sets it any more.
    Removed,
    /// It has another value.
    Changed,
    /// It has the same value from elsewhere.
    Moved,
}

impl What {
    /// Gives its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Moved => "moved",
        }
    }
}

impl Snapshot {
    /// Looks at all keys. `salt` is that of the look to compare with, or a new one.
    pub fn of(stack: &Stack, salt: &str) -> Self {
        let layers = stack.layers();
        let seen = |key: &str| {
            let winner = layers.explain(key).into_iter().next()?;
            let hash = layers.is_secret(key).then(|| {
                let raw = layers.get::<String>(key).ok().flatten();
                let raw = raw.map(|setting| setting.value).unwrap_or_default();
                HEXLOWER.encode(&Sha256::digest(format!("{salt}\0{raw}")))
            });
            let origin = winner.origin.to_string();
            Some((
                key.to_owned(),
                Seen {
                    shown: winner.text,
                    hash,
                    origin,
                },
            ))
        };
        Self {
            salt: salt.to_owned(),
            values: layers.keys().into_iter().filter_map(seen).collect(),
        }
    }

    /// Gives what its hashes are salted with.
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// Gives how many keys it has.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Tells whether it has none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Finds what is different in a later look with the same salt, by key.
    pub fn changes(&self, later: &Self) -> Vec<Change> {
        let mut keys: Vec<&String> = self.values.keys().chain(later.values.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let change = |key: &&String| {
            let (before, after) = (self.values.get(*key), later.values.get(*key));
            let what = match (before, after) {
                (None, _) => What::Added,
                (_, None) => What::Removed,
                (Some(one), Some(other))
                    if (&one.shown, &one.hash) != (&other.shown, &other.hash) =>
                {
                    What::Changed
                }
                (Some(one), Some(other)) if one.origin != other.origin => What::Moved,
                (Some(_), Some(_)) => return None,
            };
            let told =
                |seen: Option<&Seen>| seen.map(|seen| (seen.shown.clone(), seen.origin.clone()));
            Some(Change {
                key: (*key).clone(),
                what,
                before: told(before),
                after: told(after),
            })
        };
        keys.iter().filter_map(change).collect()
    }
}
