//! Lines above the prompt: how the tracking goes once somebody knows.

use std::{
    sync::{Arc, mpsc::Receiver},
    thread,
    time::Duration,
};

use session_client::emitter::{Connection, Status};

use super::tracking::Tracking;
use crate::console::Console;

/// How long the first prompt may take before the delivery begins all the same: 300 ms, more than the choice of an editor.
const PAINTED_MAX: Duration = Duration::from_millis(300);
/// How long the screen is left to the prompt before the delivery takes a share of the processor: 3 ms.
const AFTER_PAINTING: Duration = Duration::from_millis(3);
/// How long one wait for a change lasts.
const LOOK: Duration = Duration::from_hours(1);

/// Starts a thread that begins the delivery once the prompt is painted, and says what changes from then on.
///
/// `said` is what the banner said of it.
pub(super) fn start(
    tracking: &Arc<Tracking>,
    console: &Arc<Console>,
    painted: Receiver<()>,
    said: Option<String>,
) {
    let (tracking, console) = (Arc::clone(tracking), Arc::clone(console));
    let spawned = thread::Builder::new()
        .name("tracking".to_owned())
        .spawn(move || {
            if painted.recv_timeout(PAINTED_MAX).is_ok() {
                // Nothing more is said there.
                let _ = painted.recv_timeout(AFTER_PAINTING);
            }
            tracking.deliver();
            watch(&tracking, &console, said);
        });
    // Without a thread the session waits in the spool for others.
    drop(spawned);
}

fn watch(tracking: &Tracking, console: &Console, mut said: Option<String>) {
    let Some(emitter) = tracking.emitter() else {
        return;
    };
    let mut known = emitter.status();
    loop {
        let Some(status) = emitter.wait_changed(&known, LOOK) else {
            continue;
        };
        let news = news(&status);
        if news.is_some() && news != said {
            if let Some(line) = &news {
                console.announce(line.clone());
            }
            said = news;
        }
        known = status;
    }
}

/// Says what a person should know of; what changes back and forth is said once each.
fn news(status: &Status) -> Option<String> {
    if let Some(why) = &status.refused {
        return Some(format!("Session Tracking: ✗ refused by the server: {why}"));
    }
    if let Some(advice) = status.advice {
        return Some(format!(
            "Session Tracking: ✗ not accepted, events wait; {advice}"
        ));
    }
    match &status.connection {
        Connection::Connected => {
            Some("Session Tracking: ✓ Enabled (Session-Buddy connected)".to_owned())
        }
        Connection::Offline { .. } if status.circuit_open_until.is_some() => Some(
            "Session Tracking: offline; events wait and are sent later (%status says why)"
                .to_owned(),
        ),
        Connection::Offline { .. } | Connection::Connecting => None,
    }
}
