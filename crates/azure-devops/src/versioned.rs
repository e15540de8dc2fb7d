//! Calls in the API version that their host supports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::negotiation::{HostVersions, Negotiated};
use super::operation::{Host, LIST_VERSIONS};
use super::organizacao::{Organizacao, Patience};
use super::response::ApiResponse;
use super::transport::Call;
use super::versions::{ApiVersion, Location, Offer, Versions};

/// Maximum time for which a call waits for the versions of its host.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

impl Organizacao {
    /// Returns the version of the REST API, at most the wanted one. Returns `None` until the server has
    /// reported it.
    #[must_use]
    pub fn api_version(&self) -> Option<ApiVersion> {
        self.host_versions(Host::Api).current()?.server()
    }

    /// Returns `true` if the server is older than the oldest supported version.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        let versions = self.host_versions(Host::Api).current();
        versions.is_some_and(|versions| versions.is_too_old())
    }

    /// Returns the versions for a call. Cached versions cost no wait; expired ones are refreshed in the
    /// background.
    pub(super) async fn versions_for(&self, call: &Call<'_>) -> Arc<Versions> {
        // An unproved token must not decide the cached versions of the host.
        let credential = call.credential.filter(|_| !call.operation.unproved);
        self.find_versions(call.host, credential).await
    }

    /// Returns the versions of a host outside a call.
    pub(super) async fn find_versions(&self, host: Host, credential: Option<&Credential>) -> Arc<Versions> {
        let known = self.host_versions(host);
        let Some(versions) = known.current() else {
            // Boxed, because most calls do not need this request.
            Box::pin(self.ask_versions(host, credential)).await;
            return known.current_or_assumed();
        };
        if known.take_refresh() {
            let (organizacao, credential) = (self.clone(), credential.cloned());
            tokio::spawn(async move {
                organizacao.ask_versions(host, credential.as_ref()).await;
                organizacao.host_versions(host).end_refresh();
            });
        }
        versions
    }

    /// Repeats a call whose version was rejected, in the version that its host reports now. Returns `None` if
    /// that version is the same.
    pub(super) async fn send_again(
        &self,
        call: &Call<'_>,
        refused: &Arc<Versions>,
    ) -> Option<Result<ApiResponse, Error>> {
        let others = self.other_versions(call, refused).await?;
        Some(self.send_in_version(call, &others).await)
    }

    /// Returns other versions for a call whose version was rejected. Returns `None` if the host still reports
    /// the same one. The credential was accepted, because otherwise the host would not have checked the
    /// version.
    async fn other_versions(&self, call: &Call<'_>, refused: &Arc<Versions>) -> Option<Arc<Versions>> {
        let known = self.host_versions(call.host);
        known.forget(refused);
        let others = self.find_versions(call.host, call.credential).await;
        let resource = call.operation.resource?;
        (others.of(resource) != refused.of(resource)).then_some(others)
    }

    pub(super) async fn send_in_version(
        &self,
        call: &Call<'_>,
        versions: &Versions,
    ) -> Result<ApiResponse, Error> {
        let mut call = call.clone();
        let Some(resource) = call.operation.resource else {
            return self.shared.transport.send(call).await;
        };
        let api_version = versions.api_version(resource)?;
        call.url.query_pairs_mut().append_pair("api-version", api_version);
        match (self.shared.transport.send(call).await, versions.of(resource)) {
            (Err(Error::NotFound), Offer::Unlisted(_)) => Err(Error::NotOffered),
            (outcome, _) => outcome,
        }
    }

    /// Requests the versions of a host, within the time that a call can spare.
    async fn ask_versions(&self, host: Host, credential: Option<&Credential>) {
        let wait = LONGEST_WAIT.min(self.shared.transport.limits.timeout / 4);
        // The request of another call may have begun earlier, or end without a result, after which this call
        // sends its own.
        let _too_late = timeout(wait * 2, self.ask_once_or_twice(host, credential, wait)).await;
    }

    async fn ask_once_or_twice(&self, host: Host, credential: Option<&Credential>, wait: Duration) {
        let known = self.host_versions(host);
        if !known.wants_credential() {
            let negotiated = known.negotiate(false, self.list_versions(host, None, wait)).await;
            if !matches!(negotiated, Negotiated::Refused) {
                return;
            }
        }
        if credential.is_some() {
            known
                .negotiate(true, self.list_versions(host, credential, wait))
                .await;
        }
    }

    async fn list_versions(&self, host: Host, credential: Option<&Credential>, wait: Duration) -> Negotiated {
        if !self.shared.transport.admission.is_closed(host) {
            return Negotiated::NotSent;
        }
        let call = Call {
            operation: &LIST_VERSIONS,
            host,
            url: self.url(host, &["_apis"], &[]),
            body: None,
            credential,
            patience: Patience::Foreground,
            started: Instant::now(),
        };
        let answer = timeout(wait, self.shared.transport.send(call)).await;
        let list = answer
            .unwrap_or(Err(Error::Timeout))
            .and_then(|answer| answer.json::<List<Location>>());
        match list {
            Ok(list) => Versions::read(&list.value.good).map_or(Negotiated::Failed("nonsense"), |versions| {
                Negotiated::Versions(Arc::new(versions))
            }),
            Err(error) => Negotiated::of_error(&error),
        }
    }

    fn host_versions(&self, host: Host) -> &HostVersions {
        let [api, identity] = &self.shared.versions;
        match host {
            Host::Api => api,
            Host::Identity => identity,
        }
    }
}
