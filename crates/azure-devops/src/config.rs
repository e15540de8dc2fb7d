//! Organisations that the client knows, and its limits.

use std::time::Duration;

use aponta_domain::organizacao::NomeOrganizacao;
use reqwest::Url;
use secrecy::SecretString;

/// Organisations and limits of the client.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Every configured organisation once; the first one is the default.
    pub organizacoes: Vec<OrganizacaoConfig>,
    /// Where others are, that the vault names.
    pub hosts: Hosts,
    /// Longest wait for a TCP and TLS connection.
    pub connect_timeout: Duration,
    /// Longest call, with all its retries and the wait for its turn.
    pub timeout: Duration,
    /// Longest call of background work. Azure DevOps delays an identity that asks too much by up to 30 s.
    pub background_timeout: Duration,
    /// Largest answer, decompressed.
    pub max_answer_bytes: usize,
    /// Calls at once of one identity to one organisation; those of all identities together are four times as
    /// many.
    pub concurrency: usize,
    /// How long a circuit breaker stays open after several failures in a row.
    pub breaker_open: Duration,
}

/// One organisation.
#[derive(Debug, Clone)]
pub struct OrganizacaoConfig {
    /// Its name.
    pub nome: NomeOrganizacao,
    /// Base of its REST API, without a slash at the end.
    pub base_url: Url,
    /// Base of its identity service, likewise.
    pub identity_url: Url,
    /// The PAT that the service itself uses there.
    pub pat: Option<SecretString>,
}

/// Where organisations are found by name.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// Address above the organisations.
    pub api: Url,
    /// The same for their identities; `None`: a collection on a server of one's own serves them itself.
    pub identity: Option<Url>,
}

impl Hosts {
    /// Returns the organisation of this name.
    #[must_use]
    pub fn organizacao(&self, nome: NomeOrganizacao, pat: Option<SecretString>) -> OrganizacaoConfig {
        let base_url = child(&self.api, nome.as_str());
        let identity_url = match &self.identity {
            Some(host) => child(host, nome.as_str()),
            None => base_url.clone(),
        };
        OrganizacaoConfig {
            nome,
            base_url,
            identity_url,
            pat,
        }
    }
}

fn child(parent: &Url, segment: &str) -> Url {
    let mut url = parent.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(segment);
    }
    url
}
