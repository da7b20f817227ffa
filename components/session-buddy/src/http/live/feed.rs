//! What happened last, written as it is sent, and read from the ledger once for all who follow it.

use std::{collections::VecDeque, sync::Arc};

use axum::body::Bytes;
use session_model::{SessionFilter, SessionRecord};
use tokio::sync::{Mutex, Semaphore};

use crate::{
    store::{
        StoreError,
        checkpoint::ChainHead,
        happening::{Happening, Mark},
    },
    tracker::Tracker,
};

/// The most records of the ledger that are read at once: as many as a batch has.
const PAGE_RECORDS: usize = 256;
/// The most events that are kept for those who come for them a moment later.
const KEPT_MAX: usize = 1024;
/// The most bytes of them: 4 MiB. An event has 2 KiB, and one at all its bounds 100.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many streams read what is long past at once, of the readers that the store has, so that lists find one.
const REPLAYS_MAX: usize = 2;

/// What happens, for those who follow it. It does nothing while nobody does.
pub(in crate::http) struct Feed {
    tracker: Tracker,
    recent: Mutex<Recent>,
    replays: Semaphore,
}

/// An event as it is sent, and what it is filtered by.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) place: ChainHead,
    pub(super) text: Bytes,
    session_type: String,
    component: String,
    user: String,
    status: session_model::SessionStatus,
}

/// Some events, and how far the ledger was read for them.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) told: Vec<Arc<Told>>,
    pub(super) read_to: ChainHead,
}

impl Feed {
    pub(in crate::http) fn new(tracker: Tracker) -> Self {
        Self {
            tracker,
            recent: Mutex::default(),
            replays: Semaphore::new(REPLAYS_MAX),
        }
    }

    /// Gives events after a record, up to `head`, of a page at most. Whoever comes first for what is new reads it, and
    /// the others wait for that.
    pub(super) async fn after(
        &self,
        place: ChainHead,
        head: ChainHead,
    ) -> Result<Page, StoreError> {
        let mut recent = self.recent.lock().await;
        if let Some(page) = recent.after(place) {
            return Ok(page);
        }
        if recent.ends_after(place) {
            drop(recent);
            let _turn = self
                .replays
                .acquire()
                .await
                .map_err(|_| StoreError::Stopping)?;
            return self.read(place, head).await;
        }
        let page = self.read(place, head).await?;
        recent.add(place, &page);
        Ok(page)
    }

    async fn read(&self, place: ChainHead, head: ChainHead) -> Result<Page, StoreError> {
        let happenings = self.tracker.happenings(place, head, PAGE_RECORDS).await?;
        let told = happenings.found.into_iter().map(Told::of).map(Arc::new);
        Ok(Page {
            told: told.collect(),
            read_to: happenings.read_to,
        })
    }
}

/// The events of the end of the ledger, without a gap.
#[derive(Default)]
struct Recent {
    /// After which record they begin, and up to which one they go; none before the first was read.
    covers: Option<(ChainHead, ChainHead)>,
    told: VecDeque<Arc<Told>>,
    bytes: usize,
}

impl Recent {
    /// Gives those after a record; `None` where they do not begin there yet, or no longer.
    fn after(&self, place: ChainHead) -> Option<Page> {
        let (from, to) = self.covers?;
        if !(from.seq..to.seq).contains(&place.seq) {
            return None;
        }
        let first = self
            .told
            .partition_point(|told| told.place.seq <= place.seq);
        let told: Vec<_> = self
            .told
            .range(first..)
            .take(PAGE_RECORDS)
            .cloned()
            .collect();
        let all = first + told.len() == self.told.len();
        let last = told.last().map_or(to, |last| last.place);
        Some(Page {
            told,
            read_to: if all { to } else { last },
        })
    }

    fn ends_after(&self, place: ChainHead) -> bool {
        self.covers.is_some_and(|(_, to)| to.seq > place.seq)
    }

