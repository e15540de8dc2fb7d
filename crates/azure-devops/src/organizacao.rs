//! Client of one organisation: its addresses and the sending of calls. The calls themselves are in one file
//! per area.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use reqwest::Url;
use serde_json::Value;

use super::absent_fields::AbsentFields;
use super::credential::Credential;
use super::error::Error;
use super::negotiation::HostVersions;
use super::operation::{self, Host, Operation};
use super::response::ApiResponse;
use super::transport::{Body, Call, Transport};
use aponta_domain::organizacao::NomeOrganizacao;

/// Client of one organisation. Clones share limits, circuit breakers and connections.
#[derive(Clone)]
pub struct Organizacao {
    pub(super) shared: Arc<Inner>,
    pub(super) patience: Patience,
}

pub(super) struct Inner {
    nome: NomeOrganizacao,
    base_url: Url,
    identity_url: Url,
    pub(super) transport: Transport,
    /// Versions of the two hosts, in the order of [`Host`].
    pub(super) versions: [Arc<HostVersions>; 2],
    /// Result of the last probe.
    reachable: AtomicBool,
    absent_fields: AbsentFields,
}

/// Class of a call, which sets its timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Patience {
    /// Timeout for calls that a user waits for.
    Foreground,
    /// Timeout that covers the delay of an identity that sends too many requests.
    Background,
}

impl Organizacao {
    pub(super) fn new(
        nome: NomeOrganizacao,
        [base_url, identity_url]: [Url; 2],
        transport: Transport,
        versions: [Arc<HostVersions>; 2],
    ) -> Self {
        let shared = Arc::new(Inner {
            nome,
            base_url,
            identity_url,
            transport,
            versions,
            reachable: AtomicBool::new(true),
            absent_fields: AbsentFields::default(),
        });
        Self {
            shared,
            patience: Patience::Foreground,
        }
    }

    /// Returns a client of the same organisation for background work, in which a call delayed by Azure DevOps
    /// does not time out.
    #[must_use]
    pub fn patient(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            patience: Patience::Background,
        }
    }

    /// Returns `true` if the client is for background work.
    #[must_use]
    pub fn is_patient(&self) -> bool {
        self.patience == Patience::Background
    }

    /// Returns the name of the organisation.
    #[must_use]
    pub fn nome(&self) -> &NomeOrganizacao {
        &self.shared.nome
    }

    /// Returns the cache of the absent fields of the collection.
    pub(super) fn known_fields(&self) -> &AbsentFields {
        &self.shared.absent_fields
    }

    /// Returns `true` if the organisation responded to the last probe and the circuit breakers of its hosts
    /// are closed.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.shared.reachable.load(Ordering::Relaxed) && self.open_breakers() == 0
    }

    /// Returns the number of hosts whose circuit breaker is not closed.
    #[must_use]
    pub fn open_breakers(&self) -> usize {
        self.shared.transport.admission.open_hosts()
    }

    /// Returns the number of circuit breakers of single identities that are not closed.
    #[must_use]
    pub fn open_lanes(&self) -> usize {
        self.shared.transport.admission.open_lanes()
    }

    /// Checks without a credential whether the organisation responds, and stores the result for
    /// [`is_healthy`](Self::is_healthy). The PAT signs the request for the API versions if the host requires
    /// a credential.
    pub async fn probe(&self, pat: Option<&Credential>) {
        self.find_versions(Host::Api, pat).await;
        let operation = &operation::PROBE;
        let url = self.url(Host::Api, &["_apis", "connectionData"], &[]);
        let outcome = self.send(operation, Host::Api, url, None, None).await;
        let reachable = match &outcome {
            Err(error) => !error.is_outage(),
            Ok(_) => true,
        };
        self.shared.reachable.store(reachable, Ordering::Relaxed);
    }

    /// Sends a `GET` to the address made of `segments`, each percent-encoded.
    pub(super) async fn get(
        &self,
        operation: &'static Operation,
        host: Host,
        segments: &[&str],
        query: &[(&str, &str)],
        credential: &Credential,
    ) -> Result<ApiResponse, Error> {
        let url = self.url(host, segments, query);
        self.send(operation, host, url, None, Some(credential)).await
    }

    /// Sends a body with the verb of the operation.
    pub(super) async fn send_body(
        &self,
        operation: &'static Operation,
        segments: &[&str],
        body: Body,
        credential: &Credential,
    ) -> Result<ApiResponse, Error> {
        let url = self.url(Host::Api, segments, &[]);
        self.send(operation, Host::Api, url, Some(body), Some(credential))
            .await
    }

    /// Sends a read that needs a body, with query parameters.
    pub(super) async fn send_query(
        &self,
        operation: &'static Operation,
        host: Host,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Body,
        credential: &Credential,
    ) -> Result<ApiResponse, Error> {
        let url = self.url(host, segments, query);
        self.send(operation, host, url, Some(body), Some(credential))
            .await
    }

    /// Sends a call in the version that its host supports. If the host rejects the version, its versions are
    /// requested again and the call is repeated once; a rejected call had no effect.
    async fn send(
        &self,
        operation: &'static Operation,
        host: Host,
        url: Url,
        body: Option<Body>,
        credential: Option<&Credential>,
    ) -> Result<ApiResponse, Error> {
        let call = Call {
            operation,
            host,
            url,
            body: body.as_ref(),
            credential,
            patience: self.patience,
            started: Instant::now(),
        };
        let versions = self.versions_for(&call).await;
        let outcome = self.send_in_version(&call, &versions).await;
        if !outcome.as_ref().is_err_and(Error::is_version_refused) {
            return outcome;
        }
        Box::pin(self.send_again(&call, &versions))
            .await
            .unwrap_or(outcome)
    }

    pub(super) fn url(&self, host: Host, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = match host {
            Host::Api => self.shared.base_url.clone(),
            Host::Identity => self.shared.identity_url.clone(),
        };
        extend(&mut url, segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

/// Appends path segments, percent-encoded; also encodes `.` and `..`, which a URL parser would resolve.
fn extend(url: &mut Url, segments: &[&str]) {
    if let Ok(mut path) = url.path_segments_mut() {
        for segment in segments {
            // URL parsers drop tabs and line ends: left in, `.\t.` would become `..` after the check.
            match segment.replace(['\t', '\n', '\r'], "").as_str() {
                "." => path.push("%2E"),
                ".." => path.push("%2E%2E"),
                other => path.push(other),
            };
        }
    }
}

impl fmt::Debug for Organizacao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Organizacao").field(&self.shared.nome).finish()
    }
}

