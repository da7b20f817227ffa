//! The store as a model: what it has committed stays, whatever happens to the server; the rest is gone with it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use session_buddy::{
    analytics::{Findings, Question},
    store::{
        ActPage, ActQuery, Change, Cursor, Decision, Differing, ExportQuery, Import, ImportCount,
        ListQuery, Note, OpenSession, Outcome, Page, SessionStore, Standing, StoreError,
        StoreFuture, StoreHealth, Stored,
        checkpoint::ChainHead,
        happening::{Happenings, Sought},
    },
};
use session_model::{Act, SessionId, fold::Accepted};
use tokio::sync::{Notify, oneshot, watch};

use super::stage::{At, Fate, ProcessId, Stage};
use crate::rules::ModelStore;

/// How long a commit takes.
const COMMIT: (Duration, Duration) = (Duration::from_micros(300), Duration::from_millis(40));
/// The most that may wait.
const QUEUE_MAX: usize = 64;

/// What is on the server's disk.
#[derive(Default)]
pub(super) struct Database {
    pub(super) model: Arc<ModelStore>,
    /// The records that were accepted, of each session, in the order of the commits.
    pub(super) ledger: BTreeMap<SessionId, Vec<Accepted>>,
}

impl Database {
    pub(super) fn copy(&self) -> Self {
        Self {
            model: Arc::new(self.model.copy()),
            ledger: self.ledger.clone(),
        }
    }
}

/// The store of one run of the server.
pub(super) struct Store {
    stage: Stage,
    server: ProcessId,
    model: Arc<ModelStore>,
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    bell: Notify,
}

enum Job {
    Changes(
        Vec<Box<dyn Change>>,
        oneshot::Sender<Result<Vec<Outcome>, StoreError>>,
    ),
    Notes(Vec<Note>, oneshot::Sender<Result<(), StoreError>>),
}

impl Store {
    /// Opens what is on the disk, and starts to write.
    pub(super) fn open(stage: &Stage, server: ProcessId) -> Self {
        let queue = Arc::new(Queue::default());
        stage.run(server, write(stage.clone(), server, Arc::clone(&queue)));
        Self {
            stage: stage.clone(),
            server,
            model: Arc::clone(&stage.world().database.model),
            queue,
        }
    }

    fn hand_over(&self, job: Job) -> Result<(), StoreError> {
        let fate = self.stage.point(self.server, At::HandOver, "hand over");
        let mut jobs = self.queue.jobs.lock().unwrap();
        if jobs.len() >= QUEUE_MAX || fate == Some(Fate::Fails) {
            return Err(StoreError::Overloaded);
        }
        jobs.push_back(job);
        self.queue.bell.notify_one();
        drop(jobs);
        if fate == Some(Fate::DiesAfter) {
            self.stage.kill(self.server, "dies after it");
        }
        Ok(())
    }
}

async fn write(stage: Stage, server: ProcessId, queue: Arc<Queue>) {
    loop {
        queue.bell.notified().await;
        stage.pause(COMMIT.0, COMMIT.1).await;
        let jobs: Vec<_> = queue.jobs.lock().unwrap().drain(..).collect();
        let what = format!("commit {}", jobs.len());
        let Some(fate) = stage.point(server, At::Commit, &what) else {
            return;
        };
        // Whoever is told that it failed does not know whether it was done.
        let done = match fate {
            Fate::Dies => false,
            Fate::Fails => stage.world().dice.bool(),
            Fate::Passes | Fate::DiesAfter => true,
        };
        for job in jobs {
            commit(&stage, job, done, fate);
        }
        if fate == Fate::DiesAfter {
            stage.kill(server, "dies after it");
        }
    }
}

