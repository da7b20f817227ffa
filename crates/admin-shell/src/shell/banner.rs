//! What a shell says first.

use std::time::Duration;

use super::tracking::Tracking;
use crate::builder::Builder;

/// How long the banner may wait to learn whether a server listens: 2 ms, which nobody sees.
const PROBE_MAX: Duration = Duration::from_millis(2);

/// Says how the tracking stands, with what a short look can know.
pub(super) fn tracking_line(tracking: &Tracking) -> String {
    format!("Session Tracking: {}", tracking.headline(PROBE_MAX))
}

/// Makes the banner; `tracking_line` is what it says of the tracking.
pub(super) fn banner(builder: &Builder, tracking: &Tracking, tracking_line: &str) -> String {
    let mut lines = vec![format!("{} {}", builder.title, builder.version)];
    if !builder.adapters.is_empty() {
        lines.push(format!("Adapters: {}", builder.adapters.join(", ")));
    }
    lines.push(tracking_line.to_owned());
    if let Some(id) = tracking.session_id() {
        lines.push(format!("  Session ID: {id}"));
    }
    lines.push("help() lists what there is, %help_shell the magics; exit() leaves.".to_owned());
    lines.join("\n") + "\n\n"
}