/// Returns the trimmed text at `pointer`. Returns `None` if there is no text or the text is blank.
pub(super) fn text_at(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use aponta_domain::arbitrary;

    #[test]
    fn segment_cannot_escape_its_position() {
        let path = |segment: &str| {
            let mut url = Url::parse("https://dev.azure.com/contoso").unwrap();
            extend(&mut url, &[segment, "_apis"]);
            url.as_str()
                .strip_prefix("https://dev.azure.com/contoso/")
                .unwrap()
                .to_owned()
        };
        assert_eq!(path("X/../z"), "X%2F..%2Fz/_apis");
        assert_eq!(path("a b?c#d"), "a%20b%3Fc%23d/_apis");
        assert_eq!(path("Ação"), "A%C3%A7%C3%A3o/_apis");
        for dots in [".", "..", ".\t.", "..\n", "\r."] {
            assert!(
                path(dots).ends_with("/_apis") && !path(dots).contains(".."),
                "{}",
                path(dots)
            );
        }
    }

    /// Decodes a percent-encoded text.
    fn decoded(text: &str) -> Vec<u8> {
        let query = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
        let (_, value) = form_urlencoded::parse(query.as_bytes()).next().unwrap();
        value.into_owned().into_bytes()
    }

    proptest! {
        #[test]
        fn any_segment_leaves_host_and_other_segments_unchanged(
            segments in prop::collection::vec(prop_oneof![arbitrary::text(), "[.\t\n\r%2eE]{1,4}"], 1..4),
            base in prop::sample::select(&[
                "https://dev.azure.com/contoso", "http://127.0.0.1:81/tfs/contoso",
            ][..]),
        ) {
            let base = Url::parse(base).unwrap();
            let mut url = base.clone();
            let all: Vec<&str> = segments.iter().map(String::as_str).chain(["_apis"]).collect();
            extend(&mut url, &all);
            prop_assert_eq!((url.scheme(), url.host(), url.port()), (base.scheme(), base.host(), base.port()));
            prop_assert_eq!((url.username(), url.query(), url.fragment()), ("", None, None));
            let rest = url.path().strip_prefix(base.path()).and_then(|rest| rest.strip_prefix('/'));
            let found: Vec<&str> = rest.unwrap_or_default().split('/').collect();
            prop_assert_eq!(found.len(), all.len(), "{}", url);
            for (found, expected) in found.iter().zip(&all) {
                // URLs contain no tabs and line ends.
                let expected = expected.replace(['\t', '\n', '\r'], "");
                if expected != "." && expected != ".." {
                    prop_assert_eq!(decoded(found), expected.into_bytes());
                }
            }
            // Parsing the address again returns the same address.
            prop_assert_eq!(Url::parse(url.as_str()).unwrap(), url);
        }
    }
}
