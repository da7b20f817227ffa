//! The rules about sessions, over a store of plain memory and over the real one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use proptest::prelude::*;
use serde_json::{Value, json};
use session_buddy::{
    analytics::{Findings, Question},
    auth::Voice,
    clock::Clock,
    liveness::{Liveness, MonotonicClock, Sender},
    store::{
        ActPage, ActQuery, Change, Cursor, Decision, Differing, ExportQuery, Import, ImportCount,
        ListQuery, Note, OpenSession, Outcome, Page, SessionStore, Standing, StoreFuture,
        StoreHealth, Stored, Verdict,
        checkpoint::ChainHead,
        happening::{Happening, Happenings, Mark, Sought},
        sqlite::SqliteStore,
    },
    tracker::{Delivery, EndError, Event, Tracker},
};
use session_model::{
    Act, ActName, ActRecord, EndKnownBy, Field, Liveness as Life, Searched, Session,
    SessionEndEvent, SessionEndResult, SessionFilter, SessionHeartbeatEvent,
    SessionHeartbeatResult, SessionId, SessionRecord, SessionStartEvent, SessionStartResult,
    SessionState, SessionStatus, Timestamp, Transport,
    fold::{Accepted, Kind, Origin, Vitals},
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
        for record in records {
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

/// The rules over one store, with a clock of our own.
pub(crate) struct Desk {
    pub(crate) tracker: Tracker,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) clock: TestClock,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) folder: tempfile::TempDir,
}

/// Both stores: every test below holds for each.
pub(crate) fn desks() -> [Desk; 2] {
    let desk = |store: Arc<dyn SessionStore>, clock: TestClock, folder| Desk {
        tracker: Tracker::new(Arc::clone(&store), clock.clock())
            .with_liveness(Liveness::new(clock.monotonic())),
        store,
        clock,
        runtime: tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap(),
        folder,
    };
    let (clock, folder) = (TestClock::new(), tempfile::tempdir().unwrap());
    let sqlite = SqliteStore::open(&folder.path().join("sessions.db"), &clock.clock()).unwrap();
    [
        desk(
            Arc::new(ModelStore::default()),
            TestClock::new(),
            tempfile::tempdir().unwrap(),
        ),
        desk(Arc::new(sqlite), clock, folder),
    ]
}

pub(crate) fn delivery() -> Delivery {
    let origin = Origin {
        transport: Transport::Unix,
        address: None,
        uid: Some(1000),
    };
    Delivery {
        origin,
        sender: Sender::Unknown,
        subject: None,
        sent_at: None,
        voice: Voice::of_all(None),
    }
}

pub(crate) fn start_json(number: u32) -> Value {
    json!({
        "event_version": "1.0",
        "event_id": format!("550e8400-e29b-41d4-a716-4466554{number:05x}"),
        "component_name": "mahavishnu",
        "shell_type": "MahavishnuShell",
        "timestamp": "2026-02-06T22:04:58.123456+00:00",
        "pid": 12345,
        "user": {"username": "les", "home": "/home/les"},
        "hostname": "mbp-local",
        "environment": {"python_version": "3.13.0", "platform": "Linux", "cwd": "/home/les/p"},
        "heartbeat_interval_seconds": 30,
    })
}

pub(crate) fn start(number: u32) -> SessionStartEvent {
    SessionStartEvent::from_json(&start_json(number)).unwrap()
}

