//! Shells, and others who bring what dead ones left: the client as it is, with another disk, network and clock.

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, json};
use session_client::{
    Beginning, Clock, Emitter, Ending, Settings,
    delivery::{Courier, adoption::Adopter, target::Target, timing::Timing},
    identity::Identity,
    network::Network,
    settings::Switch,
    spool::{Bounds, Disk, Spool},
    state_folder,
};
use session_model::{EnvironmentInfo, ExitReason, Field, Pid, SessionType, Text, UserInfo};
use tokio::time::Instant;

use super::{
    disk::Reach,
    network::Wire,
    oracle::Truth,
    stage::{ProcessId, Stage},
};

/// What a process of a host has to do with.
pub(super) struct Place {
    pub(super) state: PathBuf,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    network: Network,
    target: Target,
}

impl Place {
    pub(super) fn of(stage: &Stage, host: usize, process: ProcessId) -> Self {
        let state = PathBuf::from(format!("/simulation/host-{host}"));
        let stage = stage.clone();
        Self {
            target: Target::Local {
                socket: state_folder::socket(&state),
                authority: "localhost:1".to_owned(),
            },
            clock: stage.clock_of(host),
            disk: Disk::new(Reach {
                stage: stage.clone(),
                host,
                process,
            }),
            network: Network::new(Wire {
                stage,
                host,
                process,
            }),
            state,
        }
    }

    pub(super) fn adopter(&self, reported_by: &str) -> Adopter {
        let own = self.target.to_string();
        Adopter {
            reported_by: reported_by.to_owned(),
            accepts: Box::new(move |header| header.destination == own),
            include_refused: false,
            clock: self.clock.clone(),
            disk: self.disk.clone(),
        }
    }

    pub(super) fn courier(&self) -> Courier {
        Courier::new(self.target.clone(), self.clock.clone()).over(self.network.clone())
    }

    fn settings(&self) -> Settings {
        Settings {
            switch: Switch::On,
            state_folders: vec![self.state.clone()],
            buffer_off: None,
            target: self.target.clone(),
            credential: None,
            door: Default::default(),
            bounds: Bounds::default(),
            // Nobody waits for an end here, where time stands still while somebody waits.
            timing: Timing {
                exit_max: Duration::ZERO,
                ..Timing::default()
            },
            disk: self.disk.clone(),
            network: self.network.clone(),
        }
    }
}

/// How a shell goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It is ended or killed some time.
    Short,
    /// It is there to the end.
    Long,
}

/// Opens a shell.
pub(super) fn open(stage: &Stage, host: usize, number: u32, life: Life) {
    let process = stage.begin(format!("shell {number} of host {host}"));
    stage.run(process, live(stage.clone(), host, process, number, life));
}

/// Brings once what dead shells of a host left, as `event-buffer replay` does.
pub(super) fn replay(stage: &Stage, host: usize) {
    let process = stage.begin(format!("replay of host {host}"));
    let place = Place::of(stage, host, process);
    let whole = stage.clone();
    stage.run(process, async move {
        if let Ok(Some(spool)) = Spool::existing_on(place.disk.clone(), &place.state)
            && let Ok(files) = spool.files()
        {
            place
                .adopter("replay")
                .run(files, &mut place.courier())
                .await;
        }
        whole.kill(process, "is done");
    });
}

async fn live(stage: Stage, host: usize, process: ProcessId, number: u32, life: Life) {
    let place = Place::of(&stage, host, process);
    let beginning = Beginning {
        component: "billing".parse().unwrap(),
        shell_type: "BillingShell".to_owned(),
        session_type: SessionType::default(),
        reason: None,
        metadata: Map::from_iter([("number".to_owned(), json!(number))]),
    };
    let emitter = Emitter::begin(
        &place.settings(),
        identity(number),
        beginning,
        place.clock.clone(),
    );
    let id = emitter.session_id().clone();
    let path = place.state.join(format!("spool/{id}.spool"));
    stage
        .world()
        .begun(Truth::new(id, number, host, process, path));
    tokio::select! {
        biased;
        () = work(&stage, &emitter, process, life) => {}
        () = deliver(&emitter) => {}
    }
    stage.kill(process, "exits");
}

async fn deliver(emitter: &Emitter) {
    emitter.deliver_here().await;
    // What is left to do is not the thread's that delivers.
    std::future::pending().await
}

async fn work(stage: &Stage, emitter: &Emitter, process: ProcessId, life: Life) {
    let lasts = stage
        .world()
        .between(Duration::ZERO, Duration::from_secs(150));
    let until = Instant::now() + lasts;
    while life == Life::Long || Instant::now() < until {
        stage
            .pause(Duration::from_millis(10), Duration::from_secs(40))
            .await;
        emitter.count_command();
        if stage.world().chance(0.2) {
            emitter.count_error(Some("no such order"));
        }
    }
    if stage.world().chance(0.4) {
        return stage.kill(process, "is killed");
    }
    let reasons = [ExitReason::Exit, ExitReason::Eof, ExitReason::Signal];
    let reason = reasons[stage.world().dice.usize(..reasons.len())];
    stage.world().ends(emitter.session_id());
    emitter.end(Ending {
        reason,
        exit_code: 0,
    });
    stage.world().has_ended(emitter.session_id());
    // Most leave within the moment that an end is waited for; some are held up.
    let held_up = stage.world().chance(0.2);
    let rest_max = if held_up {
        Duration::from_secs(90)
    } else {
        Duration::from_millis(20)
    };
    stage.pause(Duration::ZERO, rest_max).await;
}

/// What a process of a simulated host says of itself: the same on every machine that runs this.
fn identity(number: u32) -> Identity {
    Identity {
        pid: Pid::new(i64::from(number) + 1).unwrap(),
        user: UserInfo::from_json(&json!({"username": "les", "home": "/home/les"})).unwrap(),
        hostname: Text::cut("simulated"),
        environment: EnvironmentInfo::from_json(
            &json!({"python_version": "", "platform": "Linux", "cwd": "/home/les"}),
        )
        .unwrap(),
        actor: None,
        parent_session_id: None,
        process: None,
        host_id: None,
        tty: None,
        remote_address: None,
        runtime: Text::cut("rust"),
    }
}
