//! What dead shells of the server's own user left in the spool: the server brings it to itself, by the way that every
//! client takes.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use session_client::{
    Clock, Destination,
    delivery::{
        Courier,
        adoption::{Adopter, Report},
        target::Target,
    },
    spool::{Bounds, Contents, Disk, Header, Spool, look},
    state_folder,
};
use session_model::{SessionId, Timestamp};
use tokio::{runtime, sync::mpsc, time};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ServerInfo;
use crate::metrics::{Metrics, Waiting};

/// How long the spool is left alone after a look: 1 second.
const PAUSE: Duration = Duration::from_secs(1);
/// With many live shells a look takes longer; it takes at most one part in so many of a core, while the pause is within its
/// bound.
const PAUSE_PER_LOOK: u32 = 100;
/// How long it is left alone at most: 2 seconds. A look that waited for a busy machine or a slow answer has cost nothing, and
/// nobody who died meanwhile should have to wait for a hundred times that.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How many sessions may wait to be looked after; those beyond are found by the next look.
pub(super) const GONE_MAX: usize = 1024;
/// How often is counted what waits: every 10 seconds, of which Prometheus asks every 15th. Each file is read for it.
const COUNT_INTERVAL: Duration = Duration::from_secs(10);
/// How many files that cannot be used are remembered, so that each is said once.
const REMEMBERED_MAX: usize = 1000;

/// Starts the thread that adopts until `stop` is cancelled. What is left of the sessions in `gone` is looked for at once.
pub(super) fn spawn(
    info: &ServerInfo,
    state_folder: &Path,
    clock: &Clock,
    gone: mpsc::Receiver<SessionId>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    // Nobody listens at no address.
    let authority = info.address.clone().unwrap_or_default();
    let socket = state_folder::socket(state_folder);
    let adopter = Adopter {
        reported_by: "session-buddy server".to_owned(),
        accepts: Box::new(is_here(&socket, &authority)),
        include_refused: false,
        clock: clock.clone(),
        disk: Disk::system(),
    };
    let keeper = Keeper {
        state_folder: state_folder.to_owned(),
        adopter,
        courier: Courier::new(Target::Local { socket, authority }, clock.clone()),
        gone,
        unusable: HashSet::new(),
        metrics,
        count_at: Instant::now(),
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("adoption".to_owned())
        .spawn(move || runtime.block_on(keeper.run(&stop)))
}

/// Tells of a spool file whether it is meant for the server at this socket and address.
fn is_here(socket: &Path, authority: &str) -> impl Fn(&Header) -> bool + Send + Sync + use<> {
    let own = Destination::Socket(socket.to_owned()).to_string();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let names = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}"));
    move |header| {
        let at_address = |destination: Destination| match destination {
            Destination::Http(authority) | Destination::Https(authority) => {
                names.contains(&authority)
            }
            Destination::Socket(_) => false,
        };
        header.destination == own || header.destination.parse().is_ok_and(at_address)
    }
}

fn pause_after(look: Duration) -> Duration {
    (look * PAUSE_PER_LOOK).clamp(PAUSE, PAUSE_MAX)
}

/// Looks after the spool.
struct Keeper {
    state_folder: PathBuf,
    adopter: Adopter,
    courier: Courier,
    /// Sessions whose process is gone.
    gone: mpsc::Receiver<SessionId>,
    /// Files that cannot be used, of which was said so.
    unusable: HashSet<PathBuf>,
    metrics: Arc<Metrics>,
    /// When what waits is counted next.
    count_at: Instant,
}

impl Keeper {
    async fn run(mut self, stop: &CancellationToken) {
        let cut = stop.run_until_cancelled(async {
            loop {
                let began = Instant::now();
                self.look().await;
                self.count();
                let pause = pause_after(began.elapsed());
                self.look_after_the_gone(time::Instant::now() + pause).await;
            }
        });
        // What is cut short waits for the next server.
        cut.await;
    }

    /// Adopts what the sessions left whose process is gone, as they are named, for a while.
    async fn look_after_the_gone(&mut self, until: time::Instant) {
        let mut gone = Vec::new();
        while let Ok(named) =
            time::timeout_at(until, self.gone.recv_many(&mut gone, GONE_MAX)).await
        {
            if named == 0 {
                // Nobody names any more: the server stops.
                return time::sleep_until(until).await;
            }
            let Ok(Some(spool)) = Spool::open_existing(&self.state_folder) else {
                gone.clear();
                continue;
            };
            let paths: Vec<_> = gone
                .drain(..)
                .filter_map(|id| spool.file_of(id.as_str()))
                .collect();
            let report = self.adopter.run(paths.into_iter(), &mut self.courier).await;
            self.tell(&report);
        }
    }

    async fn look(&mut self) {
        // Shells make the folder; one that is not ours is not looked into.
        let Ok(Some(spool)) = Spool::open_existing(&self.state_folder) else {
            return;
        };
        let Ok(paths) = spool.files() else { return };
        let report = self.adopter.run(paths, &mut self.courier).await;
        self.tell(&report);
        if let Err(error) = spool.enforce(Bounds::default(), self.adopter.clock.now()) {
            warn!("The spool could not be kept within its bounds: {error}");
        }
    }

