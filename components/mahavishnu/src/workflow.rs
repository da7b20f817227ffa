//! A workflow, in `settings/workflows/NAME.yaml`:
//!
//! ```yaml
//! description: Build and test what is written in Rust
//! tags: [rust]               # in which repositories; all without
//! parallel: 4                # how many steps at once; else as many as there are processors
//! fail_fast: true            # begin nothing more once a step has failed
//! timeout: 10m               # of a step that does not say so itself; 1h without
//! environment: {RUST_LOG: warn}
//! secrets: [RELEASE_KEY]     # variables whose values must not be in a log
//! steps:
//!   fetch: git fetch         # the short form
//!   test:
//!     needs: [fetch]
//!     run: cargo test
//!     timeout: 5m
//!     retries: 2             # after a failure or a timeout
//!     backoff: 2s            # before the first retry, doubled each time; 1s without
//!     tags: [backend]        # only in these of the repositories
//!     environment: {CI: "1"}
//!   report:
//!     needs: [test]
//!     once: true             # one time, in the project, not in each repository
//!     run: ./report.sh
//! ```

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    document::{Checker, Entry, Fields, Node, Value, join},
    problem::{Invalid, similar},
};

const KEYS: [&str; 8] = [
    "description",
    "tags",
    "parallel",
    "fail_fast",
    "timeout",
    "environment",
    "secrets",
    "steps",
];
const STEP_KEYS: [&str; 8] = [
    "run",
    "needs",
    "timeout",
    "retries",
    "backoff",
    "tags",
    "once",
    "environment",
];
/// How long a step may take that does not say so.
const TIMEOUT: Duration = Duration::from_hours(1);
/// How long a step waits before its first retry.
const BACKOFF: Duration = Duration::from_secs(1);
/// The most steps at once.
pub const PARALLEL_MAX: u32 = 64;
/// The most retries of a step.
const RETRIES_MAX: u32 = 20;

/// What to run, where, after what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// What it is called.
    pub name: String,
    /// Where it is written down.
    pub file: PathBuf,
    /// What it is, for people.
    pub description: Option<String>,
    /// Runs in repositories with one of these tags; in all without.
    pub tags: Vec<String>,
    /// How many steps run at once, at most.
    pub parallel: Option<u32>,
    /// Whether nothing more begins once a step has failed.
    pub fail_fast: bool,
    /// Variables whose values are kept out of logs.
    pub secrets: Vec<String>,
    /// Its steps, each behind those that it needs.
    pub steps: Vec<Step>,
}

/// A command of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is called.
    pub name: String,
    /// What `/bin/sh -e` runs.
    pub command: String,
    /// Steps that come before, by their place in [`Workflow::steps`].
    pub needs: Vec<usize>,
    /// Runs only in repositories with one of these tags, too.
    pub tags: Vec<String>,
    /// Runs one time, in the project, and not in each repository.
    pub once: bool,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How often it is tried again.
    pub retries: u32,
    /// How long it waits before the first retry.
    pub backoff: Duration,
    /// Variables that are set for it.
    pub environment: Vec<(String, String)>,
}

/// A step as it is written, before its needs are looked up.
struct Written {
    step: Step,
    needs: Vec<(String, usize)>,
    line: usize,
}

/// Reads a workflow. `file` is named in problems.
///
/// # Errors
///
/// All that is wrong in it.
pub fn parse(name: &str, file: impl AsRef<Path>, text: &str) -> Result<Workflow, Invalid> {
    let file = file.as_ref();
    let mut checker = Checker::new(file);
    let root = checker.parse(text);
    let mut workflow = Workflow {
        name: name.to_owned(),
        file: file.to_owned(),
        description: None,
        tags: Vec::new(),
        parallel: None,
        fail_fast: false,
        secrets: Vec::new(),
        steps: Vec::new(),
    };
    if !checker.is_content() {
        return checker.finish(workflow);
    }
    checker.name(name, 1, "the file's name");
    if let Some(fields) = checker.fields(&root, "", &KEYS) {
        workflow.description = checker.text(&fields, "description");
        workflow.tags = texts(&mut checker, &fields, "tags");
        workflow.parallel = checker.number(&fields, "parallel", 1..=PARALLEL_MAX);
        workflow.fail_fast = checker.boolean(&fields, "fail_fast").unwrap_or(false);
        workflow.secrets = texts(&mut checker, &fields, "secrets");
        let written = steps(&mut checker, &fields);
        workflow.steps = in_order(&mut checker, written);
    }
    checker.finish(workflow)
}

