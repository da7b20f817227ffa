//! What a delivery asks of a network, in one place, so that it can be run over one that fails when it is told to.

use std::{
    fmt, fs, future::Future, io, ops::Deref, os::unix::fs::MetadataExt, path::Path, pin::Pin,
    sync::Arc, time::Duration,
};

use hyper::{Request, Response, body::Bytes};

use crate::{
    connection::{Connection, ConnectionError, Destination},
    delivery::listener,
};

/// A network. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Network(Arc<dyn Carrier>);

impl Network {
    /// The machine's.
    pub fn system() -> Self {
        Self::new(System)
    }

    /// One that a test makes.
    pub fn new(carrier: impl Carrier + 'static) -> Self {
        Self(Arc::new(carrier))
    }
}

impl Deref for Network {
    type Target = dyn Carrier;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// What is waited for.
pub type Waited<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a network does.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Connects to a server.
    fn connect(&self, to: Destination) -> Waited<'_, Result<Box<dyn Link>, ConnectionError>>;

    /// Tells whether somebody who may be given events listens at an address of this machine, such as `localhost:8678`.
    fn is_there<'a>(&'a self, authority: &'a str) -> Waited<'a, bool>;

    /// Gives what stands at the path of a socket.
    ///
    /// # Errors
    ///
    /// When nothing does.
    fn at_socket(&self, path: &Path) -> io::Result<Socket>;
}

/// What tells a socket from the next one at its path: inode, and when that was last changed, for inodes are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its inode.
    pub inode: u64,
    /// Seconds and nanoseconds of the last change.
    pub changed: (i64, i64),
}

/// A connection to a server.
pub trait Link: Send {
    /// Gives where it leads.
    fn destination(&self) -> &Destination;

    /// Tells whether the other side has closed it.
    fn is_closed(&self) -> bool;

    /// Sends a request and reads the whole answer, as [`Connection::send`] does.
    fn send(
        &mut self,
        request: Request<Bytes>,
        patience: Duration,
        answer_bytes_max: usize,
    ) -> Waited<'_, Result<Response<Bytes>, ConnectionError>>;
}

#[derive(Debug)]
struct System;

impl Carrier for System {
    fn connect(&self, to: Destination) -> Waited<'_, Result<Box<dyn Link>, ConnectionError>> {
        Box::pin(async {
            let connection = Connection::to(to).await?;
            Ok(Box::new(connection) as Box<dyn Link>)
        })
    }

    fn is_there<'a>(&'a self, authority: &'a str) -> Waited<'a, bool> {
        Box::pin(listener::is_there(authority))
    }

    fn at_socket(&self, path: &Path) -> io::Result<Socket> {
        let found = fs::symlink_metadata(path)?;
        Ok(Socket {
            inode: found.ino(),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

impl Link for Connection {
    fn destination(&self) -> &Destination {
        self.destination()
    }

    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    fn send(
        &mut self,
        request: Request<Bytes>,
        patience: Duration,
        answer_bytes_max: usize,
    ) -> Waited<'_, Result<Response<Bytes>, ConnectionError>> {
        Box::pin(self.send(request, patience, answer_bytes_max))
    }
}
