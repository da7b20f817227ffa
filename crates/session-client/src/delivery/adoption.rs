//! What dead shells left in the spool.

use std::{path::PathBuf, sync::Mutex};

use session_model::{
    ExitReason, SessionEndEvent, SessionId, Timestamp,
    words::{LostCause, SessionEndType},
};
use tokio::task::yield_now;

use super::{Courier, Outcome, target::Target};
use crate::{
    Clock, Credential,
    fresh_id::fresh_id,
    identity,
    leaving::Door,
    spool::{Adoption, Contents, Disk, Header, SpoolError, SpoolFile},
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
    /// Where the files are.
    pub disk: Disk,
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

/// Tells whether a deliverer with this credential may bring a file to a target. At a socket, which [`Target::Local`] tries
/// first, the kernel says who speaks, and that is enough for all.
pub fn speaks_for(credential: &Option<Credential>, target: &Target, header: &Header) -> bool {
    let credential = credential.as_ref();
    matches!(target, Target::Local { .. })
        || credential.is_none_or(|credential| credential.speaks_for(&header.component))
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
    ///
    /// While a server works on some files, those before them are cleared away and those behind them are adopted.
    pub async fn run(
        &self,
        mut paths: impl Iterator<Item = PathBuf>,
        courier: &mut Courier,
    ) -> Report {
        let mut report = Report::default();
        let mut brought = Vec::new();
        let mut adopted = self.adopt_some(&mut paths, &mut report).await;
        while !adopted.is_empty() {
            let files: Vec<_> = adopted.iter().collect();
            let meanwhile = async {
                clear_away(std::mem::take(&mut brought), &mut report).await;
                self.adopt_some(&mut paths, &mut report).await
            };
            let (outcome, next) = tokio::join!(courier.deliver(&files), meanwhile);
            brought = std::mem::replace(&mut adopted, next);
            if let Outcome::Later(_) = outcome {
                break;
            }
        }
        brought.append(&mut adopted);
        clear_away(brought, &mut report).await;
        report
    }

    /// Adopts as many files as are brought at a time, or what there is.
    async fn adopt_some(
        &self,
        paths: &mut impl Iterator<Item = PathBuf>,
        report: &mut Report,
    ) -> Vec<Mutex<SpoolFile>> {
        let mut adopted = Vec::new();
        while adopted.len() < FILES_MAX
            && let Some(path) = paths.next()
        {
            adopted.extend(self.adopt(path, report).map(Mutex::new));
            // The call that is under way goes on between two files.
            yield_now().await;
        }
        adopted
    }

    /// Takes a file of a dead shell, its end written where it had none.
    fn adopt(&self, path: PathBuf, report: &mut Report) -> Option<SpoolFile> {
        match SpoolFile::adopt_on(&self.disk, &path) {
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
            metadata: session_model::Metadata::default(),
            event_id: Some(fresh_id(now)),
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
            reported_by: Some(Door::default().text(&self.reported_by)),
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

/// Clears away the files with which nothing is left to do, and counts them all.
async fn clear_away(files: Vec<Mutex<SpoolFile>>, report: &mut Report) {
    for file in files {
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
        yield_now().await;
    }
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

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
        time::sleep,
    };

    use super::*;
    use crate::spool::look;

    fn dead_session(folder: &Path, number: usize) -> PathBuf {
        let header = Header {
            session_id: format!("billing-20260206-220458-{number}"),
            component: "billing".to_owned(),
            destination: "unix:/s".to_owned(),
            boot_id: None,
        };
        let mut file = SpoolFile::create(folder, header, "{}".to_owned()).unwrap();
        file.append_end("{}".to_owned()).unwrap();
        file.path().unwrap().to_owned()
    }

    /// Refuses the first request, once every file has an owner.
    async fn refuse_when_all_are_owned(listener: UnixListener, paths: Vec<PathBuf>) {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        let owned = |path: &PathBuf| look(path).unwrap().unwrap().owner_alive;
        while !paths.iter().all(owned) {
            sleep(Duration::from_millis(1)).await;
        }
        let refusal = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(refusal).await.unwrap();
        // Closing with something unread would take the answer back.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    #[tokio::test]
    async fn files_are_adopted_while_a_server_works_on_those_before() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..=FILES_MAX)
            .map(|number| dead_session(folder.path(), number))
            .collect();
        let socket = folder.path().join("s");
        let server = refuse_when_all_are_owned(UnixListener::bind(&socket).unwrap(), paths.clone());
        let server = tokio::spawn(server);
        let authority = "127.0.0.1:1".to_owned();
        let mut courier = Courier::new(Target::Local { socket, authority }, Clock::system());
        let adopter = Adopter {
            reported_by: "test".to_owned(),
            accepts: Box::new(|_| true),
            include_refused: false,
            clock: Clock::system(),
            disk: Disk::system(),
        };
        let report = adopter.run(paths.into_iter(), &mut courier).await;
        assert_eq!(
            (report.waiting, report.delivered),
            (FILES_MAX + 1, 0),
            "{report:?}"
        );
        assert_eq!(
            courier.last_error(),
            Some("it answered 503 Service Unavailable")
        );
        drop(courier);
        server.await.unwrap();
    }
}
