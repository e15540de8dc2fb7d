//! Ends a connection whose client does not read its response.
//!
//! Without this timeout such a client would occupy a connection and kernel buffers indefinitely, because no
//! other timeout runs while a response is being written.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Maximum number of unsent bytes in the kernel's buffer. The kernel becomes writable again when half of them
/// are sent.
///
/// Without this limit the kernel becomes writable only when a third of its buffer is free, and the buffer
/// grows to 4 MB. A slow client would then read for minutes before its progress could be detected.
const UNSENT_BYTES: u32 = 32 << 10;

/// A connection on which each write must make progress within `patience`.
#[derive(Debug)]
pub struct WriteDeadline {
    stream: TcpStream,
    patience: Duration,
    /// Timer that runs while the kernel accepts no bytes.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl WriteDeadline {
    /// Wraps a connection whose writes may stall for `patience`.
    #[must_use]
    pub fn new(stream: TcpStream, patience: Duration) -> Self {
        if let Err(error) = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES) {
            tracing::debug!(%error, "cannot set TCP_NOTSENT_LOWAT");
        }
        Self {
            stream,
            patience,
            stalled: None,
        }
    }

    /// Returns the result of a write, or ends the connection if the write has made no progress for
    /// `patience`.
    fn within_patience(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        // A reset discards the kernel's pending bytes; an orderly close would hold them for minutes.
        self.stream.set_zero_linger()?;
        let message = "the client did not read its answer";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl AsyncRead for WriteDeadline {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for WriteDeadline {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.within_patience(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.within_patience(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
