//! One session for people, in a panel.

use comfy_table::{Table, presets};
use jiff::tz::TimeZone;
use serde_json::Value;
use session_model::{SessionRecord, Timestamp, escape::for_line};

use super::{dates, table};

/// Renders a session.
pub(super) fn render(session: &SessionRecord, zone: &TimeZone) -> String {
    let mut panel = Table::new();
    panel.load_style(presets::UTF8_FULL_CONDENSED);
    panel.set_header([format!("Session: {}", for_line(&session.session_id))]);
    panel.add_row([lines(session, zone).join("\n")]);
    panel.to_string()
}

/// Gives what is known of a session, a line for each.
pub(super) fn lines(session: &SessionRecord, zone: &TimeZone) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("{:<14}{}", format!("{name}:"), for_line(&value)));
        }
    };
    let time = |at: Timestamp| {
        let zoned = at.as_jiff().to_zoned(zone.clone());
        zoned.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    };
    let liveness = session.liveness.map(|liveness| liveness.as_str());
    line(
        "Status",
        Some(table::status(session.status.as_str(), liveness)),
    );
    line("Start Time", Some(time(session.start_time)));
    line("End Time", session.end_time.map(time));
    line(
        "Duration",
        session
            .duration_seconds
            .map(|seconds| format!("{seconds} seconds ({})", dates::length_in_words(seconds))),
    );
    line(
        "End Known By",
        session.end_known_by.map(|known_by| known_by.to_string()),
    );
    if let (Some(earliest), Some(latest)) = (session.end_earliest, session.end_latest) {
        line(
            "End Between",
            Some(format!("{} and {}", time(earliest), time(latest))),
        );
    }
    line("Closed By", session.closed_by.clone());
    line("Exit", exit(session));
    line("Component", Some(session.component_name.clone()));
    line("Shell Type", Some(session.shell_type.clone()));
    line("User", Some(user(session)));
    line("Host", Some(session.hostname.clone()));
    line("PID", Some(session.pid.to_string()));
    line("Terminal", session.tty.clone());
    line("From", session.remote_address.clone());
    line("Actor", actor(session));
    line("Reason", session.reason.clone());
    line("Parent", session.parent_session_id.clone());
    line("Runtime", session.runtime.clone());
    line("Python", Some(session.python_version.clone()));
    line("Platform", Some(session.platform.clone()));
    line("Working Dir", Some(session.working_directory.clone()));
    line("Project", session.project.clone());
    line(
        "Commands",
        session.command_count.map(|count| count.to_string()),
    );
    line("Errors", session.error_count.map(|count| count.to_string()));
    line("Last Error", session.error_message.clone());
    line(
        "Quality",
        session
            .quality_score
            .map(|score| format!("{:.0} of 100", score.get())),
    );
    for (name, key) in [
        ("Version", "component_version"),
        ("Adapters", "adapters"),
        ("CLI Enabled", "cli_enabled"),
    ] {
        line(name, session.metadata.as_map().get(key).map(metadata));
    }
    line("Last Seen", Some(time(session.last_seen)));
    line(
        "Skew",
        session
            .skew_seconds
            .filter(|skew| skew.abs() > SKEW_SHOWN_SECONDS)
            .map(|skew| {
                format!(
                    "its clock is {:.0} seconds {}",
                    skew.abs(),
                    if skew > 0.0 { "slow" } else { "fast" }
                )
            }),
    );
    for gap in &session.gaps {
        line(
            "Presumed Lost",
            Some(format!("{} to {}", time(gap.from), time(gap.to))),
        );
    }
    line("Origin", Some(origin(session)));
    lines
}

/// A difference between clocks is worth a word above five minutes.
const SKEW_SHOWN_SECONDS: f64 = 300.0;

fn exit(session: &SessionRecord) -> Option<String> {
    match (session.exit_reason, session.exit_code) {
        (None, None) => None,
        (Some(reason), None) => Some(reason.to_string()),
        (None, Some(code)) => Some(format!("code {code}")),
        (Some(reason), Some(code)) => Some(format!("{reason}, code {code}")),
    }
}

fn user(session: &SessionRecord) -> String {
    match &session.login_name {
        Some(login) => format!("{} (logged in as {login})", session.username),
        None => session.username.clone(),
    }
}

fn actor(session: &SessionRecord) -> Option<String> {
    let kind = session.actor_kind?;
    Some(
        session
            .actor_name
            .as_ref()
            .map_or_else(|| kind.to_string(), |name| format!("{kind} {name}")),
    )
}

fn metadata(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(metadata).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn origin(session: &SessionRecord) -> String {
    let mut origin = session.origin_transport.to_string();
    if let Some(address) = &session.origin_address {
        origin.push_str(&format!(" from {address}"));
    }
    if let Some(uid) = session.origin_uid {
        origin.push_str(&format!(", uid {uid}"));
    }
    if let Some(subject) = &session.token_subject {
        origin.push_str(&format!(", as {subject}"));
    }
    origin
}
