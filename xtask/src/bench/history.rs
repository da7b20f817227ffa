//! Years of sessions in one store: lists, shows, search, analytics beside `sqlite3` and DuckDB on the same rows, export,
//! `/metrics`, and durable starts on top of all that.

mod analytics;
mod loading;
mod reading;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Setting;
use super::starts;
use super::table::{Sample, Table, ratio, tenths, verdict, whole};
use crate::baseline::Baseline;
use crate::load::Destination;
use crate::server::{self, Server, StateFolder};
use crate::{clock, process};

const BYTES_PER_SESSION: f64 = 2_048.0;
const STARTS_CONNECTIONS: usize = 64;
const STARTS_TO_DO_NOTHING: f64 = 0.33;
const EXPORT_TO_SQLITE: f64 = 0.5;
const EXPORT_MIB: f64 = 64.0;
/// Far more than the export of ten million sessions takes.
const EXPORT_LIMIT: Duration = Duration::from_secs(3_600);

pub(super) fn measure(setting: &Setting) -> Result<()> {
    ensure!(setting.sessions > 0, "a history has sessions");
    let database = loading::prepare(setting)?;
    size(&database)?;
    let state = StateFolder::new()?;
    let path = database.to_str().context("the store's path is text")?;
    let server = Server::start_with(&setting.binary, &state, &[("SESSION_BUDDY_DB_PATH", path)])?;
    reading::measure(setting, &state, &server)?;
    analytics::measure(setting, &server, &database)?;
    export(setting, &state, &database)?;
    reading::metrics(&server)?;
    starts_on_top(setting, &server)?;
    server.stop(&state)
}

fn size(database: &Path) -> Result<()> {
    let sessions = loading::count(database)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (bytes, sessions) = (fs::metadata(database)?.len() as f64, sessions as f64);
    let mut table = Table::new(&["sessions", "MiB", "bytes per session", "target", ""]);
    let each = bytes / sessions;
    table.row([
        whole(sessions),
        whole(bytes / f64::from(1 << 20)),
        whole(each),
        format!("<= {BYTES_PER_SESSION:.0}"),
        verdict(each <= BYTES_PER_SESSION),
    ]);
    table.print("Size of the database");
    Ok(())
}

/// All sessions to a file, beside what `sqlite3` takes for its columns.
fn export(setting: &Setting, state: &StateFolder, database: &Path) -> Result<()> {
    let mut help = server::command(&setting.binary, state);
    help.args(["export", "--help"]);
    if !quiet(&mut help).status()?.success() {
        println!("\nno export in this binary");
        return Ok(());
    }
    let file = state.home().join("export");
    let (by_sqlite, _) = timed(
        Command::new("sqlite3")
            .args(["-csv", "-header"])
            .arg(database)
            .arg("SELECT * FROM sessions ORDER BY start_time DESC, session_id DESC")
            .stdout(File::create(&file)?),
    )?;
    let mut table = Table::new(&[
        "format",
        "s",
        "sqlite3 -csv, s",
        "ratio",
        "peak MiB",
        "target",
        "",
    ]);
    for format in ["csv", "ndjson"] {
        let mut command = server::command(&setting.binary, state);
        command
            .args(["export", "--format", format, "--output"])
            .arg(&file);
        let (seconds, peak) = timed(quiet(&mut command))?;
        let reached = by_sqlite / seconds >= EXPORT_TO_SQLITE && peak <= EXPORT_MIB;
        table.row([
            format.to_owned(),
            tenths(seconds),
            tenths(by_sqlite),
            ratio(by_sqlite / seconds),
            tenths(peak),
            format!(">= {EXPORT_TO_SQLITE}, <= {EXPORT_MIB:.0} MiB"),
            verdict(reached),
        ]);
    }
    fs::remove_file(file)?;
    table.print("Export of all sessions");
    Ok(())
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

/// Seconds and the highest resident memory, in MiB, of a program.
fn timed(command: &mut Command) -> Result<(f64, f64)> {
    let begin = Instant::now();
    let mut child = process::Owned::new(command.spawn()?);
    let mut peak = 0;
    let ended = clock::poll(EXPORT_LIMIT, Duration::from_millis(5), || {
        peak = peak.max(process::memory(child.pid(), "VmHWM").unwrap_or(0));
        child.ended()
    });
    let status = ended.context("it did not end")?;
    ensure!(status.success(), "{command:?} ended with {status}");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let peak = peak as f64 / f64::from(1 << 20);
    Ok((begin.elapsed().as_secs_f64(), peak))
}

/// They stay in the store, which a later run may use again.
fn starts_on_top(setting: &Setting, server: &Server) -> Result<()> {
    // What the exports have written would be written during the measurement.
    rustix::fs::sync();
    let baseline = Baseline::start()?;
    let window = setting.window(3);
    let (mut rates, mut nothings, mut ratios) =
        (Sample::default(), Sample::default(), Sample::default());
    for repeat in 0..setting.repeats {
        // A start is known by its id, so each run and repeat sends others.
        let seed = u64::try_from(clock::now().as_microsecond())?;
        let start = || {
            starts::run(
                Destination::mcp(server.address),
                server.pid(),
                STARTS_CONNECTIONS,
                window,
                seed,
            )
        };
        let nothing = || {
            starts::run(
                baseline.do_nothing,
                baseline.pid(),
                STARTS_CONNECTIONS,
                window,
                seed,
            )
        };
        let (start, nothing) = if repeat % 2 == 0 {
            let start = start()?;
            (start, nothing()?)
        } else {
            let nothing = nothing()?;
            (start()?, nothing)
        };
        rates.push(start.per_second);
        nothings.push(nothing.per_second);
        ratios.push(start.per_second / nothing.per_second);
    }
    let mut table = Table::new(&["starts/s", "do-nothing/s", "ratio", "target", ""]);
    table.row([
        rates.show(whole),
        nothings.show(whole),
        ratios.show(ratio),
        format!(">= {STARTS_TO_DO_NOTHING}"),
        verdict(ratios.median() >= STARTS_TO_DO_NOTHING),
    ]);
    table.print(&format!(
        "Durable starts on the loaded store, {STARTS_CONNECTIONS} connections"
    ));
    Ok(())
}
