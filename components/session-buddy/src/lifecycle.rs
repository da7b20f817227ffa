//! From settings to a server that runs, and back to nothing.

mod adoption;
pub mod background;
mod checkpoints;
mod doors;
mod presence;
mod process;
mod reload;
mod server_info;
mod settings;

use std::{
    fs::{File, TryLockError},
    io::{self, IsTerminal},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use session_client::state_folder::{self, StateFolderError};
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use background::{Ensured, LaunchError, ensure};
pub use checkpoints::CheckpointHealth;
pub use doors::PortOwner;
pub use presence::{Presence, clear_stale};
pub use process::Process;
pub use server_info::ServerInfo;
pub use settings::{Flags, Settings, SettingsError, Told};

use checkpoints::Checkpoints;
use reload::Reload;

use crate::{
    auth::{Gate, KeysError, Trust},
    clock::Clock,
    http::{self, App, Health},
    liveness::{Liveness, MonotonicClock, keeper},
    metrics::Metrics,
    network::{Certificate, CertificateError, Traffic},
    store::sqlite::{OpenError, SqliteStore},
    tracker::Tracker,
};

/// How long requests under way may take to end once the server stops: 5 seconds, half of what `mcp stop` waits.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long another server may take to be ready: 30 seconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state folder cannot be used.
    #[error(transparent)]
    StateFolder(#[from] StateFolderError),
    /// Another server has the state folder or the database.
    #[error("{}", already_running(.0.as_deref()))]
    AlreadyRunning(Option<Box<ServerInfo>>),
    /// The address is not this machine's alone.
    #[error("{0} is not a loopback address, and without a secret only this machine is served")]
    NotLoopback(SocketAddr),
    /// The secrets cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Certificate and key cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Another program has the address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address, or the socket's path.
        address: String,
        /// What says where to listen.
        setting: &'static str,
        /// Who listens there already, where the system tells.
        owner: Option<PortOwner>,
        /// What the system says.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error("cannot use the database {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// Anything else.
    #[error("{what}")]
    Io {
        /// What failed.
        what: String,
        /// What the system says.
        source: io::Error,
    },
}

fn already_running(owner: Option<&ServerInfo>) -> String {
    match owner {
        Some(owner) => {
            let socket = owner.socket.display().to_string();
            let place = owner.address.as_ref().unwrap_or(&socket);
            format!("a server runs already: process {} at {place}", owner.pid)
        }
        None => "another process uses the state folder or the database".to_owned(),
    }
}

/// Where a server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a terminal, or under a supervisor.
    Foreground,
    /// In a session of its own, with this log. There is no terminal that SIGHUP could tell of.
    Background {
        /// The log.
        log: PathBuf,
    },
    /// Inside the process that serves one client on standard input and output. It has no TCP.
    Embedded,
}

/// A server that is ready: it owns its store and listens, and serves once it is run.
pub struct Server {
    info: ServerInfo,
    info_path: PathBuf,
    app: App,
    /// A server that is embedded has none.
    tcp: Option<TcpListener>,
    /// Where there is nothing but metrics.
    metrics_tcp: Option<TcpListener>,
    /// None where TCP is plain.
    certificate: Option<Arc<Certificate>>,
    unix: UnixListener,
    stop: CancellationToken,
    signals: Signals,
    checkpoints: Checkpoints,
    state_folder: PathBuf,
    clock: Clock,
    /// Held while the state folder is ours.
    _folder: File,
}

impl Server {
    /// Takes the state folder, opens the database, listens, and writes `server.json`.
    ///
    /// # Errors
    ///
    /// Why that is not possible; nothing is left behind but the folder and an empty database.
    pub async fn start(
        settings: &Settings,
        trust: Trust,
        place: &Place,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let signals =
            Signals::new(place).map_err(|source| io_error("cannot catch signals", source))?;
        state_folder::prepare(&settings.state_folder)?;
        let info_path = server_info::path(&settings.state_folder);
        let folder = lock_folder(&settings.state_folder, &info_path).await?;
        let certificate = settings
            .network
            .tls
            .as_ref()
            .map(|files| Certificate::read(files, clock.now()))
            .transpose()?
            .map(Arc::new);
        let tcp = match place {
            Place::Foreground | Place::Background { .. } => Some(doors::tcp(
                settings.address,
                "--port",
                trust.keys.is_some(),
            )?),
            Place::Embedded => None,
        };
        let metrics_tcp = match &tcp {
            Some(_) => doors::metrics(settings, trust.keys.is_some())?,
            None => None,
        };
        let database = &settings.db_path;
        let metrics = Arc::new(Metrics::new(clock.now()));
        let store = SqliteStore::open_before(database, &clock, metrics.clone());
        let store = store.map_err(|source| match source {
            OpenError::Locked => StartError::AlreadyRunning(None),
            source => StartError::Database {
                path: database.clone(),
                source,
            },
        })?;
        let (unix, socket) = doors::unix(&settings.state_folder)?;
        let stop = CancellationToken::new();
        let address = doors::address_of(tcp.as_ref())?;
        let metrics_address = doors::address_of(metrics_tcp.as_ref())?;
        let log = match place {
            Place::Background { log } => Some(log.clone()),
            Place::Foreground | Place::Embedded => None,
        };
        let secret = trust.keys.as_ref().map(|keys| keys.variable().to_owned());
        let info = ServerInfo {
            metrics_address: metrics_address.map(|address| address.to_string()),
            ..ServerInfo::of_this_process(settings, address, socket, log, secret, clock.now())
        };
        info.write(&info_path)
            .map_err(|source| io_error("cannot write server.json", source))?;
        let checkpoints =
            Checkpoints::open(&settings.state_folder, database, store.newest(), &clock);
        let tracker = Tracker::new(Arc::new(store), clock.clone())
            .with_liveness(Liveness::on_this_host(MonotonicClock::system()))
            .with_stale_after(settings.stale_after)
            .with_policies(settings.policies.clone());
        let revoked = tracker.revoked_tokens().await.map_err(|error| {
            io_error(
                "cannot read which tokens were revoked",
                io::Error::other(error),
            )
        })?;
        let health = Health::new(stop.clone(), trust.keys.is_some(), checkpoints.health());
        let gate = Gate::new(trust, revoked, clock.clone());
        let traffic = Traffic::new(settings.network.clone());
        // On the disk of the database, which has to have room for it too.
        let aside = database.parent().unwrap_or(&settings.state_folder);
        let app = App::new(tracker, gate, health, traffic)
            .with_aside(aside)
            .with_metrics(metrics, settings.metrics.clone());
        Ok(Self {
            info,
            info_path,
            app,
            tcp,
            metrics_tcp,
            certificate,
            unix,
            stop,
            signals,
            checkpoints,
            state_folder: settings.state_folder.clone(),
            clock,
            _folder: folder,
        })
    }

