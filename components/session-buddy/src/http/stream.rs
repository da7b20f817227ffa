//! A connection that may not be slow.
//!
//! HTTP's library reads and writes; this stands between it and the connection, and fails a read or a write whose time is
//! over, upon which the library closes. Between two requests that is the idle time; from the first byte of a request until
//! its headers are there the header time, however many bytes trickle in; while a request is worked on there is none, since
//! its body has a time of its own. An answer must be taken at some speed: of that only the time counts in which it is there
//! to be taken, so a stream of events may be silent for as long as nothing happens.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::network::Limits;

/// What a connection is at, shared by the stream and by whoever answers.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    /// Until when something must be read, in nanoseconds since `began`, with its two lowest bits saying why.
    state: AtomicU64,
    /// How many requests were begun.
    turns: AtomicU64,
    idle_timeout: Duration,
}

/// A request is worked on: nothing needs to be read.
const BUSY: u64 = 0;
/// Nothing of the next request has come.
const IDLE: u64 = 1;
/// Some of its headers have.
const HEAD: u64 = 2;
const WHY: u64 = 3;

impl Pace {
    /// Begins with a connection of which nothing has come.
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let pace = Self {
            began: Instant::now(),
            state: AtomicU64::new(BUSY),
            turns: AtomicU64::new(0),
            idle_timeout: limits.idle_timeout,
        };
        // Who connects has something to ask.
        pace.wait_for(HEAD, limits.header_timeout);
        Arc::new(pace)
    }

    fn wait_for(&self, why: u64, timeout: Duration) {
        let until = (self.began.elapsed() + timeout).as_nanos();
        let until = u64::try_from(until).unwrap_or(u64::MAX) & !WHY;
        self.state.store(until | why, Ordering::Release);
    }

    /// Gives until when something must be read, and whether nothing has come yet.
    fn deadline(&self) -> Option<(Instant, bool)> {
        let state = self.state.load(Ordering::Acquire);
        let until = self.began + Duration::from_nanos(state & !WHY);
        match state & WHY {
            BUSY => None,
            why => Some((until, why == IDLE)),
        }
    }

    /// Says that the headers of a request are there. It is worked on until the turn is dropped.
    pub(super) fn turn(self: &Arc<Self>) -> Turn {
        self.turns.fetch_add(1, Ordering::Release);
        self.state.store(BUSY, Ordering::Release);
        Turn(self.clone())
    }
}

/// A request that is worked on.
#[derive(Debug)]
pub(super) struct Turn(Arc<Pace>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.wait_for(IDLE, self.0.idle_timeout);
    }
}

