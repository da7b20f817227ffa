//! Runs a plan: so many jobs at once, each behind those that it needs.
//!
//! One thread decides and writes down what happens; each job has a thread that starts its command and waits. What a job needs
//! from the outside (processes that end with their group, Ctrl-C) comes from a [`Host`].

mod job;

use std::{
    io,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, Scope},
    time::Duration,
};

use admin_shell::{Context, End, Stream};
use rustix::rand::{GetRandomFlags, getrandom};
use session_client::Clock;
use session_model::Timestamp;

use crate::{
    log::{self, Censor},
    plan::{Job, Plan},
    process::Runner,
    project::Project,
    record::{self, JobStatus, Status},
    store::{Ended, Store, StoreError, make_folder},
    workflow::Workflow,
};

/// How often it is looked whether somebody wants the workflow to stop: 100 ms.
const LOOK: Duration = Duration::from_millis(100);

/// Who starts processes, and hears that it is enough.
pub trait Host: Sync {
    /// Runs a program to its end, at most for `limit`, and ends all that it has started.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    fn run(
        &self,
        command: std::process::Command,
        limit: Duration,
        line: &mut dyn FnMut(Stream, &str),
    ) -> io::Result<End>;
    /// Prepares a program that knows in which session it was started.
    fn command(&self, program: &str) -> std::process::Command;
    /// Waits; tells whether it is enough.
    fn wait(&self, time: Duration) -> bool;
    /// Tells whether it is enough.
    fn is_stopped(&self) -> bool;
    /// Says that it is enough.
    fn stop(&self);
}

impl Host for Context {
    fn run(
        &self,
        command: std::process::Command,
        limit: Duration,
        line: &mut dyn FnMut(Stream, &str),
    ) -> io::Result<End> {
        Self::run(self, command, limit, line)
    }

    fn command(&self, program: &str) -> std::process::Command {
        Self::command(self, program)
    }

    fn wait(&self, time: Duration) -> bool {
        Self::wait(self, time).is_err()
    }

    fn is_stopped(&self) -> bool {
        self.is_interrupted()
    }

    fn stop(&self) {
        self.interrupt();
    }
}

/// What happens to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt begins.
    Began {
        /// Which job.
        job: usize,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// An attempt has failed, and there will be another one.
    Failed {
        /// Which job.
        job: usize,
        /// What went wrong.
        problem: String,
        /// When the next one begins.
        after: Duration,
    },
    /// It is over.
    Ended {
        /// Which job.
        job: usize,
        /// What came of it.
        ended: Ended,
    },
}

/// A workflow that is about to run.
#[derive(Debug)]
pub struct Run<'a> {
    /// What.
    pub workflow: &'a Workflow,
    /// Where.
    pub plan: &'a Plan,
    /// Of which project.
    pub project: &'a Project,
    /// Which repositories were asked for.
    pub tag: Option<String>,
    /// How many jobs at once.
    pub parallel: usize,
    /// In which session.
    pub session_id: Option<String>,
}

impl Run<'_> {
    /// Puts the workflow down in the store, and gives its record.
    ///
    /// # Errors
    ///
    /// The store or the folder for logs fails.
    pub fn begin(&self, store: &mut Store, clock: &Clock) -> Result<record::Workflow, StoreError> {
        let now = clock.now();
        let id = new_id(now).map_err(|source| StoreError::Io {
            path: "getrandom".into(),
            source,
        })?;
        let folder = store.logs_of(&id);
        make_folder(&folder)?;
        let job = |(place, job): (usize, &Job)| {
            let step = &self.workflow.steps[job.step].name;
            let repository = self.plan.repository_of(job).map(|r| r.name.clone());
            let log = folder.join(log::name(place, step, repository.as_deref()));
            record::Job {
                step: step.clone(),
                repository,
                status: JobStatus::Pending,
                attempts: 0,
                exit_code: None,
                started_at: None,
                ended_at: None,
                log: log.display().to_string(),
            }
        };
        let repositories = self.plan.repositories.iter();
        let workflow = record::Workflow {
            id,
            status: Status::Running,
            task: self.workflow.name.clone(),
            repos: repositories.map(|r| r.path.display().to_string()).collect(),
            created_at: now.to_string(),
            updated_at: now.to_string(),
            progress: Some(0.0),
            results: self.plan.jobs.iter().enumerate().map(job).collect(),
            errors: Vec::new(),
            adapter: crate::adapters::LOCAL.to_owned(),
            tag: self.tag.clone(),
            session_id: self.session_id.clone(),
            runner: Some(Runner::of_this_process()),
        };
        store.begin(&workflow)?;
        Ok(workflow)
    }

    /// Runs it to its end, and gives how that was. `tell` hears what happens.
    ///
    /// # Errors
    ///
    /// The store fails; then all that runs is stopped.
    pub fn run(
        &self,
        record: &record::Workflow,
        host: &dyn Host,
        store: &mut Store,
        clock: &Clock,
        tell: &mut dyn FnMut(&Event),
    ) -> Result<Status, StoreError> {
        let secrets = self.workflow.secrets.iter();
        let set = |name: &String| std::env::var(name).ok();
        let censor = Censor::new(secrets.filter_map(set), &|name| std::env::var_os(name));
        let (sender, events) = mpsc::channel();
        let status = thread::scope(|scope| {
            let start = |place: usize| {
                let job = job::Attempted {
                    run: self,
                    record,
                    place,
                    host,
                    censor: &censor,
                    clock,
                };
                start_thread(scope, job, sender.clone())
            };
            let mut board = Board {
                run: self,
                id: &record.id,
                states: vec![JobStatus::Pending; self.plan.jobs.len()],
                events: &events,
                host,
                clock,
            };
            let status = board.play(store, tell, &start);
            if status.is_err() {
                // The threads of the jobs are waited for when the scope ends.
                host.stop();
            }
            status
        })?;
        store.finish(&record.id, status, clock.now())?;
        Ok(status)
    }
}