fn texts(checker: &mut Checker, fields: &Fields<'_>, key: &str) -> Vec<String> {
    let texts = checker.texts(fields, key).into_iter();
    texts.map(|(text, _)| text).collect()
}

fn steps(checker: &mut Checker, fields: &Fields<'_>) -> Vec<Written> {
    let timeout = checker.duration(fields, "timeout").unwrap_or(TIMEOUT);
    let environment = checker.pairs(fields, "environment");
    let usual = Step {
        name: String::new(),
        command: String::new(),
        needs: Vec::new(),
        tags: Vec::new(),
        once: false,
        timeout,
        retries: 0,
        backoff: BACKOFF,
        environment,
    };
    match fields.get("steps").map(|entry| &entry.node.value) {
        Some(Value::Map(entries)) if !entries.is_empty() => entries
            .iter()
            .map(|entry| step(checker, entry, usual.clone()))
            .collect(),
        _ => {
            let line = fields.get("steps").map_or(fields.line, |entry| entry.line);
            checker.blame(line, "steps", "a mapping of names to steps is expected");
            Vec::new()
        }
    }
}

fn step(checker: &mut Checker, Entry { key, line, node }: &Entry, usual: Step) -> Written {
    let path = join("steps", key);
    checker.name(key, *line, &path);
    let mut step = Step {
        name: key.clone(),
        ..usual
    };
    let mut needs = Vec::new();
    if let Node {
        value: Value::Text(command),
        ..
    } = node
    {
        step.command.clone_from(command);
    } else if let Some(fields) = checker.fields(node, &path, &STEP_KEYS) {
        needs = checker.texts(&fields, "needs");
        step.tags = texts(checker, &fields, "tags");
        step.once = checker.boolean(&fields, "once").unwrap_or(step.once);
        step.timeout = checker.duration(&fields, "timeout").unwrap_or(step.timeout);
        step.retries = checker
            .number(&fields, "retries", 0..=RETRIES_MAX)
            .unwrap_or(0);
        step.backoff = checker.duration(&fields, "backoff").unwrap_or(step.backoff);
        step.environment
            .extend(checker.pairs(&fields, "environment"));
        match checker.text(&fields, "run") {
            Some(command) => step.command = command,
            None if fields.get("run").is_none() => {
                checker.blame(*line, &path, "what it shall `run` is missing");
            }
            None => {}
        }
        if step.once && !step.tags.is_empty() {
            let key = fields.path_of("tags");
            checker.blame(*line, &key, "a step that runs once chooses no repositories");
        }
    }
    if step.command.contains('\0') {
        checker.blame(*line, &path, "a command has no U+0000");
    }
    Written {
        step,
        needs,
        line: *line,
    }
}

/// Puts each step behind those that it needs, and those that need nothing of each other in the order of the file.
fn in_order(checker: &mut Checker, written: Vec<Written>) -> Vec<Step> {
    let names: Vec<_> = written.iter().map(|w| w.step.name.clone()).collect();
    let mut needs: Vec<Vec<usize>> = Vec::new();
    for Written {
        step, needs: named, ..
    } in &written
    {
        let mut found = Vec::new();
        for (name, line) in named {
            match names.iter().position(|known| known == name) {
                Some(place) => found.push(place),
                None => {
                    let key = format!("steps.{}.needs", step.name);
                    let meant = similar(name, names.iter().map(String::as_str));
                    checker.suggest(*line, &key, format!("there is no step {name}"), meant);
                }
            }
        }
        needs.push(found);
    }
    let mut order = Vec::new();
    while order.len() < written.len() {
        let is_ready = |step: &usize| {
            !order.contains(step) && needs[*step].iter().all(|need| order.contains(need))
        };
        match (0..written.len()).find(is_ready) {
            Some(step) => order.push(step),
            None => {
                let cycle = cycle(&needs, &order);
                let named: Vec<_> = cycle.iter().map(|step| &*names[*step]).collect();
                let key = format!("steps.{}.needs", named[0]);
                let problem = format!("a cycle: {}", named.join(" needs "));
                checker.blame(written[cycle[0]].line, &key, problem);
                return Vec::new();
            }
        }
    }
    let place = |step: usize| order.iter().position(|other| *other == step);
    let mut steps: Vec<_> = written.into_iter().map(|w| Some(w.step)).collect();
    order
        .iter()
        .filter_map(|number| {
            let mut step = steps[*number].take()?;
            step.needs = needs[*number]
                .iter()
                .filter_map(|need| place(*need))
                .collect();
            Some(step)
        })
        .collect()
}

