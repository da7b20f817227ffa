//! The simplest store there is, and clocks that only move when they are told to.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use session_buddy::{
    analytics::{Findings, Question},
    clock::Clock,
    liveness::MonotonicClock,
    store::{
        ActPage, ActQuery, Change, Cursor, Decision, Differing, Entry, ExportQuery, Import,
        ImportCount, ListQuery, Note, OpenSession, Outcome, Page, SessionStore, Standing,
        StoreFuture, StoreHealth, Stored, Verdict,
        checkpoint::ChainHead,
        happening::{Happening, Happenings, Sought},
    },
};
use session_model::{
    Act, ActName, ActRecord, Searched, Session, SessionId, SessionRecord, SessionState,
    SessionStatus, Timestamp, Transport,
    fold::{Accepted, Vitals},
    record::ProofOfLife,
};
use tokio::sync::watch;

use crate::analytics::counted_one_by_one;

/// Clocks that only move when they are told to.
#[derive(Clone)]
pub(crate) struct TestClock {
    wall_micros: Arc<AtomicI64>,
    origin: Instant,
    elapsed_seconds: Arc<AtomicU64>,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        let start: Timestamp = "2026-02-06T22:05:00Z".parse().unwrap();
        Self {
            wall_micros: Arc::new(AtomicI64::new(start.as_micros())),
            origin: Instant::now(),
            elapsed_seconds: Arc::default(),
        }
    }

    /// Lets time go by.
    pub(crate) fn advance(&self, seconds: u32) {
        self.elapsed_seconds
            .fetch_add(seconds.into(), Ordering::Relaxed);
        self.step(seconds.into());
    }

    /// Sets the wall clock, as an administrator or NTP does.
    pub(crate) fn step(&self, seconds: i64) {
        self.wall_micros
            .fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        let micros = Arc::clone(&self.wall_micros);
        Clock::new(move || Timestamp::from_micros(micros.load(Ordering::Relaxed)).unwrap())
    }

    pub(crate) fn monotonic(&self) -> MonotonicClock {
        let (origin, elapsed) = (self.origin, Arc::clone(&self.elapsed_seconds));
        MonotonicClock::new(move || origin + Duration::from_secs(elapsed.load(Ordering::Relaxed)))
    }
}

/// The simplest store there is: what the real one must equal.
#[derive(Default)]
pub(crate) struct ModelStore(
    Mutex<HashMap<SessionId, Standing>>,
    Mutex<Vec<Act>>,
    Mutex<Vec<(SessionId, Accepted)>>,
);

/// A place in the ledger of the model, which has no hashes: behind so many records.
fn place(seq: usize) -> ChainHead {
    ChainHead {
        chain: uuid::Uuid::nil(),
        seq: seq as u64,
        chain_hash: [0; 32],
    }
}

impl ModelStore {
    /// Gives what it holds now to another one, as a backup does.
    pub(crate) fn copy(&self) -> Self {
        let (sessions, acts) = (self.0.lock().unwrap(), self.1.lock().unwrap());
        let ledger = self.2.lock().unwrap();
        Self(
            Mutex::new(sessions.clone()),
            Mutex::new(acts.clone()),
            Mutex::new(ledger.clone()),
        )
    }

    /// Gives its sessions, by id.
    pub(crate) fn sessions(&self) -> BTreeMap<SessionId, Standing> {
        let sessions = self.0.lock().unwrap();
        sessions
            .iter()
            .map(|(id, it)| (id.clone(), it.clone()))
            .collect()
    }

    pub(crate) fn standing(&self, id: &SessionId) -> Option<Standing> {
        self.0.lock().unwrap().get(id).cloned()
    }

    pub(crate) fn make(&self, change: Box<dyn Change>) -> Verdict {
        let mut sessions = self.0.lock().unwrap();
        let id = change.session_id().clone();
        let standing = sessions.get(&id).cloned();
        let Decision {
            records,
            vitals,
            verdict,
        } = change.decide(standing.as_ref());
        for Entry { record, .. } in records {
            self.2.lock().unwrap().push((id.clone(), record.clone()));
            match sessions.get_mut(&id) {
                Some(standing) => standing.session.accept(record),
                None => {
                    let session = Session::begin(record).unwrap();
                    sessions.insert(
                        id.clone(),
                        Standing {
                            session,
                            vitals: vitals.clone().unwrap(),
                        },
                    );
                }
            }
        }
        if let (Some(vitals), Some(standing)) = (vitals, sessions.get_mut(&id)) {
            standing.vitals = vitals;
        }
        verdict
    }
}

