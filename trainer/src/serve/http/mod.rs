//! The page and its interface over HTTP/1.1, on 127.0.0.1 alone.
//!
//! One thread of its own answers requests; searches run one after another on
//! the caller's thread, which bounds what they take together.

mod connection;
mod guard;
mod reply;
mod routes;
mod upload;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::Stock;
use super::finder::{Finder, OpenError, Room};
use reply::Refusal;

/// How much is taken from clients, and how long it may take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub upload_bytes: usize,
    /// Bytes of all bodies at a time.
    pub uploads_bytes: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Until a request's head is there, from the connection's start or the
    /// last answer on.
    pub head_time: Duration,
    /// Until a request's body is there.
    pub body_time: Duration,
    /// Until a connection is closed whatever is said on it.
    pub connection_time: Duration,
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// Items that can be enrolled.
    pub enrolled: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            upload_bytes: 16 << 20,
            uploads_bytes: 64 << 20,
            head_bytes: 16 << 10,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            connection_time: Duration::from_secs(120),
            connections: 64,
            enrolled: 1000,
        }
    }
}

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The port cannot be had.
    #[error(
        "cannot listen on 127.0.0.1:{port}: {cause}; choose another --port, or 0 for any free one"
    )]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system said.
        cause: io::Error,
    },
    /// The galleries cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// What is done with the [`Finder`], one after another.
type Job = Box<dyn for<'a> FnOnce(&mut Finder<'a>) + Send>;

/// What every answer is made from.
struct Context {
    limits: Limits,
    port: u16,
    jobs: mpsc::Sender<Job>,
    uploads: Arc<Semaphore>,
    /// Changes with each start, so that a browser does not show an item's
    /// picture for one that had its id before.
    start: String,
}

impl Context {
    /// What `work` gives when its turn has come; a client that has gone away by
    /// then costs nothing.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Finder<'_>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (sender, receiver) = oneshot::channel();
        let job = move |finder: &mut Finder<'_>| {
            if !sender.is_closed() {
                // The client may go away at any time.
                let _ = sender.send(work(finder));
            }
        };
        self.jobs.send(Box::new(job)).map_err(|_| Refusal::stopped())?;
        receiver.await.map_err(|_| Refusal::stopped())
    }
}

/// Serves `stock` on `port` of 127.0.0.1 (0: any free one) until the process
/// ends. `ready` is called with the address before the first answer. What is
/// enrolled is kept in `file` if there is one. Searches run on the calling
/// thread and on rayon's current pool.
///
/// # Errors
/// [`ServeError`] when serving cannot begin.
pub fn serve(
    stock: &Stock,
    port: u16,
    file: Option<PathBuf>,
    limits: Limits,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let mut room = Room::default();
    let mut finder = Finder::new(stock, &mut room, limits.enrolled, file)?;
    let listen = |cause| ServeError::Listen { port, cause };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (sender, jobs) = mpsc::channel::<Job>();
    let context = Context {
        limits,
        port: address.port(),
        jobs: sender,
        uploads: Arc::new(Semaphore::new(limits.uploads_bytes.div_ceil(upload::UNIT))),
        start: start_stamp(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(ServeError::Thread)?;
    thread::Builder::new()
        .name("http".into())
        .spawn(move || runtime.block_on(connection::accept(listener, Arc::new(context))))
        .map_err(ServeError::Thread)?;
    ready(address);
    for job in jobs {
        job(&mut finder);
    }
    Ok(())
}

/// The time of the start, in hexadecimal.
fn start_stamp() -> String {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{:x}", since.as_nanos())
}
