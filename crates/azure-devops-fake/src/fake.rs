//! The running fake: its address, its connections, and its record of requests.

pub(crate) mod faults;
mod people;
mod setup;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::exchange;
use crate::versions::Server;
use crate::world::{Org, Seen, World};

/// Timeout of [`FakeAzure::late_requests_end`].
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Pause after a failure to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Fake of Azure DevOps that runs until it is dropped.
///
/// # Panics
/// Methods that name an organisation, a member, a project, a team, a work item or a type panic if it does not
/// exist, because the caller made a mistake.
#[derive(Debug)]
pub struct FakeAzure {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<Infallible>,
}

/// State shared by all connections.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    world: Mutex<World>,
    /// Number of requests in flight.
    pub(crate) busy: AtomicUsize,
    /// Number of requests that wait before they are executed; their clients may have disconnected.
    pub(crate) late: AtomicUsize,
}

impl Shared {
    /// Locks the state. A panic of another thread leaves the state usable, because no change is left
    /// half-done.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeAzure {
    /// Starts a fake without organisations on this address.
    ///
    /// # Errors
    /// Returns an error if the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Starts a fake without organisations on a free port of loopback.
    ///
    /// # Panics
    /// Panics if loopback has no free port.
    pub async fn start() -> Self {
        match Self::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await {
            Ok(fake) => fake,
            Err(error) => panic!("loopback has no free port: {error}"),
        }
    }

    /// Starts a fake with one organisation, `contoso`.
    ///
    /// # Panics
    /// Panics if loopback has no free port.
    pub async fn contoso() -> Self {
        let fake = Self::start().await;
        fake.organization("contoso");
        fake
    }

    /// Returns the address of the fake; the first segment of a path is the organisation.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the environment variables with which the service uses this fake; `default` is the default
    /// organisation.
    #[must_use]
    pub fn variables(&self, default: &str) -> HashMap<&'static str, String> {
        let address = self.address;
        let mut variables = HashMap::from([
            ("AUTH_ENABLED", "true".to_owned()),
            ("AZURE_DEVOPS_ORG_URL", format!("http://{address}/{default}")),
        ]);
        // A server that is not hosted serves identities itself.
        if self.shared.world().server == Server::Hosted {
            variables.insert("AZURE_DEVOPS_IDENTITY_URL", format!("http://{address}/vssps"));
        }
        variables
    }

    /// Returns all requests so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.world().seen.clone()
    }

    /// Returns the number of requests of this operation.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        let world = self.shared.world();
        let seen = world.seen.iter();
        seen.filter(|seen| seen.operation == operation).count()
    }

    /// Returns and clears all requests so far, in order.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.world().seen)
    }

    /// Clears the recorded requests.
    pub fn forget_requests(&self) {
        self.shared.world().seen.clear();
    }

    /// Returns the token of each request for the API versions so far, in order; `None` stands for no token.
    #[must_use]
    pub fn version_questions(&self) -> Vec<Option<String>> {
        self.shared.world().version_questions.clone()
    }

    /// Returns the number of requests in flight.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.shared.busy.load(Ordering::SeqCst)
    }

    /// Waits until no delayed request is pending ([`Fault::Late`](crate::Fault::Late)).
    ///
    /// # Panics
    /// Panics after half a minute.
    pub async fn late_requests_end(&self) {
        let deadline = Instant::now() + LONGEST_WAIT;
        while self.shared.late.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < deadline, "requests are late for ever");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn with_org<T>(&self, name: &str, edit: impl FnOnce(&mut Org) -> T) -> T {
        match self.shared.world().orgs.get_mut(name) {
            Some(org) => edit(org),
            None => panic!("no organisation is called {name}"),
        }
    }
}

impl Drop for FakeAzure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| exchange::handle(Arc::clone(&shared), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
