//! What people see while a workflow runs: bars on a terminal, else a line for each thing that happens.

use std::{collections::HashMap, io::IsTerminal, time::Duration};

use admin_shell::{Context, output::one_line};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{plan::Plan, record::JobStatus, runner::Event, store::Ended, workflow::Workflow};

/// How often the spinners turn.
const TICK: Duration = Duration::from_millis(100);

/// Shows what happens.
pub struct Progress<'a> {
    context: &'a Context,
    workflow: &'a Workflow,
    plan: &'a Plan,
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    running: HashMap<usize, ProgressBar>,
}

impl<'a> Progress<'a> {
    /// Makes it for a plan.
    pub fn new(context: &'a Context, workflow: &'a Workflow, plan: &'a Plan) -> Self {
        let bars = std::io::stderr()
            .is_terminal()
            .then(|| Bars::new(plan.jobs.len()));
        Self {
            context,
            workflow,
            plan,
            bars,
        }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event) {
        let name = |job: &usize| self.plan.name_of(self.workflow, &self.plan.jobs[*job]);
        let line = match event {
            Event::Began { job, attempt } => {
                let again = if *attempt > 1 {
                    format!(", attempt {attempt}")
                } else {
                    String::new()
                };
                let text = format!("{}{again}", name(job));
                match &mut self.bars {
                    Some(bars) => {
                        bars.begin(*job, text);
                        return;
                    }
                    None => format!("begins    {text}"),
                }
            }
            Event::Failed { problem, after, .. } => {
                format!("retries   {problem}; again in {after:?}")
            }
            Event::Ended { job, ended } => {
                if let Some(bars) = &mut self.bars {
                    bars.end(*job);
                }
                ended_line(&name(job), ended)
            }
        };
        self.tell(&one_line(&line));
    }

    fn tell(&self, line: &str) {
        match &self.bars {
            // The bars give way for the line, and come back below it.
            Some(bars) => bars.all.suspend(|| self.context.tell(line)),
            None => self.context.tell(line),
        }
    }

    /// Takes the bars away.
    pub fn finish(self) {
        if let Some(bars) = &self.bars {
            bars.whole.finish_and_clear();
        }
    }
}

fn ended_line(name: &str, ended: &Ended) -> String {
    let word = match ended.status {
        JobStatus::Completed => "completed",
        JobStatus::Failed => "failed",
        JobStatus::TimedOut => "timed out",
        JobStatus::Skipped => "skipped",
        JobStatus::Interrupted => "stopped",
        JobStatus::Pending | JobStatus::Running | JobStatus::Crashed => ended.status.word(),
    };
    match &ended.error {
        Some(error) => format!("{word:<9} {error}"),
        None => format!("{word:<9} {name}"),
    }
}

impl Bars {
    fn new(jobs: usize) -> Self {
        let all = MultiProgress::new();
        let whole = all.add(ProgressBar::new(jobs as u64));
        whole.set_style(style("{bar:30} {pos}/{len} {elapsed}"));
        whole.enable_steady_tick(TICK);
        Self {
            all,
            whole,
            running: HashMap::new(),
        }
    }

    fn begin(&mut self, job: usize, text: String) {
        let bar = self.running.entry(job).or_insert_with(|| {
            let bar = self
                .all
                .insert_before(&self.whole, ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {wide_msg} {elapsed}"));
            bar.enable_steady_tick(TICK);
            bar
        });
        bar.set_message(text);
    }

    fn end(&mut self, job: usize) {
        if let Some(bar) = self.running.remove(&job) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        self.whole.inc(1);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("templates here are constants that parse")
}
