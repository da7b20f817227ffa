//! What a scrape costs when there are many components, each with every sample that it can have.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::runtime;

use super::Setting;
use super::table::{Sample, Table, ratio, verdict, whole};
use crate::clock;
use crate::event::Events;
use crate::http::Connection;
use crate::server::{Server, StateFolder};

const COMPONENTS: usize = 200;
const SCRAPES: usize = 500;
const P99_MS: f64 = 5.0;
const SEED: u64 = 0x5C7A;

pub(super) fn measure(setting: &Setting) -> Result<()> {
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (times, bytes, samples) = runtime.block_on(async {
        let mut connection = Connection::open(server.address).await?;
        fill(&mut connection).await?;
        scrape(&mut connection).await
    })?;
    server.stop(&state)?;
    let p99 = times.quantile(0.99);
    let mut table = Table::new(&["samples", "KB", "p50 ms", "p99 ms", "target", ""]);
    table.row([
        samples.to_string(),
        whole(bytes / 1e3),
        ratio(times.median()),
        ratio(p99),
        format!("p99 <= {P99_MS:.0} ms"),
        verdict(p99 <= P99_MS),
    ]);
    table.print(&format!(
        "A scrape of /metrics with {COMPONENTS} components, {SCRAPES} one after the other"
    ));
    Ok(())
}

/// Begins and ends a session of each component, and has a heartbeat of it.
async fn fill(connection: &mut Connection) -> Result<()> {
    let mut events = Events::new(&[SEED]);
    let now = clock::now();
    let mut starts = Vec::new();
    for number in 0..COMPONENTS {
        let mut start = Vec::new();
        events.start(now, &mut start);
        let mut start: Value = serde_json::from_slice(&start)?;
        start["component_name"] = format!("component-{number:03}").into();
        starts.push(start);
    }
    let ids = send(connection, &starts).await?;
    let mut beats = Vec::new();
    let mut ends = Vec::new();
    for id in &ids {
        let mut end = Vec::new();
        events.end(id, now, &mut end);
        let end: Value = serde_json::from_slice(&end)?;
        beats.push(serde_json::json!({
            "event_type": "session_heartbeat", "session_id": id, "timestamp": end["timestamp"],
        }));
        ends.push(end);
    }
    send(connection, &beats).await?;
    send(connection, &ends).await.map(drop)
}

async fn send(connection: &mut Connection, events: &[Value]) -> Result<Vec<String>> {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let lines = lines.join("\n");
    let answer = connection
        .post_lines("/api/events", lines.as_bytes())
        .await?;
    let results: Vec<Value> = serde_json::from_slice(answer.body)?;
    let id = |result: &Value| Some(result["session_id"].as_str()?.to_owned());
    let ids: Option<Vec<String>> = results.iter().map(id).collect();
    ids.filter(|ids| ids.len() == events.len())
        .with_context(|| format!("a batch was answered with {}", answer.excerpt()))
}

async fn scrape(connection: &mut Connection) -> Result<(Sample, f64, usize)> {
    let mut times = Sample::default();
    let (mut bytes, mut samples) = (0, 0);
    for _ in 0..SCRAPES {
        let begin = Instant::now();
        let answer = connection.get("/metrics").await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        ensure!(answer.status == 200, "{}", answer.excerpt());
        let lines = answer.body.split(|byte| *byte == b'\n');
        samples = lines
            .filter(|line| !line.is_empty() && line[0] != b'#')
            .count();
        bytes = answer.body.len();
    }
    #[expect(clippy::cast_precision_loss, reason = "it is shown in kilobytes")]
    let bytes = bytes as f64;
    Ok((times, bytes, samples))
}
