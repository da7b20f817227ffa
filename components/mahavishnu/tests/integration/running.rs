//! Workflows that run to their end.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::User;

/// Gives of each job its step, repository and status.
fn jobs(record: &Value) -> Vec<String> {
    let jobs = record["results"].as_array().unwrap().iter();
    jobs.map(|job| {
        let repository = job["repository"].as_str().unwrap_or("-");
        format!(
            "{} {repository} {}",
            job["step"].as_str().unwrap(),
            job["status"].as_str().unwrap()
        )
    })
    .collect()
}

#[test]
fn steps_run_in_their_repositories_behind_what_they_need() {
    let text = "\
steps:
  mark: pwd > mark
  check: {needs: mark, run: 'test \"$(cat mark)\" = \"$PWD\" && echo \"$MAHAVISHNU_REPOSITORY is fine\"'}
  report: {needs: check, once: true, run: cat src/*/mark | wc -l}
";
    let user = User::new().with_workflow("check", text);
    let record = user.json(&["run", "check"]);
    assert_eq!(
        (
            &record["status"],
            &record["progress"],
            &record["task"],
            &record["adapter"]
        ),
        (
            &json!("completed"),
            &json!(100.0),
            &json!("check"),
            &json!("local")
        )
    );
    assert_eq!(record["errors"], json!([]));
    assert_eq!(record["repos"].as_array().unwrap().len(), 3);
    let id = record["id"].as_str().unwrap();
    assert_eq!(id.len(), 20);
    let logs = user.json(&["logs", &id[12..], "--step", "report"]);
    assert_eq!(logs[0]["log"].as_str().unwrap().lines().last(), Some("3"));
    let logs = user
        .run(&["logs", id, "--step", "check", "--repository", "b"])
        .with_code(0);
    assert!(
        logs.output
            .starts_with("=== check in b: completed\n--- attempt 1 of 1, "),
        "{}",
        logs.output
    );
    assert!(logs.output.ends_with("\nb is fine\n"), "{}", logs.output);
    // Another process knows the same.
    assert_eq!(user.json(&["workflow", id]), record);
}

#[test]
fn a_failure_skips_what_needs_it_and_nothing_else() {
    let text = "\
steps:
  build: test $MAHAVISHNU_REPOSITORY != b || { echo no compiler >&2; exit 7; }
  test: {needs: build, run: 'true'}
";
    let user = User::new().with_workflow("check", text);
    let ran = user
        .run(&["run", "check", "--tag", "rust", "--parallel", "1"])
        .with_code(1);
    let lines: Vec<_> = ran.errors.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "begins    build in a",
            "completed build in a",
            "begins    build in b",
            "failed    build in b: exit code 7: no compiler",
            "skipped   test in b",
            "begins    test in a",
            "completed test in a",
        ]
    );
    let list = user.json(&["ps"]);
    let record = user.json(&["workflow", list[0]["id"].as_str().unwrap()]);
    assert_eq!(
        jobs(&record),
        [
            "build a completed",
            "build b failed",
            "test a completed",
            "test b skipped"
        ]
    );
    assert_eq!(record["results"][1]["exit_code"], 7);
    // What was skipped is not done.
    assert_eq!(record["progress"], 75.0);
    let errors = user.run(&["errors"]).with_code(0).output;
    let (time, text) = errors.split_at(22);
    assert!(time.starts_with("[20") && time.ends_with("] "), "{errors}");
    let id = list[0]["id"].as_str().unwrap();
    assert_eq!(
        text,
        format!("[ERROR] {id}: build in b: exit code 7: no compiler\n")
    );
}

#[test]
fn a_workflow_that_fails_fast_begins_nothing_more() {
    let text = "fail_fast: true\nsteps: {build: exit 1}\n";
    let user = User::new().with_workflow("check", text);
    let record = user.json(&["run", "check", "--parallel", "1"]);
    assert_eq!(record["status"], "failed");
    assert_eq!(
        jobs(&record),
        ["build a failed", "build b skipped", "build c skipped"]
    );
    // Without it the others have their turn.
    let user = User::new().with_workflow("check", "steps: {build: exit 1}\n");
    let record = user.json(&["run", "check", "--parallel", "1"]);
    assert_eq!(
        jobs(&record),
        ["build a failed", "build b failed", "build c failed"]
    );
}

#[test]
fn a_step_is_tried_again_until_it_succeeds() {
    let text = "steps:\n  flaky:\n    once: true\n    run: echo x >> tries; test $(wc -l < tries) -ge 3\n    retries: 5\n    backoff: 1ms\n";
    let user = User::new().with_workflow("check", text);
    let record = user.json(&["run", "check"]);
    assert_eq!(record["status"], "completed");
    assert_eq!(record["results"][0]["attempts"], 3);
    assert_eq!(user.read("project/tries"), "x\nx\nx\n");
    let log = user.json(&["logs", record["id"].as_str().unwrap()]);
    assert_eq!(
        log[0]["log"]
            .as_str()
            .unwrap()
            .matches("--- attempt")
            .count(),
        3
    );
}

#[test]
fn a_step_that_takes_too_long_ends_with_all_that_it_has_started() {
    let text = "steps:\n  slow:\n    once: true\n    run: sleep 1000 & echo $! > pid; wait\n    timeout: 300ms\n";
    let user = User::new().with_workflow("check", text);
    let record = user.json(&["run", "check"]);
    assert_eq!(jobs(&record), ["slow - timed_out"]);
    assert_eq!(
        record["errors"][0]["message"],
        "slow: it took longer than 300ms"
    );
    let pid = user.read("project/pid");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    assert!(
        stat.is_err() || stat.unwrap().contains(") Z "),
        "{pid} lives"
    );
}

#[test]
fn no_more_run_at_once_than_may() {
    let count = "mkdir ../../now/$MAHAVISHNU_REPOSITORY; ls ../../now | wc -l; sleep 0.1; rmdir ../../now/$MAHAVISHNU_REPOSITORY";
    let text = format!("parallel: 2\nsteps:\n  count: {count:?}\n");
    let user = User::new().with_workflow("check", &text);
    std::fs::create_dir(user.path("project/now")).unwrap();
    let record = user.json(&["run", "check"]);
    assert_eq!(record["status"], "completed");
    let logs = user.json(&["logs", record["id"].as_str().unwrap()]);
    for log in logs.as_array().unwrap() {
        let seen = log["log"].as_str().unwrap().lines().last().unwrap();
        assert!(matches!(seen, "1" | "2"), "{seen}");
    }
    let wrong = user.run(&["run", "check", "--parallel", "0"]).with_code(2);
    assert_eq!(
        wrong.errors,
        "error: parallel: a number from 1 to 64 is expected, found 0\n"
    );
}

#[test]
fn what_is_kept_is_the_owners_only_and_without_secrets() {
    let text = "secrets: [RELEASE_KEY]\nsteps:\n  show:\n    once: true\n    run: echo \"use $RELEASE_KEY\"; echo password=hunter2 >&2; exit 1\n";
    let user = User::new()
        .variable("RELEASE_KEY", "correct horse")
        .with_workflow("check", text);
    let record = user.json(&["run", "check"]);
    let log = user.path(record["results"][0]["log"].as_str().unwrap());
    let kept = std::fs::read_to_string(&log).unwrap();
    assert!(
        kept.contains("use [redacted]\n") && kept.contains("password=[redacted]\n"),
        "{kept}"
    );
    assert_eq!(
        record["errors"][0]["message"],
        "show: exit code 1: password=[redacted]"
    );
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&log), 0o600);
    assert_eq!(mode(&user.path("state/workflows.db")), 0o600);
    assert_eq!(mode(&user.path("state")), 0o700);
    let database = std::fs::read(user.path("state/workflows.db")).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains("hunter2"));
}

#[test]
fn a_repository_that_is_not_there_fails_and_says_so() {
    let user = User::new().with_workflow("check", "tags: [node]\nsteps: {a: 'true'}\n");
    std::fs::remove_dir(user.path("project/src/c")).unwrap();
    let ran = user.run(&["run", "check"]).with_code(1);
    assert!(
        ran.errors
            .ends_with("failed    a in c: there is no folder project/src/c\n"),
        "{}",
        ran.errors
    );
}

#[test]
fn steps_know_in_which_session_they_run() {
    let text = "steps:\n  show: {once: true, run: 'echo \"$SESSION_BUDDY_PARENT_SESSION_ID $MAHAVISHNU_WORKFLOW_ID\"'}\n";
    let session = "billing-20260206-220458-z3ucgb7g";
    let user = User::new()
        .variable("SESSION_BUDDY_PARENT_SESSION_ID", session)
        .with_workflow("check", text);
    let record = user.json(&["run", "check"]);
    let id = record["id"].as_str().unwrap();
    assert_eq!(record["session_id"], session);
    let log = user.json(&["logs", id]);
    let last = log[0]["log"]
        .as_str()
        .unwrap()
        .lines()
        .last()
        .unwrap()
        .to_owned();
    assert_eq!(last, format!("{session} {id}"));
}