/// Commits, or does not; answers, unless the server dies.
fn commit(stage: &Stage, job: Job, done: bool, fate: Fate) {
    let model = Arc::clone(&stage.world().database.model);
    let answers = matches!(fate, Fate::Passes | Fate::Fails);
    let failed = fate == Fate::Fails;
    let unavailable = || StoreError::Unavailable("the simulated disk fails".to_owned());
    match job {
        Job::Changes(changes, reply) => {
            let mut outcomes = Vec::new();
            for change in changes.into_iter().filter(|_| done) {
                let records = Arc::default();
                let id = change.session_id().clone();
                let recorded = Recorded {
                    change,
                    records: Arc::clone(&records),
                };
                outcomes.push(Ok(model.make(Box::new(recorded))));
                let mut world = stage.world();
                for record in std::mem::take(&mut *records.lock().unwrap()) {
                    world.accepted(&id, &record);
                    world
                        .database
                        .ledger
                        .entry(id.clone())
                        .or_default()
                        .push(record);
                }
            }
            if answers {
                let _ = reply.send(if failed {
                    Err(unavailable())
                } else {
                    Ok(outcomes)
                });
            }
        }
        Job::Notes(notes, reply) => {
            if done {
                // The model writes at once.
                drop(model.note(notes));
            }
            if answers {
                let _ = reply.send(if failed { Err(unavailable()) } else { Ok(()) });
            }
        }
    }
}

/// A change that remembers what it has decided.
struct Recorded {
    change: Box<dyn Change>,
    records: Arc<Mutex<Vec<Accepted>>>,
}

impl Change for Recorded {
    fn session_id(&self) -> &SessionId {
        self.change.session_id()
    }

    fn decide(self: Box<Self>, standing: Option<&Standing>) -> Decision {
        let decision = self.change.decide(standing);
        let records = decision.records.iter().map(|entry| entry.record.clone());
        self.records.lock().unwrap().extend(records);
        decision
    }
}

impl SessionStore for Store {
    fn apply_all(&self, changes: Vec<Box<dyn Change>>) -> StoreFuture<'static, Vec<Outcome>> {
        let (reply, outcomes) = oneshot::channel();
        let handed_over = self.hand_over(Job::Changes(changes, reply));
        Box::pin(async move {
            handed_over?;
            outcomes.await.unwrap_or(Err(StoreError::Stopping))
        })
    }

    fn note(&self, notes: Vec<Note>) -> StoreFuture<'static, ()> {
        let (reply, outcome) = oneshot::channel();
        let handed_over = self.hand_over(Job::Notes(notes, reply));
        Box::pin(async move {
            handed_over?;
            outcome.await.unwrap_or(Err(StoreError::Stopping))
        })
    }

    fn open_sessions(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Page<OpenSession>> {
        self.model.open_sessions(after, limit)
    }

    fn record(&self, act: Act) -> StoreFuture<'_, ()> {
        self.model.record(act)
    }

    fn acts(&self, query: ActQuery) -> StoreFuture<'_, ActPage> {
        self.model.acts(query)
    }

    fn revoked_tokens(&self) -> StoreFuture<'_, Vec<String>> {
        self.model.revoked_tokens()
    }

    fn get(&self, id: SessionId) -> StoreFuture<'_, Option<Stored>> {
        self.model.get(id)
    }

    fn list(&self, query: ListQuery) -> StoreFuture<'_, Page> {
        self.model.list(query)
    }

    fn export(&self, query: ExportQuery) -> StoreFuture<'_, Page> {
        self.model.export(query)
    }

    fn import(&self, import: Import) -> StoreFuture<'static, Result<ImportCount, Vec<Differing>>> {
        self.model.import(import)
    }

    fn find(&self, prefix: String, limit: usize) -> StoreFuture<'_, Vec<SessionId>> {
        self.model.find(prefix, limit)
    }

    fn analyze(&self, question: Question) -> StoreFuture<'_, Findings> {
        self.model.analyze(question)
    }

    fn head(&self) -> watch::Receiver<Option<ChainHead>> {
        self.model.head()
    }

    fn locate(&self, sought: Sought, head: ChainHead) -> StoreFuture<'_, Option<ChainHead>> {
        self.model.locate(sought, head)
    }

    fn happenings(
        &self,
        after: ChainHead,
        head: ChainHead,
        limit: usize,
    ) -> StoreFuture<'_, Happenings> {
        self.model.happenings(after, head, limit)
    }

    fn health(&self) -> StoreHealth {
        self.model.health()
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.model.close()
    }
}
