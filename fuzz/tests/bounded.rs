//! Each door, for a few seconds at most: the kept inputs, and changes of them with a fixed seed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fuzz::{
    corpus,
    engine::{self, Budget},
    harness::DOORS,
};

/// Tries a door; `inputs` is what takes about two seconds without optimisation.
#[track_caller]
fn try_door(name: &str, inputs: u64) {
    let door = DOORS.iter().find(|door| door.name == name).unwrap();
    let corpus = corpus::read(name).unwrap();
    assert!(corpus.len() > 2, "the corpus of {name} is kept");
    let run = engine::run(door, &corpus, 20_261_127, Budget::Inputs(inputs));
    if let Some(finding) = run.finding {
        let input = String::from_utf8_lossy(&finding.input);
        panic!("{name}: {}\n{input:?}", finding.message);
    }
    assert_eq!(run.executions, inputs);
    assert!(
        run.behaviours > 5,
        "the inputs come past the first check: {}",
        run.behaviours
    );
}

#[test]
fn events() {
    try_door("event", 20_000);
}

#[test]
fn filters_and_times() {
    try_door("filter", 10_000);
}

#[test]
fn tokens() {
    try_door("token", 4_000);
}

#[test]
fn cursors() {
    // There are four: good or not, of either kind, twice.
    let door = DOORS.iter().find(|door| door.name == "cursor").unwrap();
    let corpus = corpus::read("cursor").unwrap();
    let run = engine::run(door, &corpus, 20_261_127, Budget::Inputs(30_000));
    assert!(run.finding.is_none(), "{:?}", run.finding);
    assert!(run.behaviours > 1);
}

#[test]
fn settings() {
    try_door("yaml", 10_000);
}

#[test]
fn spool_files() {
    try_door("spool", 250);
}

#[test]
fn json_rpc() {
    try_door("mcp", 1_500);
}

#[test]
fn batches_of_events() {
    try_door("events", 600);
}
