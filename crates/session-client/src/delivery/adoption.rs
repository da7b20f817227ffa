//! What dead shells left in the spool.

use std::{path::PathBuf, sync::Mutex};

use session_model::{
    ExitReason, SessionEndEvent, SessionId, Timestamp,
    words::{LostCause, SessionEndType},
};
use uuid::Uuid;

use super::{Courier, Outcome};
use crate::{
    Clock, identity, leaving,
    spool::{Adoption, Contents, Header, SpoolError, SpoolFile},
};

/// How many files are adopted at a time: as many as one request to a server of ours carries.
const FILES_MAX: usize = 128;

/// Takes over what dead shells left, and brings it to a server.
pub struct Adopter {
    /// Who reports the death of those that ended without a word.
    pub reported_by: String,
    /// Which files it may send, by their header.
    pub accepts: Box<dyn Fn(&Header) -> bool + Send + Sync>,
    /// Whether what a server has refused for good is sent once more.
    pub include_refused: bool,
    /// Wall time, for what it reports.
    pub clock: Clock,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sessions whose events are all delivered, and whose files are gone.
    pub delivered: usize,
    /// Sessions that the server refused for good, and whose files are set aside.
    pub refused: usize,
    /// Sessions that are still to be delivered.
    pub waiting: usize,
    /// Files of shells that live, or that somebody else has adopted.
    pub owned: usize,
    /// Files that go elsewhere.
    pub elsewhere: usize,
    /// Files that cannot be used, and why.
    pub unusable: Vec<(PathBuf, String)>,
}

impl Report {
    /// Tells whether something was taken over.
    pub const fn found_something(&self) -> bool {
        self.delivered + self.refused + self.waiting > 0
    }
}

impl Adopter {
    /// Adopts what may be adopted among `paths` and brings it to the courier's target. Stops at the first call that
    /// fails; what is left waits for the next time. What a server does not take holds up nothing else.
    pub async fn run(&self, paths: impl Iterator<Item = PathBuf>, courier: &mut Courier) -> Report {
        let mut report = Report::default();
        let mut adopted: Vec<Mutex<SpoolFile>> = Vec::new();
        for path in paths {
            if let Some(file) = self.adopt(path, &mut report) {
                adopted.push(Mutex::new(file));
            }
            if adopted.len() >= FILES_MAX
                && !bring(std::mem::take(&mut adopted), courier, &mut report).await
            {
                return report;
            }
        }
        bring(adopted, courier, &mut report).await;
        report
    }

    /// Takes a file of a dead shell, its end written where it had none.
    fn adopt(&self, path: PathBuf, report: &mut Report) -> Option<SpoolFile> {
        match SpoolFile::adopt(&path) {
            Ok(Adoption::Adopted { file, .. }) if !(self.accepts)(&file.contents().header) => {
                report.elsewhere += 1;
            }
            Ok(Adoption::Adopted {
                mut file,
                last_seen,
            }) => {
                if self.include_refused {
                    file.reconsider();
                }
                match self.report_death(&mut file, last_seen) {
                    Ok(()) => return Some(*file),
                    Err(error) => report.unusable.push((path, error)),
                }
            }
            Ok(Adoption::Owned) => report.owned += 1,
            Ok(Adoption::Gone) => {}
            Ok(Adoption::Foreign(why)) => report.unusable.push((path, why)),
            Err(error) => report.unusable.push((path, with_cause(&error))),
        }
        None
    }

    /// Writes the end of a shell that died without a word. The lock was free, so its process is gone.
    fn report_death(&self, file: &mut SpoolFile, last_seen: Timestamp) -> Result<(), String> {
        if file.contents().has_ended() || file.contents().refused.is_some() {
            return Ok(());
        }
        let header = &file.contents().header;
        let now = self.clock.now();
        let restarted = header.boot_id.is_some() && header.boot_id != identity::boot_id();
        let end = SessionEndEvent {
            session_id: header.session_id.parse::<SessionId>()?,
            timestamp: now,
            event_type: SessionEndType,
            metadata: leaving::metadata(serde_json::Map::new()),
            event_id: session_model::EventId::new(Uuid::now_v7()),
            exit_reason: Some(ExitReason::Lost),
            exit_code: None,
            duration_seconds: None,
            command_count: None,
            error_count: None,
            last_error: None,
            lost_cause: Some(if restarted {
                LostCause::HostRestarted
            } else {
                LostCause::ProcessGone
            }),
            last_seen: Some(
                last_seen
                    .max(began(file.contents()).unwrap_or(last_seen))
                    .min(now),
            ),
            reported_by: Some(leaving::text(&self.reported_by)),
            emitter_id: None,
            sequence: None,
        };
        let json = event_json(&end).map_err(|error| error.to_string())?;
        // Kept in memory where it cannot be written; the next adopter then reports another moment.
        let _ = file.append_end(json);
        Ok(())
    }
}

/// Gives when the session began. The clock of a file's last change may lag behind the one that its shell read, so that a
/// shell could seem to have been seen last before it began.
fn began(contents: &Contents) -> Option<Timestamp> {
    let start: serde_json::Value = serde_json::from_str(&contents.start()?.json).ok()?;
    start["timestamp"].as_str()?.parse().ok()
}

/// Brings adopted files to the server and clears away what is done. Gives whether the server takes events.
async fn bring(adopted: Vec<Mutex<SpoolFile>>, courier: &mut Courier, report: &mut Report) -> bool {
    if adopted.is_empty() {
        return true;
    }
    let files: Vec<_> = adopted.iter().collect();
    let outcome = courier.deliver(&files).await;
    for file in adopted {
        let file = file
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = file.path().map(PathBuf::from);
        let contents: &Contents = file.contents();
        let count = match (&contents.refused, contents.is_finished()) {
            (Some(_), _) => &mut report.refused,
            (None, true) => &mut report.delivered,
            (None, false) => {
                report.waiting += 1;
                continue;
            }
        };
        *count += 1;
        if let (Err(error), Some(path)) = (file.finish(), path) {
            report.unusable.push((path, with_cause(&error)));
        }
    }
    !matches!(outcome, Outcome::Later(_))
}

/// Writes an event as it is spooled: without its type, which its record tells.
pub(crate) fn event_json(event: &impl serde::Serialize) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(event)?;
    if let Some(object) = value.as_object_mut() {
        object.remove("event_type");
        if object
            .get("metadata")
            .is_some_and(|metadata| metadata == &serde_json::json!({}))
        {
            object.remove("metadata");
        }
    }
    Ok(value.to_string())
}

fn with_cause(error: &SpoolError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
