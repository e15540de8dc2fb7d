//! Accepts connections and shuts down without dropping requests.
//!
//! `axum::serve` is not used, because it has no timeout for the head of a request: slow senders would hold
//! sockets indefinitely.

mod addresses;

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
use aponta_runtime::write_deadline::WriteDeadline;

/// Pause after a failed accept: usually the process is out of file descriptors, which become free only with
/// time.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Length of the accept queue; the kernel limits it to `net.core.somaxconn`, which has the same value on
/// Linux. With the 128 of `TcpListener::bind`, a burst of clients waits a second or more for handshakes to be
/// retransmitted.
const BACKLOG: u32 = 4_096;

/// Maximum read buffer of a connection in bytes, and therefore of the head of a request. Access tokens of
/// Entra have up to 16 KiB; hyper's own limit is 400 KiB, which amounts to 40 MB for a hundred clients.
const READ_AHEAD: usize = 64 << 10;

/// Listens for connections that [`serve`] accepts.
///
/// # Errors
/// When the address is in use, or does not belong to this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Otherwise a restart would have to wait for the last connections of the previous process.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Options of the server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Timeout of a request's head, and lifetime of an idle connection.
    pub header_read_timeout: Duration,
    /// Timeout of a write to a client that does not read the response.
    pub write_timeout: Duration,
    /// Maximum number of connections.
    pub max_connections: usize,
    /// Maximum number of connections per address.
    pub max_connections_per_address: usize,
    /// Networks without a limit per address.
    pub trusted_proxies: Vec<IpNet>,
    /// Time between failing readiness and closing the listener.
    pub shutdown_delay: Duration,
    /// Maximum time for requests in flight after the listener closed.
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

/// Serves until `stop` is cancelled, then drains: readiness fails, the listener closes after the delay, and
/// requests in flight finish within the timeout. Returns the number of connections that had to be cut.
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
            // Removes finished connections, whose results would accumulate otherwise.
            Some(_) = connections.join_next() => {}
            accepted = acceptor.accept(&listener) => {
                connections.spawn(acceptor.connection(accepted, graceful.watcher()));
            }
        }
    }
    // Clients in the queue are already connected; closing the listener would reset their connections.
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
    /// Permits, held while the connection is open.
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

    /// Accepts the next connection once a slot is free. A refused connection does not consume the slot.
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

    /// Accepts the connections in the listener's queue. Accepts at most as many as the queue holds, so that
    /// an address with repeatedly refused connections cannot delay the shutdown.
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
            // A reset leaves no state in the kernel, unlike an orderly close.
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
        // Responses are written completely; waiting for more data would only delay them.
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
            // A client that closes its writing side after the request waits for the answer. A client that is
            // gone looks the same, so that its request runs to the end as well.
            .half_close(true)
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
