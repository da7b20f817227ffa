//! `session-buddy mcp status` and `mcp health`

use std::{path::Path, time::Duration};

use admin_shell::output::length;
use axum::{
    body::Bytes,
    http::{Request, StatusCode},
};
use serde_json::Value;
use session_client::{Connection, ConnectionError, Destination};
use session_model::escape::for_line;

use super::{
    super::{ExitStatus, Failure, report::print},
    Format, Show, Status, cannot_look, describe, json, not_running, print_json, seconds, stale,
    unready,
};
use crate::lifecycle::{Flags, Presence, ServerInfo};

/// The most bytes of an answer to a question of health.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Ask the server how it is
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct HealthArgs {
    /// How long to wait for the answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
    #[command(flatten)]
    show: Show,
}

pub(super) fn run(show: Show) -> Result<(), Failure> {
    let folder = super::settings(Flags::default())?.state_folder;
    let info = running(&folder, show)?;
    match show.format {
        Format::Json => print_json(&json(Status::Running, Some(&info))?),
        Format::Table => {
            let ServerInfo {
                version,
                pid,
                started_at,
                ..
            } = &info;
            let headline =
                format!("Session-Buddy {version} is running: process {pid}, since {started_at}");
            print(&describe(&headline, &info, "session-buddy mcp stop"))
        }
    }
}

pub(super) async fn health(args: HealthArgs) -> Result<(), Failure> {
    let folder = super::settings(Flags::default())?.state_folder;
    let info = running(&folder, args.show)?;
    let answer = ask(&info, args.timeout).await;
    if args.show.format == Format::Json {
        let mut object = json(Status::Running, Some(&info))?;
        let health = answer.as_ref().map(|(_, health)| health.clone());
        object.insert("health".to_owned(), health.unwrap_or(Value::Null));
        print_json(&object)?;
    }
    let (status, health) = answer.map_err(|error| {
        let message = format!("process {} does not say how it is", info.pid);
        Failure::new(ExitStatus::Unhealthy, message)
            .because(&error)
            .hint("`session-buddy mcp restart --force` starts it again")
    })?;
    if args.show.format == Format::Table {
        print(&table(&health))?;
    }
    if status == StatusCode::OK && health["status"] == "healthy" {
        return Ok(());
    }
    let cause = health["cause"].as_str().unwrap_or("it does not say why");
    let failure = Failure::new(
        ExitStatus::Unhealthy,
        format!("the server takes no events: {cause}"),
    );
    Err(match &info.log {
        Some(log) => failure.hint(format!("its log is {}", log.display())),
        None => failure,
    })
}

/// Gives the server that runs; else says what there is, in JSON if that is wanted.
fn running(folder: &Path, show: Show) -> Result<ServerInfo, Failure> {
    let presence = Presence::of(folder).map_err(|error| cannot_look(folder, &error))?;
    let (status, info, failure) = match presence {
        Presence::Running(info) => return Ok(info),
        Presence::NotRunning => (Status::NotRunning, None, not_running(folder)),
        Presence::Unready => (
            Status::NotRunning,
            None,
            unready(ExitStatus::NotRunning, folder),
        ),
        Presence::Stale(info) => {
            let failure = stale(&info);
            (Status::Stale, Some(info), failure)
        }
    };
    if show.format == Format::Json {
        print_json(&json(status, info.as_ref())?)?;
    }
    Err(failure)
}

async fn ask(
    info: &ServerInfo,
    patience: Duration,
) -> Result<(StatusCode, Value), ConnectionError> {
    let destination = Destination::Socket(info.socket.clone());
    let mut connection = Connection::to(destination).await?;
    let request = Request::get("/health")
        .body(Bytes::new())
        .expect("this request is valid");
    let answer = connection.send(request, patience, ANSWER_BYTES_MAX).await?;
    let health = serde_json::from_slice(answer.body()).unwrap_or_default();
    Ok((answer.status(), health))
}

/// Writes what a server says of itself: a word, and what it is made of.
fn table(health: &Value) -> String {
    let word = |value: &Value| match value.as_str() {
        Some(text) => for_line(text).into_owned(),
        None => "-".to_owned(),
    };
    let mut text = format!("{}\n", word(&health["status"]));
    for (name, check) in health["checks"].as_object().into_iter().flatten() {
        text.push_str(&format!("  {:<10}  {}\n", for_line(name), word(check)));
    }
    text.push_str(&format!("  {:<10}  {}\n", "auth", word(&health["auth"])));
    let uptime = health["uptime_seconds"].as_i64().unwrap_or_default();
    let uptime = length(uptime);
    text.push_str(&format!("  {:<10}  {uptime}\n", "uptime"));
    text
}
