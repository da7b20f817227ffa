//! What waits in the spool.

use std::{collections::BTreeMap, io, path::PathBuf};

use serde::Serialize;
use session_client::spool::{Contents, Look, Spool, look};
use session_model::Timestamp;

/// All of it together.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    /// Sessions of which something may wait, those of live shells included.
    pub(super) files: usize,
    /// Events that no server has acknowledged.
    pub(super) events: usize,
    /// Since when the oldest of them waits, by the last touch of its file; null for none.
    pub(super) oldest: Option<Timestamp>,
    /// Events that the bounds cost since a server was last told of them.
    pub(super) dropped: u64,
    /// Sessions that were refused for good.
    pub(super) refused: usize,
    /// Where they go.
    pub(super) destinations: Vec<Destination>,
}

/// What waits for one destination.
#[derive(Debug, Serialize)]
pub(super) struct Destination {
    pub(super) destination: String,
    pub(super) files: usize,
    /// Why a delivery failed, of some file that tells.
    pub(super) last_error: Option<String>,
}

/// One session.
#[derive(Debug, Serialize)]
pub(super) struct OneFile {
    pub(super) session_id: String,
    pub(super) component_name: String,
    pub(super) destination: String,
    /// Events that wait.
    pub(super) events: usize,
    /// Events that a server has acknowledged.
    pub(super) acknowledged: usize,
    /// Whether its shell lives, or somebody delivers it just now.
    pub(super) owner_alive: bool,
    /// Why it was refused, or its last delivery failed.
    pub(super) last_error: Option<String>,
}

/// Every session.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<OneFile>,
    /// Files that cannot be used, and why.
    pub(super) unusable: Vec<(PathBuf, String)>,
}

impl Summary {
    pub(super) fn of(spool: &Spool) -> io::Result<Self> {
        let mut summary = Self {
            refused: spool.refused()?.len(),
            dropped: spool.dropped()?.map_or(0, |dropped| dropped.events),
            ..Self::default()
        };
        let mut destinations: BTreeMap<String, Destination> = BTreeMap::new();
        for path in spool.files()? {
            let Some(Look {
                contents: Ok(contents),
                last_seen,
                ..
            }) = look(&path)?
            else {
                continue;
            };
            let waiting = contents.waiting().len();
            summary.files += 1;
            summary.events += waiting;
            if waiting > 0 {
                summary.oldest = Some(
                    summary
                        .oldest
                        .map_or(last_seen, |oldest| oldest.min(last_seen)),
                );
            }
            let name = contents.header.destination.clone();
            let destination = destinations.entry(name.clone()).or_insert(Destination {
                destination: name,
                files: 0,
                last_error: None,
            });
            destination.files += 1;
            if waiting > 0 {
                destination.last_error = last_error(&contents).or(destination.last_error.take());
            }
        }
        summary.destinations = destinations.into_values().collect();
        Ok(summary)
    }
}

impl Listing {
    /// Looks at every file, or at every refused one; sorted by session.
    pub(super) fn of(spool: &Spool, refused: bool) -> io::Result<Self> {
        let mut listing = Self::default();
        let mut paths: Vec<_> = if refused {
            spool.refused()?
        } else {
            spool.files()?.collect()
        };
        paths.sort();
        for path in paths {
            match look(&path) {
                Ok(Some(Look {
                    contents: Ok(contents),
                    owner_alive,
                    ..
                })) => listing.files.push(OneFile::of(&contents, owner_alive)),
                Ok(Some(Look {
                    contents: Err(why), ..
                })) => listing.unusable.push((path, why)),
                Ok(None) => {}
                Err(error) => listing.unusable.push((path, error.to_string())),
            }
        }
        Ok(listing)
    }
}

impl OneFile {
    fn of(contents: &Contents, owner_alive: bool) -> Self {
        let waiting = contents.waiting().len();
        Self {
            session_id: contents.header.session_id.clone(),
            component_name: contents.header.component.clone(),
            destination: contents.header.destination.clone(),
            events: waiting,
            acknowledged: contents.events.len() - waiting,
            owner_alive,
            last_error: last_error(contents),
        }
    }
}

fn last_error(contents: &Contents) -> Option<String> {
    let refused = contents
        .refused
        .as_ref()
        .map(|refused| match &refused.error_code {
            Some(code) => format!("{} ({code})", refused.error),
            None => refused.error.clone(),
        });
    refused.or_else(|| contents.problem.clone())
}
