//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Context;
use super::reply::Body;
use super::routes;

/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// Bytes that are buffered of a connection, beside its head.
const BUFFER: usize = 32 << 10;
/// How long a connection whose time is over may take to finish its answer.
const FINISH: Duration = Duration::from_secs(5);
/// How long, and how many bytes, a client whose request was refused may go on
/// sending: a connection that is closed while bytes arrive is reset, and the
/// answer is lost with it.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 128 << 20;
/// When the system has no more file handles.
const BREATH: Duration = Duration::from_millis(100);

/// Accepts connections for ever.
pub async fn accept(listener: TcpListener, context: Arc<Context>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener in its runtime");
    let places = Arc::new(Semaphore::new(context.limits.connections));
    loop {
        let place = places.clone().acquire_owned().await.expect("it is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let context = context.clone();
                tokio::spawn(async move {
                    converse(stream, context).await;
                    drop(place);
                });
            }
            Err(_) => sleep(BREATH).await,
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

async fn converse(stream: TcpStream, context: Arc<Context>) {
    let limits = context.limits;
    let service = service_fn(move |request: Request<Incoming>| -> Answer {
        let context = context.clone();
        Box::pin(async move { Ok(routes::answer(&context, request).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(MAX_HEADERS)
        .max_header_size(limits.head_bytes)
        .max_buf_size(BUFFER.max(2 * limits.head_bytes))
        .serve_connection(TokioIo::new(stream), service);
    // Errors are no concern: the client broke off, or sent no HTTP and was told so.
    let talk = poll_fn(|task| connection.poll_without_shutdown(task));
    if timeout(limits.connection_time, talk).await.is_err() {
        Pin::new(&mut connection).graceful_shutdown();
        let talk = poll_fn(|task| connection.poll_without_shutdown(task));
        if timeout(FINISH, talk).await.is_err() {
            return;
        }
    }
    let stream = connection.into_parts().io.into_inner();
    let _ = timeout(LINGER, part(stream)).await;
}

/// Ends the answers, then throws away what the client still sends.
async fn part(mut stream: TcpStream) -> io::Result<()> {
    poll_fn(|task| Pin::new(&mut stream).poll_shutdown(task)).await?;
    let mut rest = LINGER_BYTES;
    let mut bytes = vec![0; BUFFER];
    while rest > 0 {
        stream.readable().await?;
        match stream.try_read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(read) => rest = rest.saturating_sub(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
