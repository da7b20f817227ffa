//! Whether a caller may pass.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use session_client::token::time_left;
use session_model::escape::for_line;
use tokio::sync::watch;
use tracing::warn;

use super::{Caller, Keys, Needs, Peer, Refusal, Refusals, Right, Token, Voice, peer::is_trusted};
use crate::clock::Clock;

/// Whom a server believes.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The secrets that make tokens; none where nobody needs one.
    pub keys: Option<Keys>,
    /// Every user of this machine may do everything over TCP, while there is no secret.
    pub loopback: bool,
}

/// Says whether a caller may pass, and keeps count of those who may not.
pub struct Gate {
    trust: Trust,
    /// Ids of tokens that were revoked. Who was let in for long is told of each.
    revoked: watch::Sender<HashSet<String>>,
    refusals: Refusals,
    recorded: Mutex<Recorded>,
    clock: Clock,
}

/// How many refusals went into the ledger in a minute, so that nobody fills a disk by being refused.
#[derive(Debug, Default)]
struct Recorded {
    minute: i64,
    count: u32,
}

/// The most refusals that go into the ledger in a minute. The others are counted and stand in the log.
const RECORDED_MAX: u32 = 10;

impl Gate {
    /// Makes a gate. `revoked` are the ids of the tokens that were revoked before.
    pub fn new(trust: Trust, revoked: impl IntoIterator<Item = String>, clock: Clock) -> Self {
        Self {
            trust,
            revoked: watch::Sender::new(revoked.into_iter().collect()),
            refusals: Refusals::default(),
            recorded: Mutex::default(),
            clock,
        }
    }

    /// Tells whether TCP needs tokens.
    pub const fn wants_tokens(&self) -> bool {
        self.trust.keys.is_some()
    }

    /// Gives how often something was refused.
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Lets a connection in, with the token that came with its request.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn admit(&self, peer: Peer, token: Option<&str>) -> Result<Caller, Refusal> {
        match &peer {
            Peer::Unix { uid, .. } if !is_trusted(*uid) => return Err(Refusal::OtherUser(*uid)),
            Peer::Tcp(_) if !peer.is_local() && !self.wants_tokens() => {
                return Err(Refusal::Remote);
            }
            Peer::Unix { .. } | Peer::Stdio { .. } | Peer::Tcp(_) => {}
        }
        let caller = Caller::of(peer);
        match token {
            Some(token) => self.with_token(caller, token),
            None => Ok(caller),
        }
    }

    /// Gives the caller with this token in place of what it had. A server without a secret cannot tell whether a token is
    /// good, and needs none.
    ///
    /// # Errors
    ///
    /// When the token is not good.
    pub fn with_token(&self, caller: Caller, token: &str) -> Result<Caller, Refusal> {
        let Some(keys) = &self.trust.keys else {
            return Ok(caller);
        };
        let token = keys.verify(token, self.clock.now())?;
        self.check_revoked(&token)?;
        Ok(Caller {
            token: Some(Arc::new(token)),
            ..caller
        })
    }

    fn check_revoked(&self, token: &Token) -> Result<(), Refusal> {
        let revoked = self.revoked.borrow();
        if token.id.as_ref().is_some_and(|id| revoked.contains(id)) {
            return Err(Refusal::Revoked);
        }
        Ok(())
    }

    /// Takes note that a token was revoked.
    pub fn revoke(&self, id: String) {
        self.revoked.send_modify(|revoked| {
            revoked.insert(id);
        });
    }

    /// Tells of tokens that are revoked from now on.
    pub fn revocations(&self) -> watch::Receiver<HashSet<String>> {
        self.revoked.subscribe()
    }

    /// Tells for how long a caller that was let in may stay; `None` where nothing bounds it.
    ///
    /// # Errors
    ///
    /// Why it may not stay any longer.
    pub fn stay(&self, caller: &Caller) -> Result<Option<Duration>, Refusal> {
        let Some(token) = &caller.token else {
            return Ok(None);
        };
        self.check_revoked(token)?;
        Ok(Some(time_left(token.expires_at, self.clock.now())?))
    }

    /// Tells whether a caller may have what needs this. Blocks on `/proc` the first time that a TCP peer without a token
    /// wants to read.
    ///
    /// # Errors
    ///
    /// Why it may not.
    pub fn allow(&self, caller: &Caller, needs: Needs) -> Result<(), Refusal> {
        match needs {
            Needs::Nothing => Ok(()),
            Needs::ReadFromElsewhere if caller.peer.is_local() => Ok(()),
            Needs::Right(right) => self.allow_right(caller, right),
            Needs::ReadFromElsewhere => self.allow_whole(caller, Right::Read),
            Needs::Whole(right) => self.allow_whole(caller, right),
            // Whose session it is decides the tracker, by the caller's voice.
            Needs::Close if caller.token.is_some() => self.allow_right(caller, Right::Emit),
            Needs::Close => self.allow_right(caller, Right::Admin),
        }
    }

