//! A log file that never holds up who logs: a thread writes it, the queue before it is bounded, and what there is no room
//! for, in the queue or on the disk, is counted and told.

mod rotation;

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

use rotation::{Bounds, RotatingFile};

/// How many lines may wait: a burst of debug lines of one batch, and some.
const QUEUE_LINES: usize = 8192;
/// How long the end of the program waits for the last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    /// Everything before this is written.
    Flush(SyncSender<()>),
}

/// The log of a server. When it is dropped, what was logged is in the file, unless the disk is slower than
/// [`FLUSH_TIMEOUT`].
pub(crate) struct LogFile {
    queue: SyncSender<Message>,
}

impl LogFile {
    /// Opens the file, for its owner alone, sends standard error to it, and starts the thread that writes it.
    pub(super) fn start(path: PathBuf) -> io::Result<(Self, Lines)> {
        let file = RotatingFile::open(path, Bounds::default(), |file| {
            rustix::stdio::dup2_stderr(file).map_err(io::Error::from)
        })?;
        let (queue, messages) = sync_channel(QUEUE_LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let lines = Lines {
            queue: queue.clone(),
            lost: Arc::clone(&lost),
        };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(file, &messages, &lost))?;
        Ok((Self { queue }, lines))
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        let queue = self.queue.clone();
        // The queue may be full, and its thread may hang on the disk.
        let asking = thread::Builder::new().spawn(move || queue.send(Message::Flush(done)));
        if asking.is_ok() {
            let _ = written.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

fn write(
    mut file: RotatingFile<impl Fn(&File) -> io::Result<()>>,
    messages: &Receiver<Message>,
    lost: &AtomicU64,
) {
    while let Ok(message) = messages.recv() {
        match message {
            Message::Line(line) => match file.write_line(&line) {
                Ok(()) => tell(lost.swap(0, Relaxed)),
                Err(_) => {
                    lost.fetch_add(1, Relaxed);
                }
            },
            // Whoever asked may have given up.
            Message::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

/// Says in the log what is missing in it, once it is written again.
fn tell(lost: u64) {
    if lost > 0 {
        warn!(
            log.lost = lost,
            "{lost} lines of this log could not be written and are lost"
        );
    }
}

/// Where lines come in.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl io::Write for Lines {
    /// Takes a line, which the formatter gives as a whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
