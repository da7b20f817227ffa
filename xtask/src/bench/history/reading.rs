//! Lists, shows and searches, at any depth.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use session_buddy::store::Cursor;

use super::super::cli::time;
use super::{Sample, Setting, Table, ratio, verdict};
use crate::http::Connection;
use crate::server::{self, Server, StateFolder};

/// Requests of one kind; the first ones find the disk's cache cold, as the pages of a run before may be gone.
const REQUESTS: usize = 60;
const PROCESSES: usize = 20;
const LIST_MS: f64 = 10.0;
const SEARCH_MS: f64 = 50.0;
const PROCESS_MS: f64 = 15.0;
const METRICS_MS: f64 = 5.0;

/// Filters that an index serves, the newest 50.
const LISTS: [(&str, &str); 9] = [
    ("all", ""),
    ("component", "component=akosha"),
    ("user", "user=user0042"),
    ("user and component", "user=user0042&component=akosha"),
    ("two users", "user=user0042,user1000"),
    ("active", "status=active"),
    ("incomplete", "incomplete=true"),
    ("lost", "status=lost"),
    ("nobody", "user=nobody"),
];

/// Words that all have, some, few, and none.
const SEARCHES: [(&str, &str); 11] = [
    ("a word of every session", "search=%22example%22"),
    ("... and the beginning of one", "search=example+inter"),
    ("the beginning of very many words", "search=u"),
    ("one host of 500", "search=host-017"),
    ("one user of 1,500", "search=%22user0042%22"),
    ("an error text", "search=%22no+such+order+7%22"),
    ("one ticket of 100,000", "search=ops-4711"),
    ("a host and an error", "search=host-017+%22such+order%22"),
    (
        "in one component, lost",
        "search=host-017&component=akosha&status=lost",
    ),
    ("no session", "search=nowhere"),
    ("a common word and none", "search=example+nowhere"),
];

pub(super) fn measure(setting: &Setting, state: &StateFolder, server: &Server) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let places = runtime.block_on(in_server(server))?;
    processes(&setting.binary, state, &places)
}