/// A connection that fails where it is too slow.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
    header_timeout: Duration,
    reading: Timer,
    writing: Timer,
    stall: Stall,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, pace: Arc<Pace>, limits: &Limits) -> Self {
        Self {
            stream,
            pace,
            header_timeout: limits.header_timeout,
            reading: Timer(None),
            writing: Timer(None),
            stall: Stall {
                turn: 0,
                waiting_since: None,
                left: limits.write_timeout,
                timeout: limits.write_timeout,
                bytes_per_second_min: limits.bytes_per_second_min,
            },
        }
    }

    /// Fails where the time for reading is over; else wakes the task when it will be.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            // The library does not read again when an answer is sent, so who is busy is looked at again as well.
            let deadline = match self.pace.deadline() {
                Some((deadline, _)) => deadline,
                None => Instant::now() + self.pace.idle_timeout,
            };
            ready!(self.reading.poll(deadline, context));
            // It may have moved meanwhile.
            if self
                .pace
                .deadline()
                .is_some_and(|(deadline, _)| deadline <= Instant::now())
            {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Judges a write: how much of an answer was taken, or that none was.
    fn judge<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        bytes: impl Fn(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        let turn = self.pace.turns.load(Ordering::Acquire);
        match written {
            Poll::Ready(Ok(written)) => {
                self.stall.taken(turn, bytes(&written), Instant::now());
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let deadline = self.stall.deadline(turn, Instant::now());
                ready!(self.writing.poll(deadline, context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

/// How long an answer may go on not being taken.
#[derive(Debug)]
struct Stall {
    /// Of which request.
    turn: u64,
    /// Since when it is not taken; none while all was taken.
    waiting_since: Option<Instant>,
    /// How long it may not be taken yet.
    left: Duration,
    timeout: Duration,
    bytes_per_second_min: u64,
}

impl Stall {
    fn begin(&mut self, turn: u64) {
        if self.turn != turn {
            (self.turn, self.waiting_since, self.left) = (turn, None, self.timeout);
        }
    }

    /// Each byte that is taken gives the time that it may take, and never more than was given at first.
    fn taken(&mut self, turn: u64, bytes: usize, now: Instant) {
        self.begin(turn);
        let waited = self.waiting_since.take().map(|since| now - since);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = bytes.saturating_mul(1_000_000) / self.bytes_per_second_min;
        let earned = Duration::from_micros(earned.min(3_600_000_000));
        let left = self.left.saturating_sub(waited.unwrap_or_default());
        self.left = (left + earned).min(self.timeout);
    }

    fn deadline(&mut self, turn: u64, now: Instant) -> Instant {
        self.begin(turn);
        *self.waiting_since.get_or_insert(now) + self.left
    }
}

/// A timer that is only moved when it rings too late, since most never ring.
#[derive(Debug)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        match read {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                if let Some((_, true)) = this.pace.deadline() {
                    this.pace.wait_for(HEAD, this.header_timeout);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => this.poll_late(context).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.judge(written, |written| *written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.judge(written, |written| *written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.judge(flushed, |()| 0, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(context);
        this.judge(shut, |()| 0, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn paced(size: usize) -> (Paced<DuplexStream>, Arc<Pace>, DuplexStream) {
        let limits = Limits::default();
        let (near, far) = duplex(size);
        let pace = Pace::new(&limits);
        (Paced::new(near, pace.clone(), &limits), pace, far)
    }

    async fn seconds<T>(future: impl Future<Output = T>) -> (T, u64) {
        let began = Instant::now();
        let output = future.await;
        (output, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_trickle_in_have_their_time_and_no_more() {
        let (mut stream, _, mut far) = paced(64);
        let trickle = tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let (read, after) = seconds(async {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await
        })
        .await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(after, 10);
        drop(stream);
        trickle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_the_idle_time_and_none_while_one_is_worked_on() {
        let (mut stream, pace, mut far) = paced(64);
        let mut byte = [0];
        far.write_all(b"a").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        let turn = pace.turn();
        let waited = tokio::time::timeout(Duration::from_secs(600), stream.read_exact(&mut byte));
        assert!(waited.await.is_err(), "it is busy");
        drop(turn);
        let (read, after) = seconds(stream.read_exact(&mut byte)).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(after, 75);
        // The first byte of the next request begins the time for its headers.
        drop(pace.turn());
        far.write_all(b"b").await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        let (read, after) = seconds(stream.read_exact(&mut byte)).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(after, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_is_cut_and_so_is_one_that_is_sipped() {
        let (mut stream, _, far) = paced(64);
        let (written, after) = seconds(stream.write_all(&[0; 128])).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(after, 30);
        drop(far);

        let (mut stream, _, mut far) = paced(64);
        let sip = tokio::spawn(async move {
            let mut some = [0; 1024];
            while far.read(&mut some).await.is_ok_and(|read| read > 0) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let (written, after) = seconds(stream.write_all(&[0; 1024 * 1024])).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!((30..32).contains(&after), "{after}");
        drop(stream);
        sip.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn of_an_endless_answer_only_the_time_counts_in_which_it_is_not_taken() {
        let (mut stream, _, mut far) = paced(64);
        let mut taken = [0; 128];
        for _ in 0..10 {
            // Two seconds late each time, and then nothing happens for an hour.
            let late = async {
                tokio::time::sleep(Duration::from_secs(2)).await;
                far.read_exact(&mut taken).await.unwrap();
            };
            let (written, ()) = tokio::join!(stream.write_all(&[0; 128]), late);
            written.unwrap();
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        let (written, after) = seconds(stream.write_all(&[0; 128])).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(after, 10, "what it has waited before is not forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_steadily_may_take_long() {
        let (mut stream, _, mut far) = paced(64 * 1024);
        let read = tokio::spawn(async move {
            let (mut some, mut all) = (vec![0; 20 * 1024], 0);
            while all < 2 * 1024 * 1024 {
                all += far.read(&mut some).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let (written, after) = seconds(stream.write_all(&vec![0; 2 * 1024 * 1024])).await;
        written.unwrap();
        assert!(after > 60, "{after}");
        read.await.unwrap();
    }
}
