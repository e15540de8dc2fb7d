//! Organisations and limits of the client.

use std::time::Duration;

use aponta_domain::organizacao::NomeOrganizacao;
use reqwest::Url;
use secrecy::SecretString;

/// Configuration of the client.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Configured organisations, each once; the first one is the default.
    pub organizacoes: Vec<OrganizacaoConfig>,
    /// Addresses of the organisations that only the vault names.
    pub hosts: Hosts,
    /// Timeout of a TCP and TLS connection.
    pub connect_timeout: Duration,
    /// Timeout of a call, with all its retries and the wait for its permit.
    pub timeout: Duration,
    /// Timeout of a background call. Azure DevOps delays an identity that sends too many requests by up to 30
    /// s.
    pub background_timeout: Duration,
    /// Maximum number of bytes of a decompressed response.
    pub max_answer_bytes: usize,
    /// Maximum number of concurrent calls of one identity to one organisation; the maximum for all identities
    /// together is four times as high.
    pub concurrency: usize,
    /// Time for which a circuit breaker stays open.
    pub breaker_open: Duration,
}

/// Organisation with its addresses.
#[derive(Debug, Clone)]
pub struct OrganizacaoConfig {
    /// Name of the organisation.
    pub nome: NomeOrganizacao,
    /// Base address of the REST API, without a trailing slash.
    pub base_url: Url,
    /// Base address of the identity service, without a trailing slash.
    pub identity_url: Url,
    /// PAT of the service for the organisation.
    pub pat: Option<SecretString>,
}

/// Addresses from which those of an organisation are derived.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// Parent address of the organisations.
    pub api: Url,
    /// Parent address of the identity services; `None` for Azure DevOps Server, whose collections serve
    /// identities themselves.
    pub identity: Option<Url>,
}

impl Hosts {
    /// Returns the configuration of the organisation with this name.
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