/// Follows needs that are not in the order until a step comes again: it begins and ends what is given.
fn cycle(needs: &[Vec<usize>], order: &[usize]) -> Vec<usize> {
    let is_left = |step: &usize| !order.contains(step);
    let mut path: Vec<usize> = (0..needs.len())
        .find(|step| is_left(step))
        .into_iter()
        .collect();
    while let Some(last) = path.last() {
        // Each step that is left needs one that is left, or it would be in the order.
        let Some(next) = needs[*last].iter().copied().find(|need| is_left(need)) else {
            break;
        };
        if let Some(begin) = path.iter().position(|step| *step == next) {
            path.push(next);
            return path.split_off(begin);
        }
        path.push(next);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let workflow = parse("check", "check.yaml", text).unwrap();
        workflow.steps.into_iter().map(|step| step.name).collect()
    }

    fn problems(text: &str) -> String {
        parse("check", "check.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn steps_stand_behind_what_they_need() {
        let text =
            "steps:\n  c: {needs: [b, a], run: c}\n  a: a\n  b: {needs: a, run: b}\n  d: d\n";
        assert_eq!(names(text), ["a", "b", "c", "d"]);
        let steps = parse("check", "check.yaml", text).unwrap().steps;
        assert_eq!(steps[2].needs, [1, 0]);
    }

    #[test]
    fn a_step_takes_over_what_the_workflow_says() {
        let text = "timeout: 5m\nenvironment: {A: x, B: x}\nsteps:\n  a: a\n  b:\n    run: b\n    timeout: 2s\n    environment: {B: y}\n    retries: 3\n    backoff: 500ms\n";
        let steps = parse("check", "check.yaml", text).unwrap().steps;
        assert_eq!(steps[0].timeout, Duration::from_mins(5));
        assert_eq!(
            (steps[0].retries, steps[0].backoff),
            (0, Duration::from_secs(1))
        );
        assert_eq!(steps[1].timeout, Duration::from_secs(2));
        assert_eq!(
            (steps[1].retries, steps[1].backoff),
            (3, Duration::from_millis(500))
        );
        let last = steps[1].environment.last().unwrap();
        assert_eq!((&*last.0, &*last.1), ("B", "y"));
    }

    #[test]
    fn a_cycle_is_named() {
        let text = "steps:\n  a: a\n  b: {needs: [a, d], run: b}\n  c: {needs: [b], run: c}\n  d: {needs: [c], run: d}\n";
        assert_eq!(
            problems(text),
            "check.yaml:3: steps.b.needs: a cycle: b needs d needs c needs b"
        );
        assert_eq!(
            problems("steps:\n  a: {needs: [a], run: a}\n"),
            "check.yaml:2: steps.a.needs: a cycle: a needs a"
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = "descripton: x\nparallel: 0\nfail_fast: maybe\nsteps:\n  build:\n    run: make\n    timeout: 5\n  test:\n    needs: [biuld]\n  b/c: x\n";
        insta::assert_snapshot!(problems(text), @r#"
        check.yaml:1: descripton: unknown key; known are description, tags, parallel, fail_fast, timeout, environment, secrets, steps; did you mean description?
        check.yaml:2: parallel: a number from 1 to 64 is expected, found "0"
        check.yaml:3: fail_fast: true or false is expected, found "maybe"
        check.yaml:7: steps.build.timeout: a number of ms, s, m or h, up to 24h, such as 30s is expected, found "5"
        check.yaml:8: steps.test: what it shall `run` is missing
        check.yaml:9: steps.test.needs: there is no step biuld; did you mean build?
        check.yaml:10: steps.b/c: a name is 1 to 64 ASCII letters, digits, `_`, `-` and `.`, and does not begin with a `.`
        "#);
        assert_eq!(
            problems(""),
            "check.yaml:1: a mapping with description, tags, parallel, fail_fast, timeout, environment, secrets, steps is expected"
        );
        assert_eq!(
            problems("tags: [a]\n"),
            "check.yaml:1: steps: a mapping of names to steps is expected"
        );
    }
}