    fn allow_whole(&self, caller: &Caller, right: Right) -> Result<(), Refusal> {
        self.allow_right(caller, right)?;
        match caller.component() {
            Some(bound) => Err(Refusal::Bound(bound.clone())),
            None => Ok(()),
        }
    }

    fn allow_right(&self, caller: &Caller, right: Right) -> Result<(), Refusal> {
        if let Some(token) = &caller.token {
            if token.scopes.contain(right.scopes()) {
                return Ok(());
            }
            let subject = token.subject.clone();
            return Err(Refusal::MayNot { subject, right });
        }
        match (&caller.peer, &self.trust.keys, right) {
            (Peer::Unix { .. } | Peer::Stdio { .. }, _, _) => Ok(()),
            (Peer::Tcp(_), Some(keys), _) => {
                Err(Refusal::TokenRequired(keys.variable().to_owned()))
            }
            (Peer::Tcp(_), None, Right::Emit) => Ok(()),
            (Peer::Tcp(_), None, Right::Read | Right::Admin) => {
                let owner = caller.peer.find_owner();
                if self.trust.loopback || owner.is_some_and(is_trusted) {
                    Ok(())
                } else {
                    Err(Refusal::NotOwner)
                }
            }
        }
    }

    /// Tells for whose sessions a caller speaks.
    pub fn voice(&self, caller: &Caller) -> Voice {
        let trust_all = self.trust.loopback && !self.wants_tokens() && caller.peer.is_local();
        caller.voice(trust_all)
    }

    /// Counts a refusal.
    pub fn refused(&self, refusal: &Refusal) {
        self.refusals.count(refusal);
    }

    /// Writes a refusal down in the log: who, what, why, and never the token.
    pub fn log(refusal: &Refusal, who: &str, what: &str) {
        let code = refusal.code().as_str();
        let (who, what) = (for_line(who), for_line(what));
        warn!(code, %who, %what, "Refused {what} to {who}: {}", for_line(&refusal.to_string()));
    }

    /// Tells whether a refusal of somebody known may go into the ledger, and takes its place there.
    pub fn may_record(&self) -> bool {
        let minute = self.clock.now().as_micros().div_euclid(60_000_000);
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.minute != minute {
            *recorded = Recorded { minute, count: 0 };
        }
        recorded.count += 1;
        recorded.count <= RECORDED_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn gate() -> Gate {
        Gate::new(Trust::default(), [], Clock::system())
    }

    #[test]
    fn a_loopback_connection_of_our_own_may_do_everything() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, remote) = listener.accept().unwrap();
        let peer = Peer::tcp(server.local_addr().unwrap(), remote);
        let caller = gate().admit(peer, None).unwrap();
        assert_eq!(gate().allow(&caller, Needs::Right(Right::Emit)), Ok(()));
        assert_eq!(caller.origin().uid, None);
        assert_eq!(gate().allow(&caller, Needs::Whole(Right::Admin)), Ok(()));
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(caller.origin().uid, Some(own));
        drop(client);
    }

    #[test]
    fn a_connection_that_the_kernel_does_not_know_may_only_report() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let local = listener.local_addr().unwrap();
        // Nothing is established from this port.
        let nobody = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1);
        let caller = gate().admit(Peer::tcp(local, nobody), None).unwrap();
        assert_eq!(gate().allow(&caller, Needs::Right(Right::Emit)), Ok(()));
        for needs in [Needs::Right(Right::Read), Needs::Close] {
            assert_eq!(gate().allow(&caller, needs), Err(Refusal::NotOwner));
        }
        let trust = Trust {
            loopback: true,
            ..Trust::default()
        };
        let trusting = Gate::new(trust, [], Clock::system());
        assert_eq!(trusting.allow(&caller, Needs::Close), Ok(()));
    }

    #[test]
    fn other_users_and_other_machines_are_refused() {
        let local = "127.0.0.1:8678".parse().unwrap();
        let remote = Peer::tcp(local, "192.0.2.7:4711".parse().unwrap());
        assert_eq!(gate().admit(remote, None).unwrap_err(), Refusal::Remote);
        let stranger = rustix::process::geteuid().as_raw() + 1;
        let on_the_socket = |uid| Peer::Unix {
            uid,
            sender: crate::liveness::Sender::Unknown,
        };
        assert_eq!(
            gate().admit(on_the_socket(stranger), None).unwrap_err(),
            Refusal::OtherUser(stranger)
        );
        let root = gate().admit(on_the_socket(0), None).unwrap();
        assert_eq!(gate().allow(&root, Needs::Whole(Right::Admin)), Ok(()));
    }
}
