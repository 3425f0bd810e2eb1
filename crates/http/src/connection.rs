//! Connections: so many at once, each with so many bytes and so much time until it has its answer.
//!
//! hyper's own limits are for larger servers: it takes a request of 400 KiB, and waits for it for ever.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tokio_openssl::SslStream;

use crate::limits::Limits;
use crate::tls::Tls;

/// How long shaking hands may take: whoever does not begin holds a place that others wait for.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Accepts connections while there is room for them.
pub(crate) struct BoundedListener {
    listener: TcpListener,
    room: Arc<Semaphore>,
    limits: Limits,
    tls: Option<Tls>,
}

impl BoundedListener {
    pub fn new(listener: TcpListener, limits: Limits, tls: Option<Tls>) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(limits.connections_max)), limits, tls }
    }
}

impl Listener for BoundedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Nobody closes the semaphore.
        let place = Arc::clone(&self.room).acquire_owned().await.ok();
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            match Stream::new(stream, self.tls.as_ref()) {
                Ok(stream) => return (Connection::new(stream, place, self.limits), address),
                Err(error) => tracing::warn!(%error, "a connection over TLS cannot be begun"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What bytes go over.
enum Stream {
    Plain(TcpStream),
    Tls(Pin<Box<SslStream<TcpStream>>>),
}

impl Stream {
    fn new(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        Ok(match tls {
            None => Self::Plain(stream),
            Some(tls) => Self::Tls(Box::pin(tls.on(stream)?)),
        })
    }

    fn reading(&mut self) -> Pin<&mut dyn AsyncRead> {
        match self {
            Self::Plain(stream) => Pin::<&mut TcpStream>::new(stream),
            Self::Tls(stream) => stream.as_mut(),
        }
    }

    fn has_shaken_hands(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(stream) => stream.ssl().is_init_finished(),
        }
    }

    fn writing(&mut self) -> Pin<&mut dyn AsyncWrite> {
        match self {
            Self::Plain(stream) => Pin::<&mut TcpStream>::new(stream),
            Self::Tls(stream) => stream.as_mut(),
        }
    }
}

/// A connection that ends when its request is too long, or takes too long.
pub(crate) struct Connection {
    stream: Stream,
    limits: Limits,
    /// Bytes that came since the last answer.
    unanswered: usize,
    /// Over TLS, until hands are shaken.
    is_new: bool,
    deadline: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: Stream, place: Option<OwnedSemaphorePermit>, limits: Limits) -> Self {
        let is_new = !stream.has_shaken_hands();
        let patience = if is_new { limits.patience.min(HANDSHAKE_PATIENCE) } else { limits.patience };
        Self { stream, limits, unanswered: 0, is_new, deadline: Box::pin(sleep(patience)), _place: place }
    }

    /// Some of an answer went out: time and bytes begin anew. That something came in does not count, or a client could
    /// hold its place by a byte now and then.
    fn answered(&mut self) {
        self.unanswered = 0;
        self.deadline.as_mut().reset(Instant::now() + self.limits.patience);
    }

    /// Nothing can be done now; is it too late?
    fn waits<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deadline.is_elapsed() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = self.stream.reading().poll_read(context, buffer);
        if self.is_new && self.stream.has_shaken_hands() {
            self.is_new = false;
            self.answered();
        }
        match read {
            Poll::Pending => self.waits(context),
            Poll::Ready(Ok(())) => {
                self.unanswered += buffer.filled().len().saturating_sub(before);
                if self.unanswered > self.limits.request_bytes_max {
                    return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
                }
                Poll::Ready(Ok(()))
            }
            error @ Poll::Ready(Err(_)) => error,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.stream.writing().poll_write(context, bytes) {
            Poll::Pending => self.waits(context),
            Poll::Ready(Ok(count)) => {
                self.answered();
                Poll::Ready(Ok(count))
            }
            error @ Poll::Ready(Err(_)) => error,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.stream.writing().poll_write_vectored(context, buffers) {
            Poll::Pending => self.waits(context),
            Poll::Ready(Ok(count)) => {
                self.answered();
                Poll::Ready(Ok(count))
            }
            error @ Poll::Ready(Err(_)) => error,
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.stream, Stream::Plain(_))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stream.writing().poll_flush(context) {
            Poll::Pending => self.waits(context),
            flushed @ Poll::Ready(_) => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stream.writing().poll_shutdown(context) {
            Poll::Pending => self.waits(context),
            shut @ Poll::Ready(_) => shut,
        }
    }
}
