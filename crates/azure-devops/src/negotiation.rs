//! Versions of a host: asked for once, shared by all its organisations, kept for an hour.
//!
//! A host is asked without a credential first: a made-up token must not decide what is known of it. Where it
//! turns such a question away, the credential of a proved caller signs the second one. A call never fails
//! because its host did not tell its versions; the wanted ones are assumed then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::sync::OnceCell;

use super::error::Error;
use super::versions::Versions;
use crate::metrics;

/// Life of what a host told.
const KEPT: Duration = Duration::from_hours(1);
/// Pause before a host that did not tell is asked again.
const RETRY: Duration = Duration::from_mins(1);

static ASSUMED: LazyLock<Arc<Versions>> = LazyLock::new(|| Arc::new(Versions::assumed()));

/// The hosts of all organisations, by their address without the organisation.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Arc<HostVersions>>>);

impl Hosts {
    /// The host of an organisation with this base address.
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

/// How a question for the versions ended.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// The list.
    Versions(Arc<Versions>),
    /// The host wants a credential, or another one.
    Refused,
    /// No list came.
    Failed(&'static str),
    /// The question was not sent, so nothing is known.
    NotAsked,
}

impl Told {
    /// What a failed question says of the host.
    pub(super) fn of_error(error: &Error) -> Self {
        match error {
            Error::InvalidCredential { .. } | Error::Forbidden => Self::Refused,
            error if !error.was_sent() => Self::NotAsked,
            error => Self::Failed(error.kind()),
        }
    }
}

/// Versions as they are known, and until when.
#[derive(Debug)]
struct Known {
    versions: Arc<Versions>,
    until: Instant,
    /// Set by the call that asks anew, so that others do not.
    refreshing: AtomicBool,
}

impl Known {
    fn new(versions: Arc<Versions>, life: Duration) -> Arc<Self> {
        Arc::new(Self {
            versions,
            until: Instant::now() + life,
            refreshing: AtomicBool::new(false),
        })
    }
}

/// A question in flight; its callers share the answer.
type Flight = Arc<OnceCell<Told>>;

/// What one host speaks.
#[derive(Debug)]
pub(super) struct HostVersions {
    server: String,
    known: RwLock<Option<Arc<Known>>>,
    /// One without and one with a credential.
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

    /// Name of the host.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// The versions, where they are known or assumed already.
    pub(super) fn current(&self) -> Option<Arc<Versions>> {
        Some(Arc::clone(&self.read()?.versions))
    }

    /// The same; without any yet, the wanted ones.
    pub(super) fn current_or_assumed(&self) -> Arc<Versions> {
        self.current().unwrap_or_else(|| Arc::clone(&ASSUMED))
    }

    /// Whether this call should ask anew. Returns `true` once for each time that the versions expire.
    pub(super) fn take_refresh(&self) -> bool {
        let known = self.read();
        known.is_some_and(|known| {
            known.until <= Instant::now() && !known.refreshing.swap(true, Ordering::Relaxed)
        })
    }

    /// Ends a refresh that brought nothing: the old versions are good for another minute.
    pub(super) fn end_refresh(&self) {
        let mut known = self.write();
        if let Some(old) = known.as_ref().filter(|known| known.until <= Instant::now()) {
            *known = Some(Known::new(Arc::clone(&old.versions), RETRY));
        }
    }

    /// Forgets `versions`, which the host has just refused, unless others are known by now.
    pub(super) fn forget(&self, versions: &Arc<Versions>) {
        let mut known = self.write();
        if known
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(&known.versions, versions))
        {
            *known = None;
        }
    }

    /// Whether a question without a credential was turned away.
    pub(super) fn wants_credential(&self) -> bool {
        self.wants_credential.load(Ordering::Relaxed)
    }

    /// Asks by `ask`, or joins the question of the same kind that is in flight, and keeps what comes.
    pub(super) async fn find_out(&self, signed: bool, ask: impl Future<Output = Told>) -> Told {
        let flight = Arc::clone(&self.flight(signed));
        let told = flight.get_or_init(|| ask).await.clone();
        let mut current = self.flight(signed);
        if Arc::ptr_eq(&current, &flight) {
            *current = Flight::default();
            self.keep(&told, signed);
        }
        told
    }

    fn keep(&self, told: &Told, signed: bool) {
        match told {
            Told::Versions(versions) => self.learn(versions),
            Told::Refused if !signed => self.wants_credential.store(true, Ordering::Relaxed),
            Told::Refused => self.do_without("refused"),
            Told::Failed(reason) => self.do_without(reason),
            Told::NotAsked => {}
        }
    }

    fn learn(&self, versions: &Arc<Versions>) {
        let mut known = self.write();
        let before = known.as_ref().and_then(|known| known.versions.server());
        *known = Some(Known::new(Arc::clone(versions), KEPT));
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

    /// Keeps what is known, or else assumes the wanted versions, for a minute.
    fn do_without(&self, reason: &str) {
        let mut known = self.write();
        let assumed = known.is_none();
        let versions = known.as_ref().map_or(&*ASSUMED, |known| &known.versions);
        *known = Some(Known::new(Arc::clone(versions), RETRY));
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
    fn read(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Option<Arc<Known>>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
