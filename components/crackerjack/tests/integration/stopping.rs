//! Ctrl-C: what ran ends with all that it has started, and what is known is told.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

use crate::harness::Site;

#[test]
fn an_interrupt_ends_the_tool_its_children_and_the_run() {
    let site = Site::of("python");
    site.tool("ruff", "echo fine");
    site.tool("mypy", "while :; do :; done & echo child $!; wait");
    let mut run = site
        .command(&["crack", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let child = lines
        .find_map(|line| line.trim().strip_prefix("child ").map(str::to_owned))
        .unwrap();
    let child = child.parse().ok().and_then(Pid::from_raw).unwrap();
    let watched = pidfd_open(child, PidfdFlags::empty()).unwrap();
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let rest: Vec<_> = lines.collect();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest:?}");
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["verdict"].clone())
        .collect();
    assert_eq!(
        verdicts,
        [
            "passed",
            "passed",
            "interrupted",
            "interrupted",
            "interrupted"
        ]
    );
    let limit = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::new(&watched, PollFlags::IN)];
    assert_eq!(poll(&mut polled, Some(&limit)), Ok(1), "{child:?} lives");
}