    /// Adds what was read after a record; what does not join on to it is let go of.
    fn add(&mut self, place: ChainHead, page: &Page) {
        match &mut self.covers {
            Some((_, to)) if to.seq == place.seq => *to = page.read_to,
            covers => {
                *covers = Some((place, page.read_to));
                self.told.clear();
                self.bytes = 0;
            }
        }
        for told in &page.told {
            self.bytes += told.text.len();
            self.told.push_back(Arc::clone(told));
        }
        while self.told.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.told.pop_front() else {
                break;
            };
            self.bytes -= oldest.text.len();
            if let Some((from, _)) = &mut self.covers {
                *from = oldest.place;
            }
        }
    }
}

impl Told {
    fn of(happening: Happening) -> Self {
        let id = Mark::from(happening.place);
        let kind = happening.kind.as_str();
        // One line: JSON escapes what ends one.
        let data =
            serde_json::to_string(&happening.session).expect("a model can be written as JSON");
        let SessionRecord {
            session_type,
            component_name,
            username,
            status,
            ..
        } = happening.session;
        Self {
            place: happening.place,
            text: format!("id: {id}\nevent: {kind}\ndata: {data}\n\n").into(),
            session_type,
            component: component_name,
            user: username,
            status,
        }
    }

    /// Tells whether somebody who asked for these wants it.
    pub(super) fn fits(&self, filter: &SessionFilter) -> bool {
        let one_of =
            |wanted: &[String], value: &String| wanted.is_empty() || wanted.contains(value);
        one_of(&filter.session_type, &self.session_type)
            && one_of(&filter.component, &self.component)
            && one_of(&filter.user, &self.user)
            && (filter.status.is_empty() || filter.status.contains(&self.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(seq: u64) -> ChainHead {
        ChainHead {
            chain: uuid::Uuid::nil(),
            seq,
            chain_hash: [0; 32],
        }
    }

    fn told(seq: u64, bytes: usize) -> Arc<Told> {
        Arc::new(Told {
            place: place(seq),
            text: vec![b'x'; bytes].into(),
            session_type: "admin_shell".to_owned(),
            component: "billing".to_owned(),
            user: "les".to_owned(),
            status: session_model::SessionStatus::Active,
        })
    }

    fn page(seqs: &[u64], read_to: u64) -> Page {
        Page {
            told: seqs.iter().map(|seq| told(*seq, 10)).collect(),
            read_to: place(read_to),
        }
    }

    fn seqs(page: &Page) -> Vec<u64> {
        page.told.iter().map(|told| told.place.seq).collect()
    }

    #[test]
    fn what_was_read_is_given_to_those_who_come_later_without_a_gap() {
        let mut recent = Recent::default();
        assert!(recent.after(place(4)).is_none() && !recent.ends_after(place(4)));
        // Number 5 and 8 are about no session.
        recent.add(place(4), &page(&[6, 7], 8));
        recent.add(place(8), &page(&[9], 9));
        let given = recent.after(place(4)).unwrap();
        assert_eq!((seqs(&given), given.read_to.seq), (vec![6, 7, 9], 9));
        let given = recent.after(place(7)).unwrap();
        assert_eq!((seqs(&given), given.read_to.seq), (vec![9], 9));
        assert!(recent.after(place(3)).is_none() && recent.ends_after(place(3)));
        assert!(recent.after(place(9)).is_none() && !recent.ends_after(place(9)));
        // Nobody followed for a while.
        recent.add(place(20), &page(&[21], 21));
        assert!(recent.after(place(8)).is_none());
        assert_eq!(seqs(&recent.after(place(20)).unwrap()), [21]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_was_let_go_of_is_not_passed_over() {
        let mut recent = Recent::default();
        for seq in 1..=2_000 {
            recent.add(place(seq - 1), &page(&[seq], seq));
        }
        assert_eq!(recent.told.len(), KEPT_MAX);
        assert!(recent.after(place(975)).is_none());
        let given = recent.after(place(976)).unwrap();
        assert_eq!(given.told.len(), PAGE_RECORDS);
        assert_eq!(given.read_to.seq, 976 + PAGE_RECORDS as u64);
        let large = Page {
            told: vec![told(2_001, KEPT_BYTES_MAX)],
            read_to: place(2_001),
        };
        recent.add(place(2_000), &large);
        assert_eq!((recent.told.len(), recent.bytes), (1, KEPT_BYTES_MAX));
    }
}
