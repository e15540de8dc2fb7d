//! API versions of a host: requested once, shared by all its organisations, cached for an hour.
//!
//! The first request to a host has no credential, because a made-up token must not decide the cached
//! versions. If the host rejects the request, a second one is signed with the credential of a proved caller.
//! A call never fails because its host did not report its versions; the wanted versions are used instead.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::sync::OnceCell;

use super::error::Error;
use super::versions::Versions;
use crate::metrics;

/// Lifetime of the versions that a host reported.
const VERSIONS_TTL: Duration = Duration::from_hours(1);
/// Pause before a host that did not report its versions is queried again.
const RETRY: Duration = Duration::from_mins(1);

static ASSUMED: LazyLock<Arc<Versions>> = LazyLock::new(|| Arc::new(Versions::assumed()));

/// Hosts of all organisations, by their address without the organisation.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Arc<HostVersions>>>);

impl Hosts {
    /// Returns the host of an organisation with this base address.
    pub(super) fn of(&self, base: &Url) -> Arc<HostVersions> {
        let mut host = base.clone();
        if let Ok(mut segments) = host.path_segments_mut() {
            segments.pop();
        }
        let server = base.host_str().unwrap_or_default();
        let mut hosts = lock(&self.0);
        let entry = hosts.entry(host.to_string());
        Arc::clone(entry.or_insert_with(|| Arc::new(HostVersions::new(server))))
    }
}

/// Outcome of a request for the versions.
#[derive(Debug, Clone)]
pub(super) enum Negotiated {
    /// The host reported its versions.
    Versions(Arc<Versions>),
    /// The host requires a credential, or another one.
    Refused,
    /// The host returned no list; contains the kind of the error.
    Failed(&'static str),
    /// The request was not sent.
    NotSent,
}

impl Negotiated {
    /// Maps the error of a failed request.
    pub(super) fn of_error(error: &Error) -> Self {
        match error {
            Error::InvalidCredential { .. } | Error::Forbidden => Self::Refused,
            error if !error.was_sent() => Self::NotSent,
            error => Self::Failed(error.kind()),
        }
    }
}

/// Versions of a host, with their expiry.
#[derive(Debug)]
struct CachedVersions {
    versions: Arc<Versions>,
    until: Instant,
    /// Set by the call that refreshes the versions, so that no other call does.
    refreshing: AtomicBool,
}

impl CachedVersions {
    fn new(versions: Arc<Versions>, life: Duration) -> Arc<Self> {
        Arc::new(Self {
            versions,
            until: Instant::now() + life,
            refreshing: AtomicBool::new(false),
        })
    }
}

/// Request in flight; its callers share the result.
type Flight = Arc<OnceCell<Negotiated>>;

/// Versions of one host.
#[derive(Debug)]
pub(super) struct HostVersions {
    server: String,
    known: RwLock<Option<Arc<CachedVersions>>>,
    /// Requests without and with a credential.
    flights: [Mutex<Flight>; 2],
    wants_credential: AtomicBool,
}

impl HostVersions {
    fn new(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            known: RwLock::default(),
            flights: Default::default(),
            wants_credential: AtomicBool::new(false),
        }
    }

    /// Returns the name of the host.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Returns the cached or assumed versions. Returns `None` before the first request.
    pub(super) fn current(&self) -> Option<Arc<Versions>> {
        Some(Arc::clone(&self.read()?.versions))
    }

    /// Returns the cached versions, or the wanted ones if there are none.
    pub(super) fn current_or_assumed(&self) -> Arc<Versions> {
        self.current().unwrap_or_else(|| Arc::clone(&ASSUMED))
    }

    /// Returns `true` if this call has to refresh the versions: once for each time that they expire.
    pub(super) fn take_refresh(&self) -> bool {
        let known = self.read();
        known.is_some_and(|known| {
            known.until <= Instant::now() && !known.refreshing.swap(true, Ordering::Relaxed)
        })
    }

    /// Ends a refresh without result: the old versions stay valid for another minute.
    pub(super) fn end_refresh(&self) {
        let mut known = self.write();
        if let Some(old) = known.as_ref().filter(|known| known.until <= Instant::now()) {
            *known = Some(CachedVersions::new(Arc::clone(&old.versions), RETRY));
        }
    }

    /// Removes `versions`, which the host has just rejected, unless they have been replaced since.
    pub(super) fn forget(&self, versions: &Arc<Versions>) {
        let mut known = self.write();
        if known
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(&known.versions, versions))
        {
            *known = None;
        }
    }

    /// Returns `true` if the host rejected a request without a credential.
    pub(super) fn wants_credential(&self) -> bool {
        self.wants_credential.load(Ordering::Relaxed)
    }

    /// Sends the request by `ask`, or joins the request of the same kind that is in flight, and caches the
    /// result.
    pub(super) async fn negotiate(&self, signed: bool, ask: impl Future<Output = Negotiated>) -> Negotiated {
        let flight = Arc::clone(&self.flight(signed));
        let negotiated = flight.get_or_init(|| ask).await.clone();
        let mut current = self.flight(signed);
        if Arc::ptr_eq(&current, &flight) {
            *current = Flight::default();
            self.store(&negotiated, signed);
        }
        negotiated
    }

    fn store(&self, negotiated: &Negotiated, signed: bool) {
        match negotiated {
            Negotiated::Versions(versions) => self.set(versions),
            Negotiated::Refused if !signed => self.wants_credential.store(true, Ordering::Relaxed),
            Negotiated::Refused => self.keep_or_assume("refused"),
            Negotiated::Failed(reason) => self.keep_or_assume(reason),
            Negotiated::NotSent => {}
        }
    }

    fn set(&self, versions: &Arc<Versions>) {
        let mut known = self.write();
        let before = known.as_ref().and_then(|known| known.versions.server());
        *known = Some(CachedVersions::new(Arc::clone(versions), VERSIONS_TTL));
        drop(known);
        metrics::upstream_version(&self.server, versions.server().map(super::ApiVersion::as_number));
        if before == versions.server() {
            return;
        }
        let version = versions.server().map(|version| version.to_string());
        let server = self.server();
        if versions.is_too_old() {
            tracing::error!(
                target: target!(),
                server,
                version,
                "unsupported Azure DevOps server: older than Azure DevOps Server 2019.1 (API 5.1)"
            );
        } else {
            tracing::info!(target: target!(), server, version, "Azure DevOps API version negotiated");
        }
    }

    /// Keeps the known versions for another minute, else assumes the wanted ones.
    fn keep_or_assume(&self, reason: &str) {
        let mut known = self.write();
        let assumed = known.is_none();
        let versions = known.as_ref().map_or(&*ASSUMED, |known| &known.versions);
        *known = Some(CachedVersions::new(Arc::clone(versions), RETRY));
        drop(known);
        if assumed {
            metrics::upstream_version(&self.server, None);
            tracing::warn!(
                target: target!(),
                server = self.server,
                reason,
                "cannot negotiate the Azure DevOps API version: assuming the newest"
            );
        }
    }

    fn flight(&self, signed: bool) -> MutexGuard<'_, Flight> {
        lock(&self.flights[usize::from(signed)])
    }

    // Plain values: a panic cannot leave them half-written.
    fn read(&self) -> Option<Arc<CachedVersions>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Option<Arc<CachedVersions>>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
