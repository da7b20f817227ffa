//! Who takes how much just now.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Network, Place, Rate,
    buckets::Buckets,
    crowd::{Crowd, Excess},
};
use crate::auth::{Caller, Peer};

/// By which way somebody came. Each has bounds of its own, so that no crowd before one keeps the owner out at the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The Unix socket, and whoever started this process.
    Socket,
    /// TCP.
    Tcp,
}

/// There is no room, or somebody goes too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// For nobody.
    Overloaded,
    /// For this one; after so long it may try again.
    TooMuch(Duration),
}

impl From<Excess> for Full {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::All => Self::Overloaded,
            Excess::Address => Self::TooMuch(Duration::from_secs(1)),
        }
    }
}

/// Who takes how much just now, and within which bounds.
#[derive(Debug)]
pub struct Traffic {
    network: RwLock<Arc<Network>>,
    socket: DoorTraffic,
    tcp: DoorTraffic,
    connection_rates: Buckets,
    request_rates: Buckets,
    bad_tokens: Buckets,
    log_lines: Buckets,
    counters: Counters,
}

#[derive(Debug, Default)]
struct DoorTraffic {
    connections: Arc<Crowd>,
    requests: Arc<Crowd>,
    streams: Arc<Crowd>,
    body_bytes: Arc<AtomicUsize>,
}

/// How often somebody was told to wait, or was cut off.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were closed at once.
    pub connections_refused: AtomicU64,
    /// Requests beyond a rate or a share, answered 429.
    pub rate_limited: AtomicU64,
    /// Requests for which there was no room, answered 503.
    pub overloaded: AtomicU64,
    /// Connections that were closed because they were too slow or said nothing.
    pub timed_out: AtomicU64,
    /// TLS handshakes that failed.
    pub handshakes_failed: AtomicU64,
}

impl Counters {
    /// Gives the counts, each with its name and what it counts.
    pub fn counts(&self) -> [(&'static str, &'static str, u64); 5] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            (
                "connections_refused",
                "Connections that were closed at once, for want of room or for coming too fast",
                read(&self.connections_refused),
            ),
            (
                "rate_limited",
                "Requests beyond a rate or a share, answered 429",
                read(&self.rate_limited),
            ),
            (
                "overloaded",
                "Requests for which there was no room, answered 503",
                read(&self.overloaded),
            ),
            (
                "timed_out",
                "Connections that were closed because they were too slow or said nothing",
                read(&self.timed_out),
            ),
            (
                "handshakes_failed",
                "TLS handshakes that failed",
                read(&self.handshakes_failed),
            ),
        ]
    }
}

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Log lines about one peer: ten, and then one a minute.
const LOG_RATE: Rate = Rate {
    per_minute: 1,
    burst: 10,
};

/// Whose bucket it is.
#[derive(Hash)]
enum Key<'a> {
    Subject(&'a str),
    User(u32),
    Address(IpAddr),
}

impl Traffic {
    /// Begins with nobody.
    pub fn new(network: Network) -> Self {
        let now = Instant::now();
        Self {
            network: RwLock::new(Arc::new(network)),
            socket: DoorTraffic::default(),
            tcp: DoorTraffic::default(),
            connection_rates: Buckets::new(now),
            request_rates: Buckets::new(now),
            bad_tokens: Buckets::new(now),
            log_lines: Buckets::new(now),
            counters: Counters::default(),
        }
    }

    /// Gives what the server was last told.
    pub fn network(&self) -> Arc<Network> {
        let network = self.network.read().unwrap_or_else(PoisonError::into_inner);
        network.clone()
    }

    /// Takes other bounds and names. What is under way goes on.
    pub fn set_network(&self, network: Network) {
        let mut current = self.network.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(network);
    }

