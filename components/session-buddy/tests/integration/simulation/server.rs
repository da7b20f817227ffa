//! The server: its router and rules over the simulated store, and what its tasks do beside them.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, header::HOST},
};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use session_buddy::{
    auth::{Gate, Peer, Trust},
    http::{self, App, Health},
    liveness::{Liveness, Sender},
    network::{Network, Traffic},
    tracker::Tracker,
};
use session_client::spool::{Bounds, Spool};
use session_model::SessionId;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    shell,
    stage::{ProcessId, Stage},
    store::Store,
};

/// The host of the server.
pub(super) const HOST_OF_SERVER: usize = 0;
/// As the server's keeper sweeps, writes down what heartbeats said, and looks after the spool.
const SWEEP: Duration = Duration::from_millis(500);
const WRITE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(1);

/// A run of the server.
pub(super) struct Running {
    pub(super) process: ProcessId,
    router: Router,
    /// Tells of sessions of this host whose process is gone.
    pub(super) gone: mpsc::UnboundedSender<SessionId>,
}

pub(super) fn start(stage: &Stage) {
    let process = stage.begin("server".to_owned());
    let clock = stage.clock_of(HOST_OF_SERVER);
    let store = Arc::new(Store::open(stage, process));
    let tracker =
        Tracker::new(store, clock.clone()).with_liveness(Liveness::new(stage.monotonic()));
    let gate = Gate::new(Trust::default(), [], clock);
    let health = Health::new(CancellationToken::new(), false, Arc::default());
    let traffic = Traffic::new(Network::default());
    let router = http::router(App::new(tracker.clone(), gate, health, traffic));
    let (gone, to_watch) = mpsc::unbounded_channel();
    let (named, to_adopt) = mpsc::unbounded_channel();
    stage.run(process, sweep(tracker.clone()));
    stage.run(process, write(tracker.clone()));
    stage.run(process, watch(stage.clone(), tracker, to_watch, named));
    stage.run(process, look_after_spool(stage.clone(), process, to_adopt));
    stage.world().server = Some(Running {
        process,
        router,
        gone,
    });
}

/// Gives the run of the server that takes connections.
pub(super) fn listening(stage: &Stage) -> Option<ProcessId> {
    let world = stage.world();
    let process = world.server.as_ref()?.process;
    world.is_alive(process).then_some(process)
}

/// Hands a request to a run of the server. Where that is over nobody answers.
pub(super) fn hand_in(
    stage: &Stage,
    server: ProcessId,
    request: Request<Bytes>,
    mut answer: oneshot::Sender<Response<Bytes>>,
) {
    if listening(stage) != Some(server) {
        return;
    }
    let (router, cuts) = {
        let mut world = stage.world();
        let running = world.server.as_ref().expect("it listens");
        (running.router.clone(), world.dice.bool())
    };
    let mut request = request.map(Body::from);
    request
        .headers_mut()
        .insert(HOST, "localhost".parse().unwrap());
    request.extensions_mut().insert(ConnectInfo(Peer::Unix {
        uid: 0,
        sender: Sender::Unknown,
    }));
    let running = stage.clone();
    stage.run(server, async move {
        let taken = async {
            let (head, body) = router.oneshot(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Response::from_parts(head, body)
        };
        // Whoever hangs up cuts short what is done for it, or does not.
        let response = tokio::select! {
            biased;
            () = answer.closed(), if cuts => return,
            response = taken => response,
        };
        running.world().acknowledged(response.body());
        let _ = answer.send(response);
    });
}

async fn sweep(tracker: Tracker) {
    while tracker.recall().await.is_err() {
        sleep(SWEEP).await;
    }
    loop {
        sleep(SWEEP).await;
        // The next one tries again.
        let _ = tracker.sweep().await;
    }
}

async fn write(tracker: Tracker) {
    loop {
        sleep(WRITE).await;
        let _ = tracker.write_signs().await;
    }
}

/// Learns of processes that are gone, but for some that nobody could watch.
async fn watch(
    stage: Stage,
    tracker: Tracker,
    mut gone: mpsc::UnboundedReceiver<SessionId>,
    named: mpsc::UnboundedSender<SessionId>,
) {
    while let Some(id) = gone.recv().await {
        stage.pause(Duration::ZERO, Duration::from_millis(50)).await;
        let watched = stage.world().chance(0.7);
        if watched {
            stage.tell(format_args!("the process of {id} is seen to be gone"));
            let now = tracker.clock().now();
            tracker.process_gone(&id, now);
            let _ = named.send(id);
        }
    }
}

/// Adopts what dead shells left, once a second, and what is named at once.
async fn look_after_spool(
    stage: Stage,
    process: ProcessId,
    mut named: mpsc::UnboundedReceiver<SessionId>,
) {
    let host = shell::Place::of(&stage, HOST_OF_SERVER, process);
    let (adopter, mut courier) = (host.adopter("session-buddy server"), host.courier());
    loop {
        let spool = Spool::existing_on(host.disk.clone(), &host.state)
            .ok()
            .flatten();
        if let Some(spool) = &spool
            && let Ok(files) = spool.files()
        {
            adopter.run(files, &mut courier).await;
            let _ = spool.enforce(Bounds::default(), host.clock.now());
        }
        tokio::select! {
            biased;
            Some(id) = named.recv() => {
                let path = spool.and_then(|spool| spool.file_of(id.as_str()));
                adopter.run(path.into_iter(), &mut courier).await;
            }
            () = sleep(LOOK) => {}
        }
    }
}
