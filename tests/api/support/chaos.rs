//! A TCP proxy between the service and its database that does what networks do: delays, trickles, swallows,
//! resets, refuses. It knows nothing of PostgreSQL's protocol.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What the network does to everything that arrives from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// Each piece that the database sends arrives so much later.
    Latency(Duration),
    /// What the database sends arrives so many bytes at a time, with so long a pause after each.
    Slicer(usize, Duration),
    /// Everything is accepted and nothing arrives. A connection that lost something so is lost for good; a
    /// client that holds one is never told.
    BlackHole,
    /// The port is closed, and open connections are reset.
    Refuse,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToDatabase,
    FromDatabase,
}

/// The proxy; it ends with the value.
pub struct Chaos {
    address: SocketAddr,
    url: String,
    shared: Arc<Shared>,
    /// Keeps the port ours while it is closed.
    _port: TcpSocket,
}

struct Shared {
    server: Server,
    state: Mutex<State>,
}

/// Where the database listens.
enum Server {
    Unix(PathBuf),
    /// A pooler does.
    Tcp(String, u16),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct State {
    toxic: Option<Toxic>,
    /// Bytes sent so far, each way.
    sent: [u64; 2],
    /// After how many more bytes a connection is reset, once.
    reset: Option<(Direction, u64)>,
    /// Ends the listener and every connection.
    cut: CancellationToken,
}

/// How the proxying of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

impl Chaos {
    /// In front of the server of the database at `url`.
    pub fn before(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let server = match options.get_socket() {
            Some(folder) => Server::Unix(folder.join(format!(".s.PGSQL.{}", options.get_port()))),
            None => Server::Tcp(options.get_host().to_owned(), options.get_port()),
        };
        let port = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = port.local_addr().unwrap();
        let (login, _) = url.rsplit_once('@').expect("credentials");
        let database = options.get_database().expect("a name");
        let proxy = Self {
            address,
            url: format!("{login}@{address}/{database}?sslmode=disable"),
            shared: Arc::new(Shared {
                server,
                state: Mutex::new(State {
                    toxic: None,
                    sent: [0; 2],
                    reset: None,
                    cut: CancellationToken::new(),
                }),
            }),
            _port: port,
        };
        proxy.listen();
        proxy
    }

    /// The database through the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on.
    pub fn set(&self, toxic: Toxic) {
        let mut state = self.shared.state();
        state.toxic = Some(toxic);
        if toxic == Toxic::Refuse {
            state.cut.cancel();
        }
    }

    /// The network is well again.
    pub fn heal(&self) {
        let refused = {
            let mut state = self.shared.state();
            state.reset = None;
            state.toxic.take() == Some(Toxic::Refuse)
        };
        if refused {
            self.shared.state().cut = CancellationToken::new();
            self.listen();
        }
    }

    /// Lets so many more bytes through in that direction, over all connections, and resets the connection
    /// that sends another one.
    pub fn reset_after(&self, direction: Direction, bytes: u64) {
        self.shared.state().reset = Some((direction, bytes));
    }

    /// How many bytes went that way so far.
    pub fn sent(&self, direction: Direction) -> u64 {
        self.shared.state().sent[direction as usize]
    }

    fn listen(&self) {
        let listener = socket(self.address).listen(1_024).unwrap();
        let (shared, cut) = (Arc::clone(&self.shared), self.shared.state().cut.clone());
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let accepting = async {
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    while connections.try_join_next().is_some() {}
                    connections.spawn(proxy(client, Arc::clone(&shared), cut.clone()));
                }
            };
            cut.run_until_cancelled(accepting).await;
            drop(listener);
            connections.join_all().await;
        });
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.shared.state().cut.cancel();
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A socket at the address, which others of ours may have, too; only one of them listens.
fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

impl Server {
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn toxic(&self) -> Option<Toxic> {
        self.state().toxic
    }

    /// How many of these bytes may go on before the connection is reset; all of them if it is not.
    fn allow(&self, direction: Direction, bytes: usize) -> (usize, Option<End>) {
        let mut state = self.state();
        let mut allowed = (bytes, None);
        if let Some((of, left)) = state.reset.filter(|(of, _)| *of == direction) {
            let few = usize::try_from(left).unwrap_or(usize::MAX);
            if few < bytes {
                state.reset = None;
                allowed = (few, Some(End::Reset));
            } else {
                state.reset = Some((of, left - bytes as u64));
            }
        }
        state.sent[direction as usize] += allowed.0 as u64;
        allowed
    }
}

/// One connection of the service, to its end.
async fn proxy(mut client: TcpStream, shared: Arc<Shared>, cut: CancellationToken) {
    client.set_nodelay(true).unwrap();
    // Shared by both ways: what one of them lost, the other cannot answer.
    let lost = AtomicBool::new(shared.toxic() == Some(Toxic::BlackHole));
    let forwarding = async {
        if lost.load(Ordering::Relaxed) {
            // Until the client gives up.
            let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
            return End::Closed;
        }
        let Ok(server) = shared.server.connect().await else {
            return End::Reset;
        };
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = tokio::io::split(server);
        tokio::select! {
            end = forward(from_client, to_server, Direction::ToDatabase, &shared, &lost) => end,
            end = forward(from_server, to_client, Direction::FromDatabase, &shared, &lost) => end,
        }
    };
    let end = cut.run_until_cancelled(forwarding).await.unwrap_or(End::Reset);
    if end == End::Reset {
        // The client may have been quicker.
        let _ = client.set_zero_linger();
    }
}

/// Forwards until one side is gone or the connection shall be reset.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    shared: &Shared,
    lost: &AtomicBool,
) -> End {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let read = match from.read(&mut buffer).await {
            // The database gave up on a client that it cannot tell.
            Ok(0) | Err(_) if direction == Direction::FromDatabase && lost.load(Ordering::Relaxed) => {
                std::future::pending().await
            }
            Ok(0) | Err(_) => return End::Closed,
            Ok(read) => read,
        };
        let toxic = shared.toxic();
        if toxic == Some(Toxic::BlackHole) {
            lost.store(true, Ordering::Relaxed);
        }
        if lost.load(Ordering::Relaxed) {
            continue;
        }
        let (allowed, end) = shared.allow(direction, read);
        let mut rest = &buffer[..allowed];
        if direction == Direction::FromDatabase {
            match toxic {
                Some(Toxic::Latency(delay)) => tokio::time::sleep(delay).await,
                Some(Toxic::Slicer(size, pause)) => {
                    // Only as long as the network is ill.
                    while rest.len() > size && shared.toxic() == toxic {
                        if to.write_all(&rest[..size]).await.is_err() {
                            return End::Closed;
                        }
                        rest = &rest[size..];
                        tokio::time::sleep(pause).await;
                    }
                }
                _ => {}
            }
        }
        if to.write_all(rest).await.is_err() {
            return End::Closed;
        }
        if let Some(end) = end {
            return end;
        }
    }
}
