//! A network that loses, delays, repeats and breaks off.

use std::{io, path::Path, time::Duration};

use axum::http::{Request, Response};
use hyper::body::Bytes;
use session_client::{
    ConnectionError, Destination,
    network::{Carrier, Link, Socket, Waited},
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    server,
    stage::{At, Fate, ProcessId, Stage},
};

/// How long a message takes, at least and at most, while nothing is wrong.
const FLIGHT: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(30));
/// How long it takes at most otherwise: longer than anybody waits for an answer.
const DETOUR_MAX: Duration = Duration::from_secs(12);
/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// The network, as a process of a host has it.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) stage: Stage,
    pub(super) host: usize,
    pub(super) process: ProcessId,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "network of host {} for process {}",
            self.host, self.process
        )
    }
}

impl Wire {
    /// Lets a message take its time.
    async fn fly(&self) {
        let detour = {
            let mut world = self.stage.world();
            !world.calm && world.chance(0.02)
        };
        let (from, to) = FLIGHT;
        self.stage
            .pause(from, if detour { DETOUR_MAX } else { to })
            .await;
    }

    fn is_cut_off(&self) -> bool {
        let world = self.stage.world();
        !world.calm && world.hosts[self.host].cut_off_until > Instant::now()
    }

    /// Waits for what never comes.
    async fn lost<T>(&self) -> T {
        std::future::pending().await
    }
}

impl Carrier for Wire {
    fn connect(&self, to: Destination) -> Waited<'_, Result<Box<dyn Link>, ConnectionError>> {
        let unreachable = |kind: io::ErrorKind, destination| ConnectionError::Unreachable {
            destination,
            source: kind.into(),
        };
        Box::pin(async move {
            let attempt = async {
                self.fly().await;
                match self.stage.point(self.process, At::Connect, "connect") {
                    Some(Fate::Passes | Fate::DiesAfter) if !self.is_cut_off() => {}
                    Some(Fate::Fails) => return Err(io::ErrorKind::ConnectionRefused),
                    _ => self.lost().await,
                }
                server::listening(&self.stage).ok_or(io::ErrorKind::ConnectionRefused)
            };
            let connected = timeout(CONNECT_MAX, attempt).await;
            match connected.unwrap_or(Err(io::ErrorKind::TimedOut)) {
                Ok(server) => Ok(Box::new(Line {
                    wire: self.clone(),
                    server,
                    destination: to,
                    broken: false,
                }) as Box<dyn Link>),
                Err(kind) => Err(unreachable(kind, to)),
            }
        })
    }

    fn is_there<'a>(&'a self, _: &'a str) -> Waited<'a, bool> {
        Box::pin(async { false })
    }

    fn at_socket(&self, _: &Path) -> io::Result<Socket> {
        let server = server::listening(&self.stage);
        let inode = server.ok_or(io::ErrorKind::NotFound)? as u64;
        Ok(Socket {
            inode,
            changed: (0, 0),
        })
    }
}

/// A connection to one run of the server.
struct Line {
    wire: Wire,
    server: ProcessId,
    destination: Destination,
    broken: bool,
}

impl Line {
    /// Brings a request there and its answer back.
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let Wire { stage, process, .. } = &self.wire;
        self.wire.fly().await;
        let fate = stage.point(*process, At::Request, "ask");
        match fate {
            _ if self.wire.is_cut_off() => self.wire.lost().await,
            None | Some(Fate::Dies) => self.wire.lost().await,
            Some(Fate::Fails) if stage.world().dice.bool() => self.wire.lost().await,
            Some(Fate::Fails) => return Err("reset".to_owned()),
            Some(Fate::Passes | Fate::DiesAfter) => {}
        }
        let repeated = {
            let mut world = stage.world();
            !world.calm && world.chance(0.03)
        };
        if repeated {
            let (wire, server, request) = (self.wire.clone(), self.server, request.clone());
            self.wire.stage.run(self.server, async move {
                wire.fly().await;
                wire.stage.tell(format_args!("a request comes once more"));
                let (answer, _) = oneshot::channel();
                server::hand_in(&wire.stage, server, request, answer);
            });
        }
        let (answer, answered) = oneshot::channel();
        server::hand_in(stage, self.server, request, answer);
        if fate == Some(Fate::DiesAfter) {
            stage.kill(*process, "dies after it");
        }
        let answer = answered.await.map_err(|_| "reset".to_owned())?;
        self.wire.fly().await;
        let what = format!("answered {}", answer.status());
        let fate = stage.point(*process, At::Answer, &what);
        match fate {
            _ if self.wire.is_cut_off() => self.wire.lost().await,
            None | Some(Fate::Dies) => self.wire.lost().await,
            Some(Fate::Fails) if stage.world().dice.bool() => self.wire.lost().await,
            Some(Fate::Fails) => Err("reset".to_owned()),
            Some(Fate::DiesAfter) => {
                stage.kill(*process, "dies of it");
                self.wire.lost().await
            }
            Some(Fate::Passes) => {
                stage.world().book.heard(answer.body());
                Ok(answer)
            }
        }
    }
}

impl Link for Line {
    fn destination(&self) -> &Destination {
        &self.destination
    }

    fn is_closed(&self) -> bool {
        self.broken || !self.wire.stage.is_alive(self.server)
    }

    fn send(
        &mut self,
        request: Request<Bytes>,
        patience: Duration,
        _: usize,
    ) -> Waited<'_, Result<Response<Bytes>, ConnectionError>> {
        Box::pin(async move {
            let answer = timeout(patience, self.exchange(request)).await;
            answer.unwrap_or(Err("late".to_owned())).map_err(|what| {
                self.broken = true;
                ConnectionError::Broken {
                    destination: self.destination.clone(),
                    what,
                }
            })
        })
    }
}
