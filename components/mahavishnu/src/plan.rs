//! Which step runs in which repository, after what.

use std::path::{Path, PathBuf};

use crate::{problem::similar, repository::Repository, workflow::Workflow};

/// A step in a repository, or one that runs once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The place of its step in the workflow.
    pub step: usize,
    /// The place of its repository in the plan; none for a step that runs once.
    pub repository: Option<usize>,
    /// Jobs that come before, by their place in the plan.
    pub needs: Vec<usize>,
}

/// Jobs, each behind those that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In which repositories.
    pub repositories: Vec<Repository>,
    /// What there is to do.
    pub jobs: Vec<Job>,
}

/// Why there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nobody has this tag.
    #[error("no repository has the tag {tag}")]
    UnknownTag {
        /// The tag.
        tag: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// No repository is chosen, or none of the steps is for one that is.
    #[error("no step of {workflow} is for one of the repositories ({asked})")]
    Nothing {
        /// The workflow.
        workflow: String,
        /// What was asked for.
        asked: String,
    },
}

impl Plan {
    /// Makes a plan for those repositories that have one of the workflow's tags and, if one is given, this tag.
    ///
    /// # Errors
    ///
    /// There would be nothing to do.
    pub fn new(
        workflow: &Workflow,
        repositories: &[Repository],
        tag: Option<&str>,
    ) -> Result<Self, PlanError> {
        if let Some(tag) = tag {
            check_tag(repositories, tag)?;
        }
        let has_tag = |repository: &&Repository| match tag {
            Some(tag) => repository.tags.iter().any(|other| other == tag),
            None => true,
        };
        let chosen = repositories.iter().filter(has_tag);
        let chosen = chosen.filter(|repository| repository.has_any(&workflow.tags));
        let mut plan = Self {
            repositories: chosen.cloned().collect(),
            jobs: Vec::new(),
        };
        for step in 0..workflow.steps.len() {
            plan.add(workflow, step);
        }
        if plan.jobs.is_empty() {
            let tags = workflow.tags.iter().map(String::as_str).chain(tag);
            let tags: Vec<_> = tags.collect();
            return Err(PlanError::Nothing {
                workflow: workflow.name.clone(),
                asked: match tags.as_slice() {
                    [] => "all that are listed".to_owned(),
                    tags => format!("tags {}", tags.join(", ")),
                },
            });
        }
        Ok(plan)
    }

    /// Adds the jobs of a step; those of the steps before it are there.
    fn add(&mut self, workflow: &Workflow, number: usize) {
        let step = &workflow.steps[number];
        let places: Vec<Option<usize>> = if step.once {
            vec![None]
        } else {
            let repositories = self.repositories.iter().enumerate();
            let wanted = repositories.filter(|(_, repository)| repository.has_any(&step.tags));
            wanted.map(|(place, _)| Some(place)).collect()
        };
        for repository in places {
            let mut needs = Vec::new();
            for need in &step.needs {
                self.needs_of(workflow, *need, repository, &mut needs);
            }
            needs.sort_unstable();
            needs.dedup();
            self.jobs.push(Job {
                step: number,
                repository,
                needs,
            });
        }
    }

    /// Finds what a job waits for that needs this step: it in the same repository, or everywhere where one of both runs once.
    /// Where the step does not run, what it needs itself counts instead.
    fn needs_of(
        &self,
        workflow: &Workflow,
        step: usize,
        repository: Option<usize>,
        found: &mut Vec<usize>,
    ) {
        let is_meant = |job: &Job| {
            job.step == step
                && (repository.is_none()
                    || job.repository.is_none()
                    || job.repository == repository)
        };
        let before = found.len();
        let jobs = self.jobs.iter().enumerate();
        found.extend(
            jobs.filter(|(_, job)| is_meant(job))
                .map(|(place, _)| place),
        );
        if found.len() == before {
            for need in &workflow.steps[step].needs {
                self.needs_of(workflow, *need, repository, found);
            }
        }
    }

