//! Workflows that others look at, stop, or lose.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::harness::{User, WAITS};

fn pid(text: &str) -> Pid {
    text.parse().ok().and_then(Pid::from_raw).unwrap()
}

/// Tells whether a process runs; a zombie does not.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn who_looks_sees_what_runs_and_ctrl_c_ends_it_whole() {
    let user = User::new().with_workflow("wait", WAITS);
    let started = user.start(&["run", "wait"]);
    let top = user.json(&["top"]);
    assert_eq!(
        (&top[0]["id"], &top[0]["status"]),
        (&json!(started.id), &json!("running"))
    );
    assert_eq!(top[0]["details"], "Repos: 3, Errors: 0, wait");
    let step = started.said.clone();
    assert!(lives(&step));
    kill_process(Pid::from_child(&started.child), Signal::INT).unwrap();
    let id = started.id.clone();
    assert_eq!(started.wait(), Some(130));
    assert!(!lives(&step), "{step} lives");
    let record = user.json(&["workflow", &id]);
    assert_eq!(record["status"], "interrupted");
    assert_eq!(record["results"][0]["status"], "interrupted");
    assert_eq!(record["errors"], json!([]));
    assert_eq!(
        user.run(&["top"]).with_code(0).errors,
        "No active workflows\n"
    );
}

#[test]
fn another_process_cancels_it() {
    let user = User::new().with_workflow("wait", WAITS);
    let started = user.start(&["run", "wait"]);
    let (id, step) = (started.id.clone(), started.said.clone());
    let told = user.json(&["cancel", &id[12..]]);
    assert_eq!(told, json!({"id": id, "status": "interrupted"}));
    assert_eq!(started.wait(), Some(130));
    assert!(!lives(&step), "{step} lives");
    let again = user.run(&["cancel", &id]).with_code(1);
    assert_eq!(
        again.errors,
        format!("error: {id} has ended: it is interrupted\n")
    );
}

#[test]
fn a_runner_that_crashes_is_noticed_and_what_it_left_can_be_ended() {
    let user = User::new().with_workflow("wait", WAITS);
    let started = user.start(&["run", "wait"]);
    let (id, step) = (started.id.clone(), started.said.clone());
    let known = user.json(&["sync"]);
    assert_eq!(
        (&known[0]["before"], &known[0]["after"]),
        (&json!(null), &json!("running"))
    );
    kill_process(Pid::from_child(&started.child), Signal::KILL).unwrap();
    assert_eq!(started.wait(), None);
    let synced = user.run(&["sync", "--format", "json"]).with_code(0);
    let changes: serde_json::Value = serde_json::from_str(&synced.output).unwrap();
    let expected = json!([{"id": id, "adapter": "local", "task": "wait", "before": "running", "after": "crashed"}]);
    assert_eq!(changes, expected);
    assert!(
        synced
            .errors
            .contains(&format!("processes of {id} still run")),
        "{}",
        synced.errors
    );
    let record = user.json(&["workflow", &id]);
    assert_eq!(record["results"][0]["status"], "crashed");
    let message = record["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("is gone without a word"), "{message}");
    assert!(lives(&step));
    let ended = user.json(&["cancel", &id])["ended_processes"]
        .as_u64()
        .unwrap();
    // The shell of the step, and its sleep.
    assert_eq!(ended, 2);
    let gone = rustix::process::pidfd_open(pid(&step), rustix::process::PidfdFlags::empty());
    if let Ok(process) = gone {
        let mut watched = [rustix::event::PollFd::new(
            &process,
            rustix::event::PollFlags::IN,
        )];
        let limit = rustix::event::Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        assert_eq!(
            rustix::event::poll(&mut watched, Some(&limit)),
            Ok(1),
            "{step} lives"
        );
    }
    assert_eq!(
        user.run(&["sync"]).errors,
        "nothing has changed since the last sync\n"
    );
}

#[test]
fn each_ending_is_told_once_and_lists_can_be_narrowed() {
    let user = User::new()
        .with_workflow("good", "steps: {a: 'true'}\n")
        .with_workflow("bad", "steps: {a: exit 1}\n");
    user.run(&["run", "good"]).with_code(0);
    user.run(&["run", "bad"]).with_code(1);
    let changes = user.json(&["sync"]);
    let told: Vec<_> = changes
        .as_array()
        .unwrap()
        .iter()
        .map(|c| [&c["task"], &c["after"]])
        .collect();
    assert_eq!(
        told,
        [
            [&json!("good"), &json!("completed")],
            [&json!("bad"), &json!("failed")]
        ]
    );
    assert_eq!(user.json(&["sync"]), json!([]));
    let failed = user.json(&["ps", "--status", "failed"]);
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert_eq!(failed[0]["task"], "bad");
    assert_eq!(user.json(&["ps", "--limit", "1"])[0]["task"], "bad");
    let wrong = user.run(&["ps", "--status", "done"]).with_code(2);
    assert_eq!(
        wrong.errors,
        "error: status: one of pending, running, completed, failed, interrupted, crashed is expected, found \"done\"\n"
    );
}

#[test]
fn what_is_old_is_forgotten_with_its_logs_and_what_runs_stays() {
    let user = User::new()
        .with_workflow("wait", WAITS)
        .with_workflow("good", "steps: {a: 'true'}\n");
    let record = user.json(&["run", "good"]);
    let (id, logs) = (record["id"].as_str().unwrap(), user.path("state/logs"));
    let started = user.start(&["run", "wait"]);
    assert_eq!(user.json(&["prune"]), json!([]));
    assert!(logs.join(id).exists());
    assert_eq!(user.json(&["prune", "--days", "0"]), json!([{"id": id}]));
    assert!(!logs.join(id).exists());
    let left = user.json(&["ps"]);
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["id"], started.id);
    user.run(&["cancel", &started.id]).with_code(0);
    started.wait();
}