fn start_thread<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    job: job::Attempted<'env>,
    sender: mpsc::Sender<Event>,
) -> io::Result<()> {
    let name = "job of a workflow".to_owned();
    let started = thread::Builder::new()
        .name(name)
        .spawn_scoped(scope, move || job.to_the_end(&sender));
    started.map(drop)
}

/// Where each job stands.
struct Board<'a> {
    run: &'a Run<'a>,
    id: &'a str,
    states: Vec<JobStatus>,
    events: &'a Receiver<Event>,
    host: &'a dyn Host,
    clock: &'a Clock,
}

impl Board<'_> {
    fn play(
        &mut self,
        store: &mut Store,
        tell: &mut dyn FnMut(&Event),
        start: &dyn Fn(usize) -> io::Result<()>,
    ) -> Result<Status, StoreError> {
        loop {
            self.skip(store, tell)?;
            self.start_ready(store, tell, start)?;
            if self.count(JobStatus::Running) == 0 {
                break;
            }
            match self.events.recv_timeout(LOOK) {
                Ok(event) => self.take(store, tell, event)?,
                Err(RecvTimeoutError::Timeout) => {
                    if store.is_cancel_requested(self.id)? {
                        self.host.stop();
                    }
                }
                // This board's own start holds a sender.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let completed = self.count(JobStatus::Completed) == self.states.len();
        Ok(if completed {
            Status::Completed
        } else if self.host.is_stopped() {
            Status::Interrupted
        } else {
            Status::Failed
        })
    }

    fn count(&self, status: JobStatus) -> usize {
        self.states.iter().filter(|state| **state == status).count()
    }

    /// Tells whether nothing more begins.
    fn is_closed(&self) -> bool {
        let has_failed =
            |state: &JobStatus| matches!(state, JobStatus::Failed | JobStatus::TimedOut);
        self.host.is_stopped() || self.run.workflow.fail_fast && self.states.iter().any(has_failed)
    }

    /// Gives up the jobs that will not begin. A job stands behind those that it needs, so one pass finds all of them.
    fn skip(&mut self, store: &mut Store, tell: &mut dyn FnMut(&Event)) -> Result<(), StoreError> {
        let is_closed = self.is_closed();
        for place in 0..self.states.len() {
            let lost = |need: &usize| {
                !matches!(
                    self.states[*need],
                    JobStatus::Pending | JobStatus::Running | JobStatus::Completed
                )
            };
            let is_lost = self.run.plan.jobs[place].needs.iter().any(lost);
            if self.states[place] == JobStatus::Pending && (is_closed || is_lost) {
                let ended = Ended {
                    status: JobStatus::Skipped,
                    exit_code: None,
                    error: None,
                };
                self.take(store, tell, Event::Ended { job: place, ended })?;
            }
        }
        Ok(())
    }

    fn start_ready(
        &mut self,
        store: &mut Store,
        tell: &mut dyn FnMut(&Event),
        start: &dyn Fn(usize) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        for place in 0..self.states.len() {
            if self.count(JobStatus::Running) >= self.run.parallel {
                break;
            }
            let is_done = |need: &usize| self.states[*need] == JobStatus::Completed;
            let is_ready = self.run.plan.jobs[place].needs.iter().all(is_done);
            if self.states[place] != JobStatus::Pending || !is_ready {
                continue;
            }
            self.states[place] = JobStatus::Running;
            if let Err(error) = start(place) {
                let ended = Ended {
                    status: JobStatus::Failed,
                    exit_code: None,
                    error: Some(format!("no thread could be started: {error}")),
                };
                self.take(store, tell, Event::Ended { job: place, ended })?;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        store: &mut Store,
        tell: &mut dyn FnMut(&Event),
        event: Event,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        match &event {
            Event::Began { job, attempt } => store.job_began(self.id, *job, *attempt, now)?,
            Event::Failed { .. } => {}
            Event::Ended { job, ended } => {
                self.states[*job] = ended.status;
                store.job_ended(self.id, *job, ended, now)?;
            }
        }
        tell(&event);
        Ok(())
    }
}

/// Makes the id of a workflow: its day in UTC, and 40 random bits.
fn new_id(now: Timestamp) -> io::Result<String> {
    let mut random = [0; 5];
    getrandom(&mut random, GetRandomFlags::empty())?;
    let random = data_encoding::BASE32_NOPAD.encode(&random).to_lowercase();
    let day: String = now
        .to_string()
        .chars()
        .take(10)
        .filter(|c| *c != '-')
        .collect();
    Ok(format!("wf-{day}-{random}"))
}
