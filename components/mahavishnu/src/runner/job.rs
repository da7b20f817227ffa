//! A job, from its first attempt to its end.

use std::{io, sync::mpsc::Sender, time::Duration};

use admin_shell::{End, Stream};
use session_client::Clock;

use super::{Event, Host, Run};
use crate::{
    log::{Censor, Log},
    process::WORKFLOW_ID,
    record::{self, JobStatus},
    store::Ended,
    workflow::Step,
};

/// The longest wait before a retry.
const BACKOFF_MAX: Duration = Duration::from_mins(5);

/// A job and all that it takes.
pub(super) struct Attempted<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) record: &'a record::Workflow,
    pub(super) place: usize,
    pub(super) host: &'a dyn Host,
    pub(super) censor: &'a Censor,
    pub(super) clock: &'a Clock,
}

impl Attempted<'_> {
    /// Tries until it succeeds, there are no retries left, or it is enough.
    pub(super) fn to_the_end(&self, sender: &Sender<Event>) {
        let step = self.step();
        let mut attempt = 1;
        let ended = loop {
            // Who listens has given up only when it does not want to know more.
            let _ = sender.send(Event::Began {
                job: self.place,
                attempt,
            });
            let ended = self.attempt(attempt);
            let may_succeed = matches!(ended.status, JobStatus::Failed | JobStatus::TimedOut);
            if !may_succeed || attempt > step.retries {
                break ended;
            }
            let after = backoff(step.backoff, attempt);
            let _ = sender.send(Event::Failed {
                job: self.place,
                problem: ended.error.clone().unwrap_or_default(),
                after,
            });
            if self.host.wait(after) {
                break ended;
            }
            attempt += 1;
        };
        let job = self.place;
        let _ = sender.send(Event::Ended { job, ended });
    }

    fn step(&self) -> &Step {
        &self.run.workflow.steps[self.run.plan.jobs[self.place].step]
    }

    fn attempt(&self, attempt: u32) -> Ended {
        let mut last = String::new();
        let (status, exit_code, problem) = match self.run_command(attempt, &mut last) {
            Ok(End::Exited(0)) => (JobStatus::Completed, Some(0), None),
            Ok(End::Exited(code)) => (
                JobStatus::Failed,
                Some(code),
                Some(format!("exit code {code}")),
            ),
            Ok(End::Killed(signal)) => (
                JobStatus::Failed,
                None,
                Some(format!("ended by signal {signal}")),
            ),
            Ok(End::TimedOut) => {
                let problem = format!("it took longer than {:?}", self.step().timeout);
                (JobStatus::TimedOut, None, Some(problem))
            }
            // Somebody wanted that: it is no error.
            Ok(End::Interrupted) => (JobStatus::Interrupted, None, None),
            Err(error) => (JobStatus::Failed, None, Some(error.to_string())),
        };
        let job = &self.run.plan.jobs[self.place];
        let name = self.run.plan.name_of(self.run.workflow, job);
        let said = if last.is_empty() { "" } else { ": " };
        Ended {
            status,
            exit_code,
            error: problem.map(|problem| format!("{name}: {problem}{said}{last}")),
        }
    }

    /// Runs the command once. `last` becomes the last line of its output that says something, errors before results.
    fn run_command(&self, attempt: u32, last: &mut String) -> io::Result<End> {
        let step = self.step();
        let job = &self.run.plan.jobs[self.place];
        let folder = self.run.plan.folder_of(job, &self.run.project.folder);
        if !folder.is_dir() {
            let problem = format!("there is no folder {}", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, problem));
        }
        let mut log = Log::open(self.record.results[self.place].log.as_ref())?;
        let (now, attempts) = (self.clock.now(), step.retries + 1);
        log.add(&format!(
            "--- attempt {attempt} of {attempts}, {now}, in {}",
            folder.display()
        ))?;
        let mut command = self.host.command("/bin/sh");
        command
            .args(["-e", "-c", &step.command])
            .current_dir(&folder)
            .envs(step.environment.iter().map(|(name, text)| (name, text)))
            .env(WORKFLOW_ID, &self.record.id)
            .env("MAHAVISHNU_WORKFLOW", &self.run.workflow.name)
            .env("MAHAVISHNU_STEP", &step.name)
            .env("MAHAVISHNU_ATTEMPT", attempt.to_string());
        if let Some(repository) = self.run.plan.repository_of(job) {
            command.env("MAHAVISHNU_REPOSITORY", &repository.name);
        }
        let mut unkept = None;
        let (mut output, mut errors) = (String::new(), String::new());
        let end = self.host.run(command, step.timeout, &mut |stream, line| {
            let line = self.censor.pass(line);
            unkept = unkept.take().or_else(|| log.add(&line).err());
            if !line.trim().is_empty() {
                match stream {
                    Stream::Output => output = line,
                    Stream::Errors => errors = line,
                }
            }
        });
        *last = if errors.is_empty() { output } else { errors };
        // A step whose log is not kept has not done what was asked for.
        match unkept {
            Some(error) => Err(io::Error::new(
                error.kind(),
                format!("its log could not be kept: {error}"),
            )),
            None => end,
        }
    }
}

/// Gives how long to wait after a failed attempt: doubled each time.
fn backoff(first: Duration, attempt: u32) -> Duration {
    let factor = 2_u32.checked_pow(attempt - 1).unwrap_or(u32::MAX);
    first
        .checked_mul(factor)
        .map_or(BACKOFF_MAX, |after| after.min(BACKOFF_MAX.max(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_that_is_never_below_the_first() {
        let waits = [1, 2, 3, 20].map(|attempt| backoff(Duration::from_secs(2), attempt).as_secs());
        assert_eq!(waits, [2, 4, 8, 300]);
        let hour = Duration::from_hours(1);
        assert_eq!([backoff(hour, 1), backoff(hour, 2)], [hour, hour]);
    }
}