    /// Gives the counts.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    const fn door(&self, door: Door) -> &DoorTraffic {
        match door {
            Door::Socket => &self.socket,
            Door::Tcp => &self.tcp,
        }
    }

    /// Takes a place for a connection.
    ///
    /// # Errors
    ///
    /// When there is no room for it.
    pub fn connect(&self, peer: &Peer) -> Result<Place, Full> {
        let limits = &self.network().limits;
        let address = bounded_address(peer);
        let entered = self.door(peer.door()).connections.enter(
            address,
            limits.connections_max,
            limits.connections_per_address,
        );
        let too_fast = |address| {
            self.connection_rates
                .take(&address, limits.connection_rate, Instant::now())
                .err()
        };
        let refused = match (entered, address) {
            (Ok(place), address) => match address.and_then(too_fast) {
                None => return Ok(place),
                Some(wait) => Full::TooMuch(wait),
            },
            (Err(excess), _) => excess.into(),
        };
        count(&self.counters.connections_refused);
        Err(refused)
    }

    /// Takes a place for a request.
    ///
    /// # Errors
    ///
    /// When there is no room for it.
    pub fn enter(&self, peer: &Peer) -> Result<Place, Full> {
        let limits = &self.network().limits;
        let entered = self.door(peer.door()).requests.enter(
            bounded_address(peer),
            limits.requests_max,
            limits.requests_per_address,
        );
        entered.map_err(Full::from)
    }

    /// Takes a place for a stream of events, in the place of its request.
    ///
    /// # Errors
    ///
    /// When there is no room for it.
    pub fn follow(&self, peer: &Peer) -> Result<Place, Full> {
        let limits = &self.network().limits;
        let entered = self.door(peer.door()).streams.enter(
            bounded_address(peer),
            limits.event_streams_max,
            limits.event_streams_per_address,
        );
        entered.map_err(Full::from)
    }

    /// Counts the streams of events that are open.
    pub fn open_streams(&self) -> usize {
        self.socket.streams.len() + self.tcp.streams.len()
    }

    /// Takes a request out of what somebody may ask.
    ///
    /// # Errors
    ///
    /// When that was too much.
    pub fn ask(&self, caller: &Caller) -> Result<(), Full> {
        let limits = &self.network().limits;
        let (peer, rate) = (
            &caller.peer,
            match caller.peer.is_local() {
                true => limits.local_request_rate,
                false => limits.request_rate,
            },
        );
        let key = caller.subject().map_or_else(|| key(peer), Key::Subject);
        // One subject has one share here and one elsewhere: what it does on this machine is not taken from the other.
        self.request_rates
            .take(&(key, peer.is_local()), rate, Instant::now())
            .map_err(Full::TooMuch)
    }

    /// Takes note of a token that is not good.
    ///
    /// # Errors
    ///
    /// When that was one too many from there.
    pub fn bad_token(&self, peer: &Peer) -> Result<(), Full> {
        let rate = self.network().limits.bad_token_rate;
        self.bad_tokens
            .take(&key(peer), rate, Instant::now())
            .map_err(Full::TooMuch)
    }

    /// Tells whether the log should say something of this peer once more.
    pub fn may_log(&self, peer: &Peer) -> bool {
        self.log_lines
            .take(&key(peer), LOG_RATE, Instant::now())
            .is_ok()
    }

    /// Makes room for the bytes of a body, as they come.
    pub(crate) fn body(&self, peer: &Peer) -> Held {
        Held {
            bytes: 0,
            max: self.network().limits.bodies_bytes_max,
            all: self.door(peer.door()).body_bytes.clone(),
        }
    }
}

/// Gives the address of a peer that has only its share: one of this machine has what the machine has.
fn bounded_address(peer: &Peer) -> Option<IpAddr> {
    if peer.is_local() {
        return None;
    }
    peer.address().map(network_of)
}

fn key(peer: &Peer) -> Key<'static> {
    match peer {
        Peer::Unix { uid, .. } | Peer::Stdio { uid } => Key::User(*uid),
        Peer::Tcp(_) => Key::Address(
            peer.address()
                .map_or(Ipv6Addr::UNSPECIFIED.into(), network_of),
        ),
    }
}