    /// Counts what waits, now and then: no look takes it into account, and it takes longer with many live shells.
    fn count(&mut self) {
        let began = Instant::now();
        if began < self.count_at {
            return;
        }
        let spool = Spool::open_existing(&self.state_folder);
        let paths = spool.ok().flatten().and_then(|spool| spool.files().ok());
        let accepts = &self.adopter.accepts;
        let waiting = waiting(
            paths.into_iter().flatten(),
            accepts,
            self.adopter.clock.now(),
        );
        self.metrics.waiting(&waiting);
        let pause = (began.elapsed() * PAUSE_PER_LOOK).max(COUNT_INTERVAL);
        self.count_at = began + pause;
    }

    fn tell(&mut self, report: &Report) {
        self.metrics.adopted(report.delivered, report.refused);
        if report.delivered + report.refused > 0 {
            info!(
                spool.delivered = report.delivered,
                spool.refused = report.refused,
                "Adopted {} sessions that dead shells left; {} of them were refused and set aside",
                report.delivered + report.refused,
                report.refused
            );
        }
        for (path, why) in &report.unusable {
            if self.unusable.len() < REMEMBERED_MAX && self.unusable.insert(path.clone()) {
                self.metrics.found_unusable();
                warn!("The spool file {} is left alone: {why}", path.display());
            }
        }
    }
}

/// Counts the files that are for this server and hold an event which nobody has acknowledged.
fn waiting(
    paths: impl Iterator<Item = PathBuf>,
    accepts: impl Fn(&Header) -> bool,
    now: Timestamp,
) -> Waiting {
    let mut waiting = Waiting::default();
    for path in paths {
        // One that is gone meanwhile does not wait, and one that cannot be used is counted elsewhere.
        let Ok(Some(found)) = look(&path) else {
            continue;
        };
        let Ok(contents) = found.contents else {
            continue;
        };
        if contents.waiting().is_empty() || !accepts(&contents.header) {
            continue;
        }
        let since = waits_since(&contents).unwrap_or(found.last_seen);
        let seconds = now.micros_since(since).div_euclid(1_000_000);
        waiting.files += 1;
        waiting.oldest_seconds = waiting.oldest_seconds.max(seconds);
    }
    waiting
}

/// Gives when the first event happened that waits. Its file may have been touched since.
fn waits_since(contents: &Contents) -> Option<Timestamp> {
    let event: serde_json::Value = serde_json::from_str(&contents.waiting().first()?.json).ok()?;
    event["timestamp"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use session_client::spool::SpoolFile;

    use super::*;

    #[test]
    fn a_slow_look_holds_up_the_next_one_for_two_seconds_at_most() {
        let pause = |look| pause_after(Duration::from_millis(look));
        assert_eq!(pause(1), PAUSE);
        assert_eq!(pause(15), Duration::from_millis(1500));
        assert_eq!(pause(250), PAUSE_MAX);
    }

    #[test]
    fn what_waits_is_as_old_as_its_oldest_event_and_no_older_than_that() {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-02-06T22:10:00Z".parse().unwrap();
        let file = |id: &str, destination: &str, time: &str| {
            let header = Header {
                session_id: id.to_owned(),
                component: "a".to_owned(),
                destination: destination.to_owned(),
                boot_id: None,
            };
            let start = format!("{{\"timestamp\":\"{time}\"}}");
            SpoolFile::create(folder.path(), header, start).unwrap()
        };
        let counted = || {
            let paths = std::fs::read_dir(folder.path()).unwrap();
            let paths = paths.map(|entry| entry.unwrap().path());
            let waiting = waiting(paths, |header| header.destination == "unix:/s", now);
            (waiting.files, waiting.oldest_seconds)
        };
        assert_eq!(counted(), (0, 0));
        let mut old = file("a-1", "unix:/s", "2026-02-06T22:00:00Z");
        let _young = file("a-2", "unix:/s", "2026-02-06T22:09:00Z");
        let _elsewhere = file("a-3", "unix:/elsewhere", "2026-02-06T21:00:00Z");
        assert_eq!(counted(), (2, 600));
        // A live shell whose events are all delivered waits for nothing, however old it is.
        let end = old.contents().events[0].end;
        old.acknowledge(end, None).unwrap();
        assert_eq!(counted(), (1, 60));
        // A sender's clock that is ahead makes nothing younger than now.
        let ahead = file("a-4", "unix:/s", "2026-02-07T22:09:00Z");
        assert_eq!(counted(), (2, 60));
        ahead.discard().unwrap();
    }

    #[test]
    fn a_file_for_this_server_is_named_by_socket_or_address() {
        let here = is_here(Path::new("/s/session-buddy.sock"), "127.0.0.1:8678");
        let accepts = |destination: &str| {
            here(&Header {
                session_id: "a-1".to_owned(),
                component: "a".to_owned(),
                destination: destination.to_owned(),
                boot_id: None,
            })
        };
        assert!(accepts("unix:/s/session-buddy.sock"));
        assert!(accepts("http://localhost:8678/mcp"));
        assert!(accepts("http://127.0.0.1:8678/mcp"));
        assert!(accepts("https://localhost:8678/mcp"));
        for elsewhere in [
            "unix:/other/session-buddy.sock",
            "http://localhost:8679/mcp",
            "http://example.org:8678/mcp",
            "stdio:/usr/bin/session-buddy",
        ] {
            assert!(!accepts(elsewhere), "{elsewhere}");
        }
    }
}