/// Sessions of which a list goes on: the newest, the one in the middle, one near the end.
type Places = Vec<(&'static str, Cursor)>;

async fn in_server(server: &Server) -> Result<Places> {
    let mut connection = Connection::open(server.address).await?;
    let places = places(&mut connection).await?;
    let mut table = Table::new(&["sessions", "from", "p50 ms", "p99 ms", "target", ""]);
    for (queries, target) in [(&LISTS[..], LIST_MS), (&SEARCHES[..], SEARCH_MS)] {
        for (name, query) in queries {
            for (place, cursor) in &places {
                let path = format!("/api/sessions?{query}&limit=50&cursor={cursor}");
                row(&mut table, &mut connection, (name, place), &path, target).await?;
            }
        }
    }
    let (_, middle) = &places[1];
    let page = format!("/api/sessions?limit=1000&cursor={middle}");
    row(
        &mut table,
        &mut connection,
        ("a page of 1,000", "middle"),
        &page,
        f64::INFINITY,
    )
    .await?;
    for (place, cursor) in &places {
        let path = format!("/api/sessions/{}", cursor.session_id);
        row(&mut table, &mut connection, ("show", place), &path, LIST_MS).await?;
    }
    table.print(&format!(
        "In the server, medians of {REQUESTS} requests over one connection"
    ));
    Ok(places)
}

async fn row(
    table: &mut Table,
    connection: &mut Connection,
    (name, place): (&str, &str),
    path: &str,
    target: f64,
) -> Result<()> {
    let sample = requests(connection, path).await?;
    let judged = target.is_finite();
    table.row([
        name.to_owned(),
        place.to_owned(),
        ratio(sample.median()),
        ratio(sample.quantile(0.99)),
        if judged {
            format!("<= {target:.0} ms")
        } else {
            String::new()
        },
        if judged {
            verdict(sample.median() <= target)
        } else {
            String::new()
        },
    ]);
    Ok(())
}

async fn requests(connection: &mut Connection, path: &str) -> Result<Sample> {
    let mut sample = Sample::default();
    for _ in 0..REQUESTS {
        let begin = Instant::now();
        let answer = connection.get(path).await?;
        let elapsed = begin.elapsed();
        ensure!(answer.status == 200, "{path}: {}", answer.excerpt());
        sample.push(elapsed.as_secs_f64() * 1e3);
    }
    Ok(sample)
}

async fn places(connection: &mut Connection) -> Result<Places> {
    let newest = first(connection, "").await?;
    let oldest = newest.start_time.as_jiff() - jiff::SignedDuration::from_hours(24 * 355);
    let middle = newest.start_time.as_jiff() - jiff::SignedDuration::from_hours(24 * 180);
    let middle = first(connection, &format!("&before={middle}")).await?;
    let oldest = first(connection, &format!("&before={oldest}")).await?;
    Ok(vec![
        ("newest", newest),
        ("middle", middle),
        ("oldest", oldest),
    ])
}

async fn first(connection: &mut Connection, more: &str) -> Result<Cursor> {
    let path = format!("/api/sessions?limit=1{more}");
    let answer = connection.get(&path).await?;
    let listed: Value = serde_json::from_slice(answer.body)?;
    let text = |key: &str| {
        let text = listed[0][key].as_str().map(str::to_owned);
        text.with_context(|| format!("{path}: {}", answer.excerpt()))
    };
    Ok(Cursor {
        start_time: text("start_time")?.parse()?,
        session_id: text("session_id")?,
    })
}

fn processes(binary: &Path, state: &StateFolder, places: &Places) -> Result<()> {
    let (_, oldest) = &places[2];
    let before = oldest.start_time.to_string();
    let mut table = Table::new(&["command", "ms", "target", ""]);
    for arguments in [
        &["list-sessions", "--limit", "50"][..],
        &[
            "list-sessions",
            "--limit",
            "50",
            "--component",
            "akosha",
            "--before",
            &before,
        ],
        &["list-sessions", "--limit", "50", "--user", "user0042"],
        &["list-sessions", "--limit", "50", "--search", "host-017"],
        &["show-session", &oldest.session_id],
    ] {
        let mut sample = Sample::default();
        for _ in 0..PROCESSES {
            sample.push(time(server::command(binary, state).args(arguments))?);
        }
        table.row([
            arguments.join(" "),
            sample.show(ratio),
            format!("<= {PROCESS_MS:.0} ms"),
            verdict(sample.median() <= PROCESS_MS),
        ]);
    }
    table.print(&format!("As a process, medians of {PROCESSES} runs"));
    Ok(())
}

/// The exposition with sessions of 200 components.
pub(super) fn metrics(server: &Server) -> Result<()> {
    const COMPONENTS: usize = 200;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(server.address).await?;
        if connection.get("/metrics").await?.status == 404 {
            println!("\nno /metrics in this binary");
            return Ok(());
        }
        let mut events = crate::event::Events::new(&[COMPONENTS as u64]);
        let mut lines = Vec::new();
        for number in 0..COMPONENTS {
            let mut event = Vec::new();
            events.start(crate::clock::now(), &mut event);
            let mut event: Value = serde_json::from_slice(&event)?;
            event["component_name"] = format!("component-{number:03}").into();
            lines.extend(serde_json::to_vec(&event)?);
            lines.push(b'\n');
        }
        let answer = connection.post_lines("/api/events", &lines).await?;
        ensure!(answer.status == 200, "{}", answer.excerpt());
        let sample = requests(&mut connection, "/metrics").await?;
        let mut table = Table::new(&["", "p50 ms", "p99 ms", "target", ""]);
        table.row([
            format!("/metrics, {COMPONENTS} components"),
            ratio(sample.median()),
            ratio(sample.quantile(0.99)),
            format!("<= {METRICS_MS:.0} ms"),
            verdict(sample.median() <= METRICS_MS),
        ]);
        table.print("Metrics");
        Ok(())
    })
}