/// Gives what one customer of a provider has: an IPv4 address, or a /64 of IPv6 (RFC 6177), in which addresses are free.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = u128::from(address) & (u128::MAX << 64);
            Ipv6Addr::from(network).into()
        }
        address => address,
    }
}

/// The bytes of a body that are held; let go of when this is dropped.
#[derive(Debug)]
pub struct Held {
    bytes: usize,
    max: usize,
    all: Arc<AtomicUsize>,
}

impl Held {
    /// Takes room for more.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Full> {
        let before = self.all.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > self.max {
            return Err(Full::Overloaded);
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(address: &str) -> Peer {
        let remote = format!("{address}:4711").parse().unwrap();
        Peer::tcp("192.0.2.1:8678".parse().unwrap(), remote)
    }

    #[test]
    fn an_address_elsewhere_has_its_share_and_this_machine_has_all() {
        let mut network = Network::default();
        network.limits.connections_per_address = 1;
        let traffic = Traffic::new(network);
        let _kept = traffic.connect(&remote("192.0.2.7")).unwrap();
        assert!(matches!(
            traffic.connect(&remote("192.0.2.7")),
            Err(Full::TooMuch(_))
        ));
        assert!(traffic.connect(&remote("192.0.2.8")).is_ok());
        let local = [remote("127.0.0.1"), remote("127.0.0.1")];
        let places: Vec<_> = local.iter().map(|peer| traffic.connect(peer)).collect();
        assert!(places.iter().all(Result::is_ok));
        let (name, _, count) = traffic.counters().counts()[0];
        assert_eq!((name, count), ("connections_refused", 1));
    }

    #[test]
    fn a_crowd_before_one_door_keeps_nobody_out_at_the_other() {
        let mut network = Network::default();
        network.limits.requests_max = 1;
        let traffic = Traffic::new(network);
        let _kept = traffic.enter(&remote("127.0.0.1")).unwrap();
        assert_eq!(
            traffic.enter(&remote("127.0.0.1")).unwrap_err(),
            Full::Overloaded
        );
        assert!(traffic.enter(&Peer::stdio()).is_ok());
    }

    #[test]
    fn streams_have_places_of_their_own_and_are_counted() {
        let mut network = Network::default();
        network.limits.event_streams_max = 2;
        network.limits.event_streams_per_address = 1;
        let traffic = Traffic::new(network);
        let first = traffic.follow(&remote("192.0.2.7")).unwrap();
        assert!(matches!(
            traffic.follow(&remote("192.0.2.7")),
            Err(Full::TooMuch(_))
        ));
        let second = traffic.follow(&remote("127.0.0.1")).unwrap();
        assert_eq!(
            traffic.follow(&remote("127.0.0.1")).unwrap_err(),
            Full::Overloaded
        );
        assert!(traffic.enter(&remote("192.0.2.7")).is_ok());
        let third = traffic.follow(&Peer::stdio()).unwrap();
        assert_eq!(traffic.open_streams(), 3);
        drop((first, second, third));
        assert_eq!(traffic.open_streams(), 0);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let mut network = Network::default();
        network.limits.bad_token_rate.burst = 1;
        let traffic = Traffic::new(network);
        assert_eq!(traffic.bad_token(&remote("[2001:db8::1]")), Ok(()));
        assert!(traffic.bad_token(&remote("[2001:db8::ffff:2]")).is_err());
        assert_eq!(traffic.bad_token(&remote("[2001:db8:0:1::1]")), Ok(()));
    }

    #[test]
    fn bodies_have_room_for_so_many_bytes_at_once() {
        let mut network = Network::default();
        network.limits.bodies_bytes_max = 10;
        let traffic = Traffic::new(network);
        let mut one = traffic.body(&remote("192.0.2.7"));
        assert_eq!(one.add(8), Ok(()));
        let mut other = traffic.body(&remote("192.0.2.8"));
        assert_eq!(other.add(3), Err(Full::Overloaded));
        drop((one, other));
        assert_eq!(traffic.body(&remote("192.0.2.8")).add(10), Ok(()));
    }
}