fn end_with(number: u32, more: &Value) -> SessionEndEvent {
    let mut event = json!({
        "session_id": start(number).session_id(),
        "timestamp": "2026-02-06T23:04:58Z",
        "command_count": 7,
        "error_count": 2,
        "last_error": "no such order",
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    SessionEndEvent::from_json(&event).unwrap()
}

pub(crate) fn end(number: u32) -> SessionEndEvent {
    end_with(number, &json!({"exit_reason": "exit", "exit_code": 0}))
}

fn heartbeat(number: u32, commands: i64) -> SessionHeartbeatEvent {
    SessionHeartbeatEvent::from_json(&json!({
        "session_id": start(number).session_id(),
        "timestamp": "2026-02-06T22:30:00Z",
        "command_count": commands,
        "error_count": 0,
    }))
    .unwrap()
}

impl Desk {
    pub(crate) fn start(&self, event: SessionStartEvent) -> SessionStartResult {
        self.runtime
            .block_on(self.tracker.start(event, delivery()))
            .unwrap()
    }

    pub(crate) fn end(&self, event: SessionEndEvent) -> SessionEndResult {
        self.runtime
            .block_on(self.tracker.end(event, delivery()))
            .unwrap()
    }

    pub(crate) fn heartbeat(&self, event: SessionHeartbeatEvent) -> SessionHeartbeatResult {
        self.runtime
            .block_on(self.tracker.heartbeat(event, delivery()))
            .unwrap()
    }

    /// Lets time go by, with a sweep every five seconds.
    pub(crate) fn wait(&self, seconds: u32) {
        for _ in 0..seconds.div_ceil(5) {
            self.clock.advance(5);
            self.runtime.block_on(self.tracker.sweep()).unwrap();
        }
    }

    /// Lets every lease run out.
    pub(crate) fn expire(&self) {
        self.wait(100);
    }

    /// Begins anew on the same store, as a server does that was restarted after a while.
    pub(crate) fn restart(&mut self) {
        self.clock.advance(600);
        self.tracker = self
            .tracker
            .clone()
            .with_liveness(Liveness::new(self.clock.monotonic()));
        self.runtime.block_on(self.tracker.recall()).unwrap();
    }

    pub(crate) fn close_by_hand(
        &self,
        number: u32,
        force: bool,
    ) -> Result<SessionRecord, EndError> {
        let id = start(number).session_id();
        let closing =
            self.tracker
                .end_by_hand(id.as_str(), "uid 0".to_owned(), None, force, delivery());
        self.runtime.block_on(closing).unwrap()
    }

    fn listed(&self, pairs: &[(&str, &str)]) -> Page {
        let query = ListQuery {
            filter: SessionFilter::from_pairs(pairs.iter().copied()).unwrap(),
            after: None,
            limit: 10,
            count: false,
            now: self.clock.clock().now(),
        };
        self.runtime.block_on(self.store.list(query)).unwrap()
    }

    pub(crate) fn record(&self, number: u32) -> SessionRecord {
        let id = start(number).session_id();
        self.runtime
            .block_on(self.tracker.get(id.as_str(), None))
            .unwrap()
            .unwrap()
    }
}

fn tracked(number: u32) -> SessionStartResult {
    SessionStartResult::Tracked {
        session_id: start(number).session_id().to_string(),
    }
}

fn ended(number: u32) -> SessionEndResult {
    SessionEndResult::Ended {
        session_id: start(number).session_id().to_string(),
    }
}

#[test]
fn a_repeated_start_is_tracked_and_one_with_other_content_is_a_conflict() {
    for desk in desks() {
        assert_eq!(desk.start(start(1)), tracked(1));
        // The same instant in another zone, null metadata, another spelling of the id: the same content.
        let mut same = start_json(1);
        same["timestamp"] = json!("2026-02-06T23:04:58.123456789+01:00");
        same["event_id"] = json!(same["event_id"].as_str().unwrap().to_uppercase());
        same["unknown"] = json!(1);
        assert_eq!(
            desk.start(SessionStartEvent::from_json(&same).unwrap()),
            tracked(1)
        );
        let mut other = start_json(1);
        other["pid"] = json!(54321);
        let SessionStartResult::Error(refusal) =
            desk.start(SessionStartEvent::from_json(&other).unwrap())
        else {
            panic!("another content was taken")
        };
        assert_eq!(refusal.error_code.as_deref(), Some("CONFLICT"));
        assert_eq!(desk.record(1).pid, 12345);
    }
}

/// How somebody with a token brings an event, who may speak for its own sessions alone.
fn delivery_of(subject: &str) -> Delivery {
    let subject = Some(subject.to_owned());
    let delivery = delivery();
    Delivery {
        voice: Voice::of_own(subject.clone(), delivery.origin.clone(), None),
        subject,
        ..delivery
    }
}

#[test]
fn only_whoever_began_a_session_keeps_it_alive() {
    for mut desk in desks() {
        let begun = desk.tracker.start(start(1), delivery_of("les"));
        assert_eq!(desk.runtime.block_on(begun).unwrap(), tracked(1));
        let hear = |desk: &Desk, subject, commands| {
            let heard = desk
                .tracker
                .heartbeat(heartbeat(1, commands), delivery_of(subject));
            desk.runtime.block_on(heard).unwrap()
        };
        let alive = SessionHeartbeatResult::Alive {
            session_id: start(1).session_id().to_string(),
            lease_seconds: Some(90),
        };
        // Also for a server that has not heard of the session before.
        for restarted in [false, true] {
            if restarted {
                desk.restart();
            }
            for commands in 3..=5 {
                desk.wait(60);
                assert_eq!(hear(&desk, "les", commands), alive);
                let refused = hear(&desk, "ana", 1_000);
                assert!(
                    matches!(&refused, SessionHeartbeatResult::Error { refusal, .. }
                        if refusal.error_code.as_deref() == Some("FORBIDDEN")),
                    "{refused:?}"
                );
            }
            assert_eq!(desk.record(1).command_count, Some(5));
        }
        for _ in 0..3 {
            desk.wait(60);
            hear(&desk, "ana", 1_000);
        }
        let record = desk.record(1);
        assert_eq!(record.status, SessionStatus::Lost);
        assert_eq!(record.command_count, Some(5));
    }
}

#[test]
fn the_first_report_of_an_end_stays() {
    for desk in desks() {
        let unknown = SessionEndResult::NotFound {
            session_id: start(1).session_id().to_string(),
        };
        assert_eq!(desk.end(end(1)), unknown);
        desk.start(start(1));
        assert_eq!(desk.end(end(1)), ended(1));
        assert_eq!(
            desk.end(end_with(1, &json!({"timestamp": "2026-02-07T00:00:00Z"}))),
            ended(1)
        );
        let record = desk.record(1);
        assert_eq!(
            (record.status, record.end_known_by),
            (SessionStatus::Ended, Some(EndKnownBy::Reported))
        );
        assert_eq!(record.duration_seconds, Some(3599));
        assert_eq!(
            record.end_time,
            Some("2026-02-06T23:04:58Z".parse().unwrap())
        );
        assert_eq!(
            (record.command_count, record.error_count),
            (Some(7), Some(2))
        );
    }
}

#[test]
fn a_presumption_is_undone_by_the_next_heartbeat_and_leaves_a_gap() {
    for desk in desks() {
        desk.start(start(1));
        let alive = SessionHeartbeatResult::Alive {
            session_id: start(1).session_id().to_string(),
            lease_seconds: Some(90),
        };
        assert_eq!(desk.heartbeat(heartbeat(1, 3)), alive);
        // While the lease runs nobody presumes anything.
        desk.wait(85);
        assert_eq!(desk.record(1).status, SessionStatus::Active);
        for round in 1..=2 {
            desk.expire();
            let lost = desk.record(1);
            assert_eq!(
                (lost.status, lost.end_known_by),
                (SessionStatus::Lost, Some(EndKnownBy::LeaseExpired))
            );
            assert_eq!(
                (lost.end_earliest, lost.end_time),
                (Some(lost.last_seen), Some(lost.last_seen))
            );
            assert_eq!(lost.command_count, Some(3));
            assert_eq!(desk.heartbeat(heartbeat(1, 3)), alive);
            let revived = desk.record(1);
            assert_eq!(
                (revived.status, revived.end_time),
                (SessionStatus::Active, None)
            );
            assert_eq!(revived.gaps.len(), round);
        }
    }
}

#[test]
fn a_proved_loss_is_final_but_for_an_end_or_a_hand() {
    for desk in desks() {
        desk.start(start(1));
        let lost = json!({
            "exit_reason": "lost",
            "last_seen": "2026-02-06T22:50:00Z",
            "reported_by": "mahavishnu",
        });
        assert_eq!(desk.end(end_with(1, &lost)), ended(1));
        let record = desk.record(1);
        assert_eq!(
            (record.status, record.end_known_by),
            (SessionStatus::Lost, Some(EndKnownBy::ProcessGone))
        );
        assert_eq!(
            (record.exit_reason, record.closed_by.as_deref()),
            (None, Some("mahavishnu"))
        );
        assert_eq!(
            record.end_earliest,
            Some("2026-02-06T22:50:00Z".parse().unwrap())
        );
        let answer = desk.heartbeat(heartbeat(1, 9));
        assert!(
            matches!(answer, SessionHeartbeatResult::Ended { .. }),
            "{answer:?}"
        );
        assert_eq!(desk.record(1), record);
        assert_eq!(desk.end(end(1)), ended(1));
        assert_eq!(desk.record(1).end_known_by, Some(EndKnownBy::Reported));
    }
}

#[test]
fn a_host_that_restarted_ends_its_sessions_at_their_last_proof_of_life() {
    for desk in desks() {
        desk.start(start(1));
        let last_seen = "2026-02-06T22:50:00.000000Z";
        let lost =
            json!({"exit_reason": "lost", "lost_cause": "host_restarted", "last_seen": last_seen});
        desk.end(end_with(1, &lost));
        let record = desk.record(1);
        assert_eq!(record.end_known_by, Some(EndKnownBy::HostRestarted));
        assert_eq!(
            record.end_time.map(|at| at.to_string()).as_deref(),
            Some(last_seen)
        );
    }
}

#[test]
fn closing_what_is_proved_alive_takes_force_and_gives_way_to_its_own_report() {
    for desk in desks() {
        desk.start(start(1));
        assert!(matches!(
            desk.close_by_hand(1, false),
            Err(EndError::Alive(_))
        ));
        let closed = desk.close_by_hand(1, true).unwrap();
        assert_eq!(
            (closed.status, closed.end_known_by),
            (SessionStatus::Ended, Some(EndKnownBy::ByHand))
        );
        assert_eq!(
            (closed.end_estimated, closed.closed_by.as_deref()),
            (true, Some("uid 0"))
        );
        // Closing it again changes nothing.
        desk.clock.advance(60);
        assert_eq!(desk.close_by_hand(1, false).unwrap(), closed);
        let answer = desk.heartbeat(heartbeat(1, 9));
        assert!(
            matches!(answer, SessionHeartbeatResult::Ended { .. }),
            "{answer:?}"
        );
        desk.end(end(1));
        let reported = desk.record(1);
        assert_eq!(
            (reported.end_known_by, reported.closed_by),
            (Some(EndKnownBy::Reported), None)
        );
        assert_eq!(
            desk.close_by_hand(1, true).unwrap().end_known_by,
            Some(EndKnownBy::Reported)
        );
    }
}

#[test]
fn an_end_without_counters_keeps_those_of_the_last_heartbeat() {
    for desk in desks() {
        desk.start(start(1));
        desk.heartbeat(heartbeat(1, 5));
        // One that was overtaken takes nothing back.
        desk.heartbeat(heartbeat(1, 4));
        let bare =
            json!({"session_id": start(1).session_id(), "timestamp": "2026-02-06T23:04:58Z"});
        desk.end(SessionEndEvent::from_json(&bare).unwrap());
        assert_eq!(desk.record(1).command_count, Some(5));
    }
}

fn lease_ends(desk: &Desk, number: u32) -> bool {
    desk.expire();
    desk.record(number).end_known_by == Some(EndKnownBy::LeaseExpired)
}

#[test]
fn a_wall_clock_that_is_stepped_closes_nothing_and_keeps_nothing_open() {
    const HOUR: i64 = 3_600;
    const YEARS: i64 = 10 * 365 * 24 * HOUR;
    for step in [HOUR, -HOUR, YEARS, -YEARS] {
        for desk in desks() {
            desk.start(start(1));
            desk.heartbeat(heartbeat(1, 3));
            desk.clock.step(step);
            desk.wait(60);
            let record = desk.record(1);
            assert_eq!(record.liveness, Some(Life::Live), "{step}");
            desk.heartbeat(heartbeat(1, 4));
            desk.clock.step(-step);
            desk.wait(60);
            assert_eq!(desk.record(1).liveness, Some(Life::Live), "{step}");
            desk.clock.step(step);
            assert!(lease_ends(&desk, 1), "{step}");
            let record = desk.record(1);
            assert!(record.end_earliest <= record.end_time, "{record:?}");
            assert!(record.end_time <= record.end_latest, "{record:?}");
        }
    }
}

#[test]
fn a_server_that_was_suspended_gives_every_lease_a_full_term() {
    for desk in desks() {
        desk.start(start(1));
        desk.wait(60);
        // Stopped for ten minutes, in which no heartbeat was heard.
        desk.clock.advance(600);
        desk.wait(85);
        assert_eq!(desk.record(1).status, SessionStatus::Active);
        assert!(lease_ends(&desk, 1));
    }
}

#[test]
fn a_restarted_server_gives_every_lease_a_full_term_and_remembers_what_heartbeats_said() {
    for mut desk in desks() {
        desk.start(start(1));
        desk.heartbeat(heartbeat(1, 5));
        let before = desk.record(1);
        desk.runtime.block_on(desk.tracker.write_signs()).unwrap();
        desk.restart();
        let after = desk.record(1);
        assert_eq!(
            (after.liveness, after.last_seen, after.command_count),
            (Some(Life::Live), before.last_seen, Some(5))
        );
        desk.wait(85);
        assert_eq!(desk.record(1).status, SessionStatus::Active);
        assert!(lease_ends(&desk, 1));
        let lost = desk.record(1);
        assert_eq!(
            (lost.end_time, lost.command_count),
            (Some(before.last_seen), Some(5))
        );
    }
}

#[test]
fn a_silent_sender_is_never_closed_and_stale_after_a_day() {
    let mut silent = start_json(1);
    silent["heartbeat_interval_seconds"] = Value::Null;
    let silent = SessionStartEvent::from_json(&silent).unwrap();
    for mut desk in desks() {
        desk.start(silent.clone());
        assert_eq!(desk.record(1).liveness, Some(Life::Unknown));
        desk.clock.advance(24 * 3_600 - 5);
        assert_eq!(desk.record(1).liveness, Some(Life::Unknown));
        desk.wait(5);
        let record = desk.record(1);
        assert_eq!(
            (record.status, record.liveness),
            (SessionStatus::Active, Some(Life::Stale))
        );
        // A heartbeat that nobody promised is a sign of life and no lease.
        let answer = desk.heartbeat(heartbeat(1, 1));
        let alive = SessionHeartbeatResult::Alive {
            session_id: silent.session_id().to_string(),
            lease_seconds: None,
        };
        assert_eq!(answer, alive);
        assert_eq!(desk.record(1).liveness, Some(Life::Unknown));
        desk.tracker = desk
            .tracker
            .clone()
            .with_stale_after(Duration::from_secs(60));
        desk.wait(60);
        assert_eq!(desk.record(1).liveness, Some(Life::Stale));
    }
}

/// The shortest promise has a lease of five seconds, so that one late heartbeat closes nothing.
#[test]
fn a_lease_is_three_heartbeats_and_never_shorter_than_five_seconds() {
    for (interval, seconds) in [(1, 5), (2, 6), (30, 90), (3_600, 10_800)] {
        for desk in desks() {
            let mut json = start_json(1);
            json["heartbeat_interval_seconds"] = interval.into();
            desk.start(SessionStartEvent::from_json(&json).unwrap());
            let alive = SessionHeartbeatResult::Alive {
                session_id: start(1).session_id().to_string(),
                lease_seconds: Some(seconds),
            };
            assert_eq!(desk.heartbeat(heartbeat(1, 1)), alive);
        }
    }
}

/// A batch is made in the order of its lines: what comes behind an end is too late.
#[test]
fn a_heartbeat_behind_an_end_in_one_batch_is_too_late() {
    for desk in desks() {
        desk.start(start(1));
        let events = vec![
            (Event::Heartbeat(Box::new(heartbeat(1, 3))), delivery()),
            (Event::End(Box::new(end(1))), delivery()),
            (Event::Heartbeat(Box::new(heartbeat(1, 4))), delivery()),
        ];
        let answers = desk.runtime.block_on(desk.tracker.take(events)).unwrap();
        let statuses: Vec<_> = answers
            .into_iter()
            .map(|answer| serde_json::to_value(answer.unwrap()).unwrap()["status"].clone())
            .collect();
        assert_eq!(statuses, ["alive", "ended", "ended"]);
        assert_eq!(desk.tracker.liveness().counts(), (0, 0));
    }
}

/// Whoever sent a start may hang up before the answer; it is made all the same, and so its lease runs.
#[test]
fn a_start_whose_sender_has_gone_is_known_all_the_same() {
    for desk in desks() {
        desk.runtime.block_on(async {
            let taken = desk
                .tracker
                .take(vec![(Event::Start(Box::new(start(2))), delivery())]);
            {
                let mut taken = std::pin::pin!(taken);
                let once = std::future::poll_fn(|context| {
                    let _ = taken.as_mut().poll(context);
                    std::task::Poll::Ready(())
                });
                once.await;
            }
            // The store makes changes in their order, so what was handed over before is made when this is.
            desk.tracker.start(start(3), delivery()).await.unwrap();
            tokio::task::yield_now().await;
        });
        assert_eq!(desk.tracker.liveness().counts(), (0, 2));
        assert_eq!(desk.record(2).liveness, Some(Life::Live));
    }
}

/// What can happen to a session between its start and the acknowledgement of its end.
#[derive(Clone, Copy, Debug)]
enum Step {
    Start,
    End,
    Heartbeat,
    Expire,
    ByHand,
    LostReport,
    ClockBack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Step::{ByHand, ClockBack, End, Expire, Heartbeat, LostReport, Start};
    let step = prop::sample::select(vec![
        Start, End, Heartbeat, Expire, ByHand, LostReport, ClockBack,
    ]);
    prop::collection::vec(step, 0..14)
}

/// What must be equal, however the events came: all but gaps, receipt times and skew.
fn essence(mut record: SessionRecord) -> SessionRecord {
    let fixed = record.start_time;
    record.gaps.clear();
    record.created_at = fixed;
    record.last_seen = fixed;
    record.skew_seconds = None;
    record
}

fn perform(desk: &Desk, number: u32, step: Step) {
    match step {
        Step::Start => drop(desk.start(start(number))),
        Step::End => drop(desk.end(end(number))),
        Step::Heartbeat => drop(desk.heartbeat(heartbeat(number, 3))),
        Step::Expire => desk.expire(),
        Step::ByHand => drop(desk.close_by_hand(number, true)),
        Step::LostReport => drop(desk.end(end_with(number, &json!({"exit_reason": "lost"})))),
        Step::ClockBack => desk.clock.step(-3_600),
    }
}

/// The client's side of the bargain: each event until it is acknowledged, the start again after `not_found`.
fn deliver_until_acknowledged(desk: &Desk, number: u32) {
    assert_eq!(desk.start(start(number)), tracked(number));
    assert_eq!(desk.end(end(number)), ended(number));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Late, repeated and reordered events never make the record less true. Heartbeats are not delivered again, so what
    /// they alone say is outside this law: the ends here carry their counters, as those of a sender that counts do.
    #[test]
    fn every_way_of_delivery_ends_in_the_same_record(
        // Copies of earlier deliveries arrive at any time, also after the end was acknowledged.
        before in steps(),
        after in steps(),
        neighbour in steps(),
    ) {
        let straight = ModelStore::default();
        let [model, sqlite] = desks();
        let in_order = Desk {
            tracker: Tracker::new(Arc::new(straight), model.clock.clock()),
            ..desks().into_iter().next().unwrap()
        };
        deliver_until_acknowledged(&in_order, 1);
        let expected = essence(in_order.record(1));
        for desk in [model, sqlite] {
            let mut neighbours = neighbour.iter();
            for step in &before {
                perform(&desk, 1, *step);
                if let Some(step) = neighbours.next() {
                    perform(&desk, 2, *step);
                }
            }
            deliver_until_acknowledged(&desk, 1);
            for step in &after {
                perform(&desk, 1, *step);
            }
            prop_assert_eq!(essence(desk.record(1)), expected.clone());
        }
    }

    /// The real store is the model.
    #[test]
    fn both_stores_agree_after_every_step(steps in steps()) {
        let [model, sqlite] = desks();
        for desk in [&model, &sqlite] {
            desk.start(start(1));
        }
        for step in steps {
            perform(&model, 1, step);
            perform(&sqlite, 1, step);
            prop_assert_eq!(model.record(1), sqlite.record(1), "after {:?}", step);
            for pairs in LISTS {
                prop_assert_eq!(model.listed(pairs), sqlite.listed(pairs), "{:?} after {:?}", pairs, step);
            }
        }
        prop_assert_eq!(happenings(&model, 3), happenings(&sqlite, 2));
    }
}

/// Lists whose answers differ by what became of a session.
const LISTS: [&[(&str, &str)]; 8] = [
    &[],
    &[("status", "lost,active")],
    &[("incomplete", "true")],
    &[("user", "les"), ("component", "mahavishnu")],
    &[("search", "mahavishnu \"such order\"")],
    &[("search", "les mbp-lo"), ("status", "ended")],
    &[("search", "nowhere")],
    &[("component", "mahavishnu,billing,mahavishnu")],
];
/// Gives all that happened, read some records at a time.
fn happenings(desk: &Desk, limit: usize) -> Vec<(Kind, Timestamp, SessionRecord)> {
    let head = desk.tracker.head().borrow().unwrap();
    let (mut place, mut all) = (ChainHead { seq: 0, ..head }, Vec::new());
    while place.seq < head.seq {
        let read = desk.tracker.happenings(place, head, limit);
        let read = desk.runtime.block_on(read).unwrap();
        assert!(read.read_to.seq > place.seq, "it comes on");
        place = read.read_to;
        let told = read.found.into_iter();
        all.extend(told.map(|told| (told.kind, told.received_at, told.session)));
    }
    all
}

#[test]
fn what_happened_is_told_as_it_left_its_session_whenever_it_is_read() {
    for desk in desks() {
        desk.start(start(1));
        let begun = happenings(&desk, 256);
        desk.clock.advance(60);
        desk.end(end_with(1, &json!({})));
        let all = happenings(&desk, 256);
        assert_eq!(all[..1], begun[..], "the past does not change");
        let told: Vec<_> = all
            .iter()
            .map(|(kind, _, session)| (*kind, session.status, session.duration_seconds))
            .collect();
        let expected = [
            (Kind::Start, SessionStatus::Active, Some(1)),
            (Kind::End, SessionStatus::Ended, Some(3_599)),
        ];
        assert_eq!(told, expected);
        assert_eq!(begun[0].2.liveness, None);
    }
}

#[test]
fn a_reader_goes_on_after_a_record_or_from_a_time_and_only_in_the_ledger_that_it_read() {
    for desk in desks() {
        for number in 1..=5 {
            desk.start(start(number));
            desk.clock.advance(60);
        }
        let head = desk.tracker.head().borrow().unwrap();
        let locate = |sought| {
            let found = desk.runtime.block_on(desk.tracker.locate(sought, head));
            found.unwrap().map(|place| place.seq)
        };
        let mark = Mark::from(head);
        assert_eq!(locate(Sought::Mark(mark)), Some(5));
        let foreign = Mark {
            chain: uuid::Uuid::from_u128(7),
            ..mark
        };
        assert_eq!(locate(Sought::Mark(foreign)), None);
        assert_eq!(locate(Sought::Mark(Mark { seq: 6, ..mark })), None);
        let times = ["22:04:59", "22:05:00", "22:05:01", "22:08:00", "22:09:30"];
        let found = times.map(|time| {
            let time = format!("2026-02-06T{time}Z").parse().unwrap();
            locate(Sought::Before(time))
        });
        assert_eq!(found, [0, 0, 1, 3, 5].map(Some));
    }
}

#[test]
fn a_ledger_that_was_put_back_and_went_on_otherwise_is_another_one() {
    let [_, sqlite] = desks();
    sqlite.start(start(1));
    let head = sqlite.tracker.head().borrow().unwrap();
    let other = Mark {
        hash: [7; 8],
        ..Mark::from(head)
    };
    let locate = sqlite.tracker.locate(Sought::Mark(other), head);
    assert_eq!(sqlite.runtime.block_on(locate).unwrap(), None);
}
