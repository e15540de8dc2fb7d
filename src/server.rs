//! Accepts connections and stops without dropping one.
//!
//! Not `axum::serve`: that has no deadline for the head of a request, so slow senders would hold sockets for
//! ever.

mod addresses;
mod write_deadline;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::config::HttpConfig;
use crate::lifecycle::Draining;
use addresses::{Addresses, ConnectionSlot};
use write_deadline::WriteDeadline;

/// Pause after a failed accept: the process is out of file descriptors, and only time frees some.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Connections that may wait to be accepted; the kernel takes no more than `net.core.somaxconn`, which is as
/// much on Linux. With the 128 that `TcpListener::bind` asks for, a burst of clients waits for its handshakes
/// to be sent again, a second or more.
const BACKLOG: u32 = 4_096;

/// Most bytes that a connection holds of what its client sends, and so the longest head of a request. Access
/// tokens of Entra have up to 16 KiB; hyper's own bound is 400 KiB, which a hundred clients turn into 40 MB.
const READ_AHEAD: usize = 64 << 10;

/// Listens for the connections that [`serve`] takes.
///
/// # Errors
/// When the address is taken, or not one of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Or a restart would have to wait for the last connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How the server treats connections.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Deadline for the head of a request, and life of an idle connection.
    pub header_read_timeout: Duration,
    /// How long an answer may wait for its client to take more of it.
    pub write_timeout: Duration,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most of them from one address.
    pub max_connections_per_address: usize,
    /// Networks whose addresses may hold any number.
    pub trusted_proxies: Vec<IpNet>,
    /// How long readiness is red before the listener closes.
    pub shutdown_delay: Duration,
    /// How long running requests may go on after that.
    pub shutdown_timeout: Duration,
}

impl From<&HttpConfig> for ServerOptions {
    fn from(config: &HttpConfig) -> Self {
        Self {
            header_read_timeout: config.header_read_timeout,
            write_timeout: config.write_timeout,
            max_connections: config.max_connections,
            max_connections_per_address: config.max_connections_per_address,
            trusted_proxies: config.trusted_proxies.clone(),
            shutdown_delay: config.shutdown_delay,
            shutdown_timeout: config.shutdown_timeout,
        }
    }
}

/// Service that answers requests and is always ready.
pub trait AppService:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> AppService for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// Serves until `stop` is cancelled, then drains: readiness turns red, after the delay the listener closes,
/// and running requests finish within the timeout. Returns how many connections had to be cut.
pub async fn serve(
    listener: TcpListener,
    service: impl AppService,
    options: ServerOptions,
    draining: Draining,
    stop: CancellationToken,
) -> usize {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let acceptor = Acceptor::new(service, &options);
    let close_listener = async {
        stop.cancelled().await;
        draining.begin();
        tokio::time::sleep(options.shutdown_delay).await;
    };
    tokio::pin!(close_listener);
    loop {
        tokio::select! {
            biased;
            () = &mut close_listener => break,
            // Collects ended connections, or their results would pile up.
            Some(_) = connections.join_next() => {}
            accepted = acceptor.accept(&listener) => {
                connections.spawn(acceptor.connection(accepted, graceful.watcher()));
            }
        }
    }
    // Clients in the queue were told that they are connected; closing the listener would reset them.
    for waiting in acceptor.accept_waiting(&listener).await {
        connections.spawn(acceptor.connection(waiting, graceful.watcher()));
    }
    drop(listener);
    if tokio::time::timeout(options.shutdown_timeout, graceful.shutdown())
        .await
        .is_ok()
    {
        return 0;
    }
    while connections.try_join_next().is_some() {}
    let cut = connections.len();
    tracing::warn!(cut, "shutdown timeout: requests in flight aborted");
    connections.shutdown().await;
    cut
}

struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    /// Held for as long as the connection is open.
    held: (OwnedSemaphorePermit, ConnectionSlot),
}

struct Acceptor<S> {
    service: S,
    header_read_timeout: Duration,
    write_timeout: Duration,
    slots: Arc<Semaphore>,
    addresses: Arc<Addresses>,
}

impl<S: AppService> Acceptor<S> {
    fn new(service: S, options: &ServerOptions) -> Self {
        Self {
            service,
            header_read_timeout: options.header_read_timeout,
            write_timeout: options.write_timeout,
            slots: Arc::new(Semaphore::new(options.max_connections)),
            addresses: Addresses::new(options.max_connections_per_address, &options.trusted_proxies),
        }
    }

    /// The next connection, once there is room for it. A refused one takes no room: the slot waits on.
    async fn accept(&self, listener: &TcpListener) -> Accepted {
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
            // The semaphore is never closed.
            std::future::pending().await
        };
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some((stream, connection_slot)) = self.admit(stream, peer) {
                        let held = (slot, connection_slot);
                        return Accepted { stream, peer, held };
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    /// The connections that already wait in the listener's queue. An address that is refused again and again
    /// must not delay the shutdown, so no more are looked at than the queue holds.
    async fn accept_waiting(&self, listener: &TcpListener) -> Vec<Accepted> {
        let mut waiting = Vec::new();
        for _ in 0..BACKLOG {
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
                break;
            };
            let accepted = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
            let Ok(Ok((stream, peer))) = accepted else { break };
            if let Some((stream, connection_slot)) = self.admit(stream, peer) {
                let held = (slot, connection_slot);
                waiting.push(Accepted { stream, peer, held });
            }
        }
        waiting
    }

    /// Returns the connection with a slot among those of its address; resets it if none is left.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> Option<(TcpStream, ConnectionSlot)> {
        let Some(connection_slot) = self.addresses.admit(peer.ip()) else {
            // A reset leaves nothing behind in the kernel, which an orderly end would.
            if let Err(error) = stream.set_zero_linger() {
                tracing::debug!(%error, "cannot set SO_LINGER");
            }
            return None;
        };
        Some((stream, connection_slot))
    }

    /// Serves one connection to its end.
    fn connection(&self, accepted: Accepted, watcher: Watcher) -> impl Future<Output = ()> + Send + use<S> {
        let Accepted { stream, peer, held } = accepted;
        // Answers are written whole; waiting for more to send would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let stream = WriteDeadline::new(stream, self.write_timeout);
        let service = self.service.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            service.clone().call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .max_buf_size(READ_AHEAD)
            .header_read_timeout(self.header_read_timeout)
            .serve_connection(TokioIo::new(stream), service);
        let connection = watcher.watch(connection);
        async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "connection closed with an error");
            }
            drop(held);
        }
    }
}
