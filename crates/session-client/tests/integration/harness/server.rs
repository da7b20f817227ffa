//! A server of a few lines: HTTP/1.1 over TCP, TLS or a Unix socket, which answers as a test tells it to and remembers
//! what it was asked.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::{
        fs::fchown,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a test waits for what should come at once.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Header lines, their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
}

/// What a server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    Http {
        status: u16,
        /// Further header lines, each with its line end.
        headers: String,
        body: String,
    },
    /// These bytes, and nothing more.
    Raw(Vec<u8>),
    /// These bytes, one at a time, for as long as the other side listens.
    Drip(Vec<u8>),
    /// Nothing, for as long as the other side waits.
    Never,
    /// Nothing, at once.
    Close,
}

impl Reply {
    pub(crate) fn json(body: impl ToString) -> Self {
        Self::Http {
            status: 200,
            headers: "Content-Type: application/json\r\n".to_owned(),
            body: body.to_string(),
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Http {
            status,
            headers: String::new(),
            body: String::new(),
        }
    }
}

type Behaviour = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    shared: Arc<Shared>,
    door: Door,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<Request>>,
    changed: Condvar,
    connections: AtomicUsize,
    open: Mutex<Vec<Stream>>,
    stopped: AtomicBool,
}

/// How to reach it.
#[derive(Clone)]
enum Door {
    Tcp(u16),
    Unix(PathBuf),
}

enum Listener {
    Tcp(TcpListener),
    Tls(TcpListener, Arc<ServerConfig>),
    Unix(UnixListener),
}

impl Server {
    pub(crate) fn tcp(behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door::Tcp(listener.local_addr().unwrap().port());
        Self::start(Listener::Tcp(listener), door, Arc::new(behaviour))
    }

    /// Listens on a socket of another user, as far as the kernel's tables tell.
    pub(crate) fn tcp_of(
        uid: u32,
        behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        fchown(&listener, Some(uid), None).unwrap();
        let door = Door::Tcp(listener.local_addr().unwrap().port());
        Self::start(Listener::Tcp(listener), door, Arc::new(behaviour))
    }

    /// Speaks TLS, under a certificate for `localhost` that it signed itself.
    pub(crate) fn tls(behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door::Tcp(listener.local_addr().unwrap().port());
        Self::start(
            Listener::Tls(listener, certificate()),
            door,
            Arc::new(behaviour),
        )
    }

    pub(crate) fn unix(
        socket: &Path,
        behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        Self::start(
            Listener::Unix(listener),
            Door::Unix(socket.to_owned()),
            Arc::new(behaviour),
        )
    }

    fn start(listener: Listener, door: Door, behaviour: Behaviour) -> Self {
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            requests: Mutex::default(),
            changed: Condvar::new(),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self {
            shared,
            door,
            accepting: Some(accepting),
        }
    }

    /// Gives its address on this machine.
    pub(crate) fn authority(&self) -> String {
        match &self.door {
            Door::Tcp(port) => format!("localhost:{port}"),
            Door::Unix(path) => panic!("{} is no address", path.display()),
        }
    }

    /// Gives the endpoint at which it would serve MCP.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.authority())
    }

    /// Answers differently from now on.
    pub(crate) fn become_(&self, behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// Gives what it was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Counts the connections that were made to it so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Waits until what it was asked shows something.
    pub(crate) fn wait<T>(&self, what: &str, shows: impl Fn(&[Request]) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        let mut requests = self.shared.requests.lock().unwrap();
        loop {
            if let Some(shown) = shows(&requests) {
                return shown;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what} did not come; there came {requests:#?}"
            );
            requests = self.shared.changed.wait_timeout(requests, left).unwrap().0;
        }
    }

    /// Waits until it was asked so often.
    pub(crate) fn wait_requests(&self, count: usize) {
        self.wait(&format!("request {count}"), |requests| {
            (requests.len() >= count).then_some(())
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // A last visitor, for whom it looks up from its door.
        let visited = match &self.door {
            Door::Tcp(port) => TcpStream::connect(("127.0.0.1", *port)).map(drop),
            Door::Unix(path) => UnixStream::connect(path).map(drop),
        };
        if visited.is_ok() {
            let _ = self.accepting.take().unwrap().join();
        }
        if let Door::Unix(path) = &self.door {
            let _ = fs::remove_file(path);
        }
        for stream in self.shared.open.lock().unwrap().drain(..) {
            stream.shut_down();
        }
    }
}

fn accept(listener: &Listener, shared: &Arc<Shared>) {
    while let Ok(stream) = listener.accept() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        if let Some(copy) = stream.copy() {
            shared.open.lock().unwrap().push(copy);
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(stream, number, &shared));
    }
}

fn serve(stream: Stream, connection: usize, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    // A connection that breaks is what some tests are about.
    let _ = converse(&mut stream, connection, shared);
    stream.get_ref().shut_down();
}

fn converse(stream: &mut BufReader<Stream>, connection: usize, shared: &Shared) -> io::Result<()> {
    while let Some(request) = read(stream, connection)? {
        let behaviour = Arc::clone(&shared.behaviour.lock().unwrap());
        let reply = behaviour(&request);
        shared.requests.lock().unwrap().push(request);
        shared.changed.notify_all();
        match reply {
            Reply::Http {
                status,
                headers,
                body,
            } => {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} x\r\n{headers}Content-Length: {length}\r\n\r\n");
                stream.get_mut().write_all(head.as_bytes())?;
                stream.get_mut().write_all(body.as_bytes())?;
            }
            Reply::Raw(bytes) => {
                stream.get_mut().write_all(&bytes)?;
                return Ok(());
            }
            Reply::Drip(bytes) => return drip(stream, &bytes),
            Reply::Never => {
                io::copy(stream, &mut io::sink())?;
                return Ok(());
            }
            Reply::Close => return Ok(()),
        }
    }
    Ok(())
}

/// Writes a byte, waits a little for the other side to go, and so on.
fn drip(stream: &mut BufReader<Stream>, bytes: &[u8]) -> io::Result<()> {
    stream.get_ref().set_patience(Duration::from_millis(20))?;
    for byte in bytes {
        stream.get_mut().write_all(&[*byte])?;
        match stream.read(&mut [0]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a request; `None` when there is none any more.
fn read(stream: &mut BufReader<Stream>, connection: usize) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Request {
        method,
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
        connection,
    }))
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
    Unix(UnixStream),
}

impl Listener {
    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => Ok(Stream::Tcp(listener.accept()?.0)),
            Self::Tls(listener, config) => {
                let (stream, _) = listener.accept()?;
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                Ok(Stream::Tls(Box::new(StreamOwned::new(connection, stream))))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

impl Stream {
    /// Gives another hold of what lies below.
    fn copy(&self) -> Option<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().ok().map(Self::Tcp),
            Self::Tls(stream) => stream.sock.try_clone().ok().map(Self::Tcp),
            Self::Unix(stream) => stream.try_clone().ok().map(Self::Unix),
        }
    }

    fn shut_down(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Tls(stream) => stream.sock.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(patience)),
            Self::Tls(stream) => stream.sock.set_read_timeout(Some(patience)),
            Self::Unix(stream) => stream.set_read_timeout(Some(patience)),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}

/// Made with `openssl req -x509 -newkey ec -subj /CN=localhost`, good for a hundred years, and trusted by nobody.
fn certificate() -> Arc<ServerConfig> {
    let certificate = include_bytes!("tls/cert.der").to_vec().into();
    let key = include_bytes!("tls/key.der").to_vec();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.try_into().unwrap());
    Arc::new(config.unwrap())
}