impl SessionStore for ModelStore {
    fn apply_all(&self, changes: Vec<Box<dyn Change>>) -> StoreFuture<'static, Vec<Outcome>> {
        let verdicts: Vec<_> = changes
            .into_iter()
            .map(|change| Ok(self.make(change)))
            .collect();
        Box::pin(async move { Ok(verdicts) })
    }

    fn note(&self, notes: Vec<Note>) -> StoreFuture<'static, ()> {
        let mut sessions = self.0.lock().unwrap();
        for note in notes {
            if let Note::Fed(id, vitals) = note
                && let Some(standing) = sessions.get_mut(&id)
                && *standing.session.state() == SessionState::Active
            {
                let counters = standing.vitals.counters.clone().join(vitals.counters);
                standing.vitals = Vitals { counters, ..vitals };
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn open_sessions(&self, _: Option<Cursor>, _: usize) -> StoreFuture<'_, Page<OpenSession>> {
        let sessions = self.0.lock().unwrap();
        let open = sessions
            .values()
            .filter(|standing| *standing.session.state() == SessionState::Active);
        let sessions = open
            .map(|Standing { session, vitals }| OpenSession {
                id: session.id().clone(),
                heartbeat_interval_seconds: session
                    .started()
                    .event
                    .heartbeat_interval_seconds
                    .map(|seconds| seconds.get()),
                since: session.received_at(),
                last_seen: vitals.last_seen,
                transport: Transport::Unix,
                address: None,
                claimed: None,
                watched: None,
            })
            .collect();
        Box::pin(async {
            Ok(Page {
                sessions,
                next: None,
                total: None,
            })
        })
    }

    fn get(&self, id: SessionId) -> StoreFuture<'_, Option<Stored>> {
        let stored = self
            .0
            .lock()
            .unwrap()
            .get(&id)
            .map(|Standing { session, vitals }| Stored {
                record: session.record(vitals),
            });
        Box::pin(async move { Ok(stored) })
    }

    fn record(&self, act: Act) -> StoreFuture<'_, ()> {
        self.1.lock().unwrap().push(act);
        Box::pin(async { Ok(()) })
    }

    fn acts(&self, query: ActQuery) -> StoreFuture<'_, ActPage> {
        let acts = self.1.lock().unwrap();
        let newest = acts.iter().rev().take(query.limit);
        let acts = newest.map(|act| ActRecord::of(0, act.clone())).collect();
        Box::pin(async { Ok(ActPage { acts, next: None }) })
    }

    fn revoked_tokens(&self) -> StoreFuture<'_, Vec<String>> {
        let acts = self.1.lock().unwrap();
        let deeds = acts.iter().map(|act| act.deed.clone());
        let revoked = deeds.filter(|deed| deed.act == ActName::TokenRevoked);
        let revoked = revoked.filter_map(|deed| deed.token_id).collect();
        Box::pin(async { Ok(revoked) })
    }

    fn list(&self, query: ListQuery) -> StoreFuture<'_, Page> {
        let sessions = self.0.lock().unwrap();
        let records = sessions
            .values()
            .map(|Standing { session, vitals }| session.record(vitals));
        let page = listed_one_by_one(records, &query);
        Box::pin(async { Ok(page) })
    }

    fn export(&self, _: ExportQuery) -> StoreFuture<'_, Page> {
        let sessions = self.sessions().into_values();
        let records = sessions.map(|Standing { session, vitals }| session.record(&vitals));
        let mut records: Vec<_> = records.collect();
        records.sort_by_key(|record| (record.start_time, record.session_id.clone()));
        let sessions = records
            .into_iter()
            .map(|record| Stored { record })
            .collect();
        Box::pin(async {
            Ok(Page {
                sessions,
                next: None,
                total: None,
            })
        })
    }

    fn import(&self, import: Import) -> StoreFuture<'static, Result<ImportCount, Vec<Differing>>> {
        let before = self.copy();
        let (mut count, mut differing) = (ImportCount::default(), Vec::new());
        for line in import.sessions.map(Result::unwrap) {
            let told = Standing {
                session: line.imported.session().clone(),
                vitals: line.imported.vitals().clone(),
            };
            let id = told.session.id().clone();
            match self.standing(&id) {
                None => {
                    self.0.lock().unwrap().insert(id, told);
                    count.imported += 1;
                }
                Some(Standing { session, vitals }) => {
                    let (told, stored) = (line.imported.record(), session.record(&vitals));
                    match Differing::of(line.number, &told, &stored) {
                        None => count.known += 1,
                        Some(one) => differing.push(one),
                    }
                }
            }
        }
        let made = if differing.is_empty() {
            self.1.lock().unwrap().push((import.act)(count));
            Ok(count)
        } else {
            *self.0.lock().unwrap() = before.0.into_inner().unwrap();
            Err(differing)
        };
        Box::pin(async { Ok(made) })
    }

    fn find(&self, prefix: String, limit: usize) -> StoreFuture<'_, Vec<SessionId>> {
        let sessions = self.0.lock().unwrap();
        let fits = |id: &&SessionId| {
            id.as_str().starts_with(&prefix) || id.last_part().starts_with(&prefix)
        };
        let found = sessions.keys().filter(fits).take(limit).cloned().collect();
        Box::pin(async move { Ok(found) })
    }

    fn analyze(&self, question: Question) -> StoreFuture<'_, Findings> {
        let sessions = self.0.lock().unwrap();
        let records = sessions
            .values()
            .map(|Standing { session, vitals }| session.record(vitals));
        let findings = counted_one_by_one(records, &question);
        Box::pin(async { Ok(findings) })
    }

    fn head(&self) -> watch::Receiver<Option<ChainHead>> {
        watch::channel(Some(place(self.2.lock().unwrap().len()))).1
    }

    fn locate(&self, sought: Sought, head: ChainHead) -> StoreFuture<'_, Option<ChainHead>> {
        let ledger = self.2.lock().unwrap();
        let found = match sought {
            Sought::Mark(mark) => (mark.chain == head.chain && mark.seq <= head.seq)
                .then(|| place(usize::try_from(mark.seq).unwrap())),
            Sought::Before(time) => {
                let early = ledger
                    .iter()
                    .take_while(|(_, record)| record.received_at < time);
                Some(place(early.count()))
            }
        };
        Box::pin(async move { Ok(found) })
    }

    fn happenings(
        &self,
        after: ChainHead,
        head: ChainHead,
        limit: usize,
    ) -> StoreFuture<'_, Happenings> {
        let ledger = self.2.lock().unwrap();
        let of = |head: ChainHead| usize::try_from(head.seq).unwrap();
        let read_to = of(head).min(of(after) + limit);
        let told = |seq: usize| {
            let (id, record) = &ledger[seq - 1];
            let earlier = ledger[..seq].iter().filter(|(of, _)| of == id);
            let session = Session::fold(earlier.map(|(_, record)| record.clone())).unwrap();
            Happening {
                place: place(seq),
                kind: record.fact.kind(),
                received_at: record.received_at,
                session: session.record(&record.vitals()),
            }
        };
        let found = (of(after) + 1..=read_to).map(told).collect();
        Box::pin(async move {
            Ok(Happenings {
                found,
                read_to: place(read_to),
            })
        })
    }

    fn health(&self) -> StoreHealth {
        StoreHealth {
            failure: None,
            queued: 0,
            queue_limit: 1,
        }
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Lists sessions the simplest way there is: each is looked at.
pub(crate) fn listed_one_by_one(
    records: impl Iterator<Item = SessionRecord>,
    query: &ListQuery,
) -> Page {
    let filter = &query.filter;
    fn among<T: PartialEq>(all: &[T], one: &T) -> bool {
        all.is_empty() || all.contains(one)
    }
    let matches = |record: &SessionRecord| {
        let seconds = record
            .clone()
            .as_of(query.now, ProofOfLife::NotAsked)
            .duration_seconds;
        among(&filter.session_type, &record.session_type)
            && among(&filter.component, &record.component_name)
            && among(&filter.user, &record.username)
            && among(&filter.status, &record.status)
            && filter.after.is_none_or(|after| after <= record.start_time)
            && filter
                .before
                .is_none_or(|before| record.start_time < before)
            && filter
                .duration_greater
                .is_none_or(|bound| seconds.is_some_and(|seconds| seconds > bound))
            && (!filter.incomplete || record.status == SessionStatus::Active)
            && filter
                .search
                .as_ref()
                .is_none_or(|search| search.finds(&Searched::of(record)))
    };
    let place = |record: &SessionRecord| Cursor {
        start_time: record.start_time,
        session_id: record.session_id.clone(),
    };
    let order = |one: &Cursor, other: &Cursor| {
        (one.start_time, &one.session_id).cmp(&(other.start_time, &other.session_id))
    };
    let mut all: Vec<_> = records.filter(matches).collect();
    all.sort_by(|one, other| order(&place(other), &place(one)));
    let count = all.len() as u64;
    if let Some(after) = &query.after {
        all.retain(|record| order(&place(record), after).is_lt());
    }
    let more = all.len() > query.limit;
    all.truncate(query.limit);
    let known = query.count || (query.after.is_none() && !more);
    Page {
        next: all.last().filter(|_| more).map(place),
        total: known.then_some(count),
        sessions: all.into_iter().map(|record| Stored { record }).collect(),
    }
}