    /// Gives a job's name for people: `test in billing`.
    pub fn name_of(&self, workflow: &Workflow, job: &Job) -> String {
        let step = &workflow.steps[job.step].name;
        match self.repository_of(job) {
            Some(repository) => format!("{step} in {}", repository.name),
            None => step.clone(),
        }
    }

    /// Gives the repository that a job runs in.
    pub fn repository_of(&self, job: &Job) -> Option<&Repository> {
        self.repositories.get(job.repository?)
    }

    /// Gives the folder that a job runs in.
    pub fn folder_of(&self, job: &Job, project: &Path) -> PathBuf {
        let repository = self.repository_of(job);
        repository.map_or_else(|| project.to_owned(), |repository| repository.path.clone())
    }
}

/// Says that nobody has a tag, and which one may have been meant.
pub(crate) fn check_tag(repositories: &[Repository], tag: &str) -> Result<(), PlanError> {
    let mut tags = repositories.iter().flat_map(|repository| &repository.tags);
    if tags.any(|other| other == tag) {
        return Ok(());
    }
    let tags = repositories.iter().flat_map(|repository| &repository.tags);
    Err(PlanError::UnknownTag {
        tag: tag.to_owned(),
        suggestion: similar(tag, tags.map(String::as_str)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{repository, workflow};

    const REPOSITORIES: &str = "\
- {path: /a, tags: [rust, core]}
- {path: /b, tags: [rust]}
- {path: /c, tags: [node]}
";

    fn plan(text: &str, tag: Option<&str>) -> Result<Vec<String>, String> {
        let repositories = repository::parse("repos.yaml", "/", REPOSITORIES).unwrap();
        let workflow = workflow::parse("check", "check.yaml", text).unwrap();
        let plan = Plan::new(&workflow, &repositories, tag).map_err(|error| error.to_string())?;
        let name = |job: &Job| plan.name_of(&workflow, job);
        let told = |job: &Job| {
            let needs: Vec<_> = job
                .needs
                .iter()
                .map(|need| name(&plan.jobs[*need]))
                .collect();
            format!("{} <- {}", name(job), needs.join(", "))
        };
        Ok(plan.jobs.iter().map(told).collect())
    }

    #[test]
    fn a_step_runs_in_each_repository_behind_what_it_needs_there() {
        let text = "tags: [rust]\nsteps:\n  build: x\n  test: {needs: build, run: x}\n";
        assert_eq!(
            plan(text, None).unwrap(),
            [
                "build in a <- ",
                "build in b <- ",
                "test in a <- build in a",
                "test in b <- build in b"
            ]
        );
        assert_eq!(
            plan(text, Some("core")).unwrap(),
            ["build in a <- ", "test in a <- build in a"]
        );
    }

    #[test]
    fn a_step_that_runs_once_waits_for_all_and_is_waited_for_by_all() {
        let text = "steps:\n  ready: {once: true, run: x}\n  build: {needs: ready, run: x}\n  report: {needs: build, once: true, run: x}\n";
        assert_eq!(
            plan(text, Some("rust")).unwrap(),
            [
                "ready <- ",
                "build in a <- ready",
                "build in b <- ready",
                "report <- build in a, build in b"
            ]
        );
    }

    #[test]
    fn where_a_step_does_not_run_its_own_needs_count() {
        let text = "steps:\n  fetch: x\n  lint: {needs: fetch, tags: core, run: x}\n  test: {needs: lint, run: x}\n";
        let jobs = plan(text, Some("rust")).unwrap();
        assert_eq!(
            jobs[3..],
            ["test in a <- lint in a", "test in b <- fetch in b"]
        );
    }

    #[test]
    fn nothing_to_do_is_an_error() {
        let text = "tags: [node]\nsteps: {a: x}\n";
        assert_eq!(
            plan(text, Some("rsut")).unwrap_err(),
            "no repository has the tag rsut"
        );
        assert_eq!(
            plan(text, Some("rust")).unwrap_err(),
            "no step of check is for one of the repositories (tags node, rust)"
        );
    }
}
