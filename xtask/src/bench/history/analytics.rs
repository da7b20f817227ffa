//! Analytics beside SQL over the same rows, by `sqlite3` and by DuckDB: what they say, and how long they take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{Setting, Table, tenths, verdict};
use crate::server::Server;
use crate::workspace;

const DUCKDB: &str = "duckdb==1.4.3";
const REPORT_MS: f64 = 100.0;

/// What the script says of a question.
#[derive(Deserialize)]
struct Answered {
    question: String,
    server_ms: f64,
    /// Nothing where only the server is asked.
    sqlite_ms: Option<f64>,
    duckdb_ms: Option<f64>,
    /// What is not the same; empty where all is.
    differs: String,
}

pub(super) fn measure(_: &Setting, server: &Server, database: &Path) -> Result<()> {
    let python = venv()?;
    let script = workspace::root().join("xtask/src/bench/history/analytics.py");
    let scratch = tempfile::tempdir_in(workspace::target())?;
    let ran = Command::new(python)
        .arg(script)
        .args([&server.address.to_string()])
        .arg(database)
        .arg(scratch.path())
        .output()?;
    ensure!(
        ran.status.success(),
        "analytics.py failed: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let answered: Vec<Answered> = serde_json::from_slice(&ran.stdout)?;
    let mut table = Table::new(&[
        "question",
        "server, ms",
        "sqlite3, ms",
        "DuckDB, ms",
        "answer",
        "target",
        "",
    ]);
    for answered in answered {
        let same = answered.differs.is_empty();
        let faster = if answered.duckdb_ms.is_some_and(|ms| ms < answered.server_ms) {
            ", DuckDB is faster"
        } else {
            ""
        };
        table.row([
            answered.question,
            tenths(answered.server_ms),
            answered.sqlite_ms.map_or_else(String::new, tenths),
            answered.duckdb_ms.map_or_else(String::new, tenths),
            if same {
                "the same".to_owned()
            } else {
                answered.differs
            },
            format!("<= {REPORT_MS:.0} ms"),
            verdict(same && answered.server_ms <= REPORT_MS) + faster,
        ]);
    }
    table.print("Analytics over all history, medians of 5; percentiles at most 1/128 off");
    Ok(())
}

/// A Python with DuckDB, made once.
fn venv() -> Result<PathBuf> {
    let folder = workspace::target().join("bench-venv");
    let (python, stamp) = (folder.join("bin/python"), folder.join("made-of"));
    if fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == DUCKDB) {
        return Ok(python);
    }
    for command in [
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
        Command::new(&python).args(["-m", "pip", "install", "--quiet", DUCKDB]),
    ] {
        let status = command.status().with_context(|| format!("{command:?}"))?;
        ensure!(status.success(), "{command:?} ended with {status}");
    }
    fs::write(stamp, DUCKDB)?;
    Ok(python)
}
