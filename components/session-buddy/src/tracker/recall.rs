//! What a server knows of the sessions that an earlier one has left open.

use session_model::{SessionId, Transport, words::LossCause};

use super::{Tracker, change};
use crate::{
    liveness::{Candidate, is_of_this_machine, process::ProcessId},
    store::{OpenSession, StoreError, Watched},
};

/// How many sessions are read at a time.
const PAGE: usize = 1_000;

/// What a server makes of a session that it finds open.
#[derive(Debug)]
enum Found {
    /// Its process can be looked for.
    Candidate(Candidate),
    /// Its host has restarted since its process was watched.
    HostRestarted,
    /// Nobody can look for it from here.
    Nothing,
}

impl Tracker {
    /// Calls to mind the sessions that are open: every lease gets a full term, a process that was watched is looked for,
    /// and what was watched before this host restarted is lost. To be called once; events can be taken meanwhile.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply_all`](crate::store::SessionStore::apply_all).
    pub async fn recall(&self) -> Result<(), StoreError> {
        self.liveness.begin_to_recall();
        let recalled = self.recall_all().await;
        self.liveness.end_to_recall();
        recalled
    }

    async fn recall_all(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.open_sessions(after, PAGE).await?;
            let mut restarted = Vec::new();
            for session in page.sessions {
                let lease_seconds = session
                    .heartbeat_interval_seconds
                    .and_then(change::lease_of_interval);
                let candidate = match self.find(&session) {
                    Found::Candidate(candidate) => Some(candidate),
                    Found::HostRestarted => {
                        restarted.push((session.id, LossCause::HostRestarted));
                        continue;
                    }
                    Found::Nothing => None,
                };
                self.liveness
                    .recall(session.id, lease_seconds, session.last_seen, candidate);
            }
            self.lapse_all(&restarted).await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn lapse_all(&self, lapsed: &[(SessionId, LossCause)]) -> Result<(), StoreError> {
        for some in lapsed.chunks(256) {
            self.lapse(some).await?;
        }
        Ok(())
    }

    /// What a server has watched is believed; what a session says of itself has to be seen.
    fn find(&self, session: &OpenSession) -> Found {
        let Some(host) = self.liveness.host() else {
            return Found::Nothing;
        };
        let process = |watched: &Watched| {
            let here = watched.boot_id == host.boot_id
                && u64::try_from(watched.pid_namespace) == Ok(host.pid_namespace);
            here.then(|| process_id(watched))?
        };
        if let Some(watched) = &session.watched {
            let on_this_host = host.host_id.is_some() && watched.host_id == host.host_id;
            return match process(watched) {
                Some(process) => Found::Candidate(Candidate::Watched(process)),
                None if on_this_host && watched.boot_id != host.boot_id => Found::HostRestarted,
                None => Found::Nothing,
            };
        }
        let local = matches!(session.transport, Transport::Unix | Transport::Tcp)
            && is_of_this_machine(session.address.as_deref());
        let claimed = session.claimed.as_ref().filter(|_| local);
        match claimed.and_then(process) {
            Some(process) => Found::Candidate(Candidate::Claimed(process)),
            None => Found::Nothing,
        }
    }
}

fn process_id(watched: &Watched) -> Option<ProcessId> {
    Some(ProcessId {
        pid: watched.pid.try_into().ok()?,
        start_ticks: watched.start_ticks.try_into().ok()?,
        pidfd_inode: watched.pidfd_inode.map(u64::try_from).transpose().ok()?,
    })
}
