//! A network that cannot be relied on: a proxy in front of the server's port, which knows where a request ends and does
//! something to every third.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use crate::event::Random;
use crate::http::{Connection, find, header};

/// How long a request is held up at most.
const DELAY_MS_MAX: u64 = 60;
/// How late a request comes once more at most; its session has ended by then, or the server is another one.
const REPEAT_MS_MAX: u64 = 800;

/// What is done to a request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It comes late.
    Delayed,
    /// The connection closes before it arrives.
    CutBefore,
    /// Half of it arrives.
    CutInside,
    /// It arrives, and its answer does not.
    AnswerLost,
    /// It arrives, and the connection is reset.
    Reset,
    /// It arrives, and once more later.
    Repeated,
}

const FAULTS: [(Fault, &str); 6] = [
    (Fault::Delayed, "delayed"),
    (Fault::CutBefore, "cut before"),
    (Fault::CutInside, "cut inside"),
    (Fault::AnswerLost, "answer lost"),
    (Fault::Reset, "reset"),
    (Fault::Repeated, "repeated"),
];

/// The proxy; it runs as long as its runtime.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: Mutex<SocketAddr>,
    counts: [AtomicU64; FAULTS.len()],
}

impl Proxy {
    pub(super) fn start(runtime: &Handle, seed: u64) -> io::Result<Self> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let shared = Arc::new(Shared {
            server: Mutex::new(nowhere),
            counts: Default::default(),
        });
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(accept(listener, shared.clone(), seed));
        Ok(Self { address, shared })
    }

    /// Says where the server is now.
    pub(super) fn lead_to(&self, server: SocketAddr) {
        *self
            .shared
            .server
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = server;
    }

    /// How often what was done.
    pub(super) fn summary(&self) -> String {
        let counts = FAULTS.iter().zip(&self.shared.counts);
        let counts: Vec<_> = counts
            .map(|((_, name), count)| format!("{} {name}", count.load(Ordering::Relaxed)))
            .collect();
        counts.join(", ")
    }
}

impl Shared {
    fn server(&self) -> SocketAddr {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, random: &mut Random) -> Option<Fault> {
        let which = usize::try_from(random.below(3 * FAULTS.len() as u64)).ok()?;
        let (fault, _) = FAULTS.get(which)?;
        self.counts[which].fetch_add(1, Ordering::Relaxed);
        Some(*fault)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, seed: u64) {
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        number += 1;
        // A connection ends as its network does.
        tokio::spawn(carry(stream, shared.clone(), Random::new(&[seed, number])));
    }
}

/// Carries requests and answers until something breaks.
async fn carry(mut client: TcpStream, shared: Arc<Shared>, mut random: Random) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = Connection::open(shared.server()).await?;
    let mut waiting = Vec::new();
    loop {
        let request = read_request(&mut client, &mut waiting).await?;
        let fault = shared.fault(&mut random);
        match fault {
            Some(Fault::Delayed) => {
                tokio::time::sleep(Duration::from_millis(random.below(DELAY_MS_MAX))).await;
            }
            Some(Fault::CutBefore) => return Ok(()),
            Some(Fault::CutInside) => {
                let half = request.len() / 2;
                return server.send(&request[..half]).await;
            }
            Some(Fault::Repeated) => {
                let later = Duration::from_millis(random.below(REPEAT_MS_MAX));
                tokio::spawn(repeat(request.clone(), later, shared.clone()));
            }
            Some(Fault::AnswerLost | Fault::Reset) | None => {}
        }
        let answer = server.forward(&request).await?;
        match fault {
            Some(Fault::AnswerLost) => return Ok(()),
            Some(Fault::Reset) => return client.set_zero_linger(),
            Some(_) | None => {}
        }
        let head = format!(
            "HTTP/1.1 {} Carried\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.status,
            answer.body.len()
        );
        client
            .write_all(&[head.as_bytes(), answer.body].concat())
            .await?;
    }
}

async fn repeat(request: Vec<u8>, later: Duration, shared: Arc<Shared>) -> io::Result<()> {
    tokio::time::sleep(later).await;
    let mut server = Connection::open(shared.server()).await?;
    server.forward(&request).await.map(drop)
}

/// Reads a whole request; `waiting` keeps what came behind it.
async fn read_request(client: &mut TcpStream, waiting: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = request_end(waiting) {
            let rest = waiting.split_off(end);
            return Ok(std::mem::replace(waiting, rest));
        }
        if client.read_buf(waiting).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn request_end(bytes: &[u8]) -> Option<usize> {
    let head_end = find(bytes, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let length: usize = header(head, "content-length")?.parse().ok()?;
    Some(head_end + length).filter(|end| *end <= bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_with_its_body() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(request_end(request), Some(request.len()));
        assert_eq!(request_end(&request[..request.len() - 1]), None);
        let two = [request.as_slice(), b"POST"].concat();
        assert_eq!(request_end(&two), Some(request.len()));
    }
}