    /// Gives where the server is.
    pub const fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// Gives what the server serves, for a client within this process.
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// Serves until SIGTERM, SIGINT or the end of its terminal, or until `done` says why it is over; then answers what is under way, commits
    /// what waits, and clears away. A second signal cuts the requests short, never the commits.
    ///
    /// # Errors
    ///
    /// When the last commit fails.
    pub async fn run(self, done: impl Future<Output = &'static str>) -> io::Result<()> {
        let Self {
            info,
            info_path,
            app,
            tcp,
            metrics_tcp,
            certificate,
            unix,
            stop,
            mut signals,
            checkpoints,
            state_folder,
            clock,
            _folder,
        } = self;
        let (name_gone, gone) = mpsc::channel(adoption::GONE_MAX);
        let adoption = adoption::spawn(
            &info,
            &state_folder,
            &clock,
            gone,
            app.metrics.clone(),
            stop.clone(),
        )?;
        let tracker = app.tracker.clone();
        let keeper = keeper::spawn(&tracker, &app.metrics, name_gone, &stop)?;
        let checkpoints = checkpoints.spawn()?;
        let reload = Reload {
            told: info.told.clone(),
            traffic: app.traffic.clone(),
            certificate: certificate.clone(),
            clock: clock.clone(),
        };
        let serving = async {
            let router = http::router(app.clone());
            let over_tcp = |listener, router| {
                let (certificate, app, stop) = (certificate.clone(), app.clone(), stop.clone());
                async move {
                    if let Some(listener) = listener {
                        http::serve_tcp(listener, certificate, app, router, stop).await;
                    }
                }
            };
            tokio::join!(
                over_tcp(tcp, router.clone()),
                over_tcp(metrics_tcp, http::metrics_router(app.clone())),
                http::serve_unix(unix, app.clone(), router, stop.clone()),
            )
        };
        tokio::pin!(serving);
        tokio::select! {
            // It ends only once it is told to stop, below.
            _ = &mut serving => {}
            name = async { tokio::select! { name = signals.next(&reload) => name, why = done => why } } => {
                info!("Stopping after {name}: no new requests are taken");
                stop.cancel();
                tokio::select! {
                    drained = timeout(DRAIN_TIMEOUT, &mut serving) => if drained.is_err() {
                        warn!("Some requests did not end within {DRAIN_TIMEOUT:?} and were cut");
                    },
                    name = signals.next(&reload) => {
                        warn!("Requests under way were cut by {name}");
                    }
                }
            }
        }
        stop.cancel();
        if adoption.join().is_err() {
            warn!("The adoption of what dead shells left came to a bug; the log says where");
        }
        keeper.join_all().await;
        // From here on nobody finds this server; what it acknowledged is on disk.
        let closed = tracker.close().await.map_err(io::Error::other);
        checkpoints.finish();
        let _ = std::fs::remove_file(&info.socket);
        let _ = std::fs::remove_file(&info_path);
        info!("Stopped");
        closed
    }
}

/// Takes the state folder for one server. Where another one has it, waits until that one is ready, so that whoever
/// started this one finds a server all the same.
async fn lock_folder(folder: &Path, info_path: &Path) -> Result<File, StartError> {
    let file =
        File::open(folder).map_err(|source| io_error("cannot open the state folder", source))?;
    let mut polls = interval(LOCK_POLL);
    let locked = timeout(LOCK_TIMEOUT, async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(io_error("cannot lock the state folder", source));
                }
            }
            if let Some(owner) = ServerInfo::read(info_path).filter(ServerInfo::is_alive) {
                return Err(StartError::AlreadyRunning(Some(Box::new(owner))));
            }
            polls.tick().await;
        }
    });
    locked
        .await
        .unwrap_or(Err(StartError::AlreadyRunning(None)))?;
    Ok(file)
}

fn io_error(what: &str, source: io::Error) -> StartError {
    StartError::Io {
        what: what.to_owned(),
        source,
    }
}

/// The signals that stop a server, or have it read its settings anew.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    hangup_stops: bool,
    /// Caught so that a file size limit is an error of a write, and not the end of the server.
    _file_size: Signal,
}

impl Signals {
    fn new(place: &Place) -> io::Result<Self> {
        Ok(Self {
            hangup_stops: match place {
                // Under a supervisor there is none that could go.
                Place::Foreground => has_terminal(),
                Place::Embedded => true,
                Place::Background { .. } => false,
            },
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for the next one that stops, and reads settings anew for those that ask for that. Cancel safe.
    async fn next(&mut self, reload: &Reload) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    if self.hangup_stops {
                        return "SIGHUP";
                    }
                    reload.run().await;
                }
            }
        }
    }
}

fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}
