//! What a shell says first.

use std::time::Duration;

use super::tracking::Tracking;
use crate::builder::Builder;

/// How long the banner may wait to learn whether a server listens: 2 ms, which nobody sees.
const PROBE_MAX: Duration = Duration::from_millis(2);

pub(super) fn banner(builder: &Builder, tracking: &Tracking) -> String {
    let mut lines = vec![format!("{} {}", builder.title, builder.version)];
    if !builder.adapters.is_empty() {
        lines.push(format!("Adapters: {}", builder.adapters.join(", ")));
    }
    lines.push(format!(
        "Session Tracking: {}",
        tracking.headline(PROBE_MAX)
    ));
    if let Some(id) = tracking.session_id() {
        lines.push(format!("  Session ID: {id}"));
    }
    lines.push("help() lists what there is, %help_shell the magics; exit() leaves.".to_owned());
    lines.join("\n") + "\n\n"
}
