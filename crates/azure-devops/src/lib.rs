//! Client of Azure DevOps: handles its addresses, API versions and failures. Independent of our tables and of
//! the package `aponta`, which fills its [`config`].
//!
//! Calls are methods of an [`Organizacao`], in one file per area ([`connection`], [`identities`],
//! [`projects`], [`teams`], [`iterations`], [`queries`], [`work_items`], [`work_item_types`], [`scopes`]).
//! `docs/azure-devops.md` states how each failure is reported to callers.

/// Returns the target of log lines: the path of the module as shown by the package `aponta`.
macro_rules! target {
    () => {
        concat!("aponta::", module_path!())
    };
}

mod absent_fields;
mod admission;
mod assignee;
mod breaker;
pub mod config;
pub mod connection;
mod credential;
mod error;
pub mod identities;
pub mod iterations;
mod lanes;
mod lenient;
pub mod metrics;
mod negotiation;
mod operation;
mod organizacao;
mod pages;
pub mod projects;
pub mod queries;
mod response;
mod retry;
pub mod scopes;
pub mod teams;
mod throttle;
mod trace;
mod transport;
mod versioned;
mod versions;
pub mod work_item_types;
pub mod work_items;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aponta_domain::organizacao::NomeOrganizacao;
use aponta_domain::sincronizacao::Origem;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use secrecy::SecretString;

use admission::Admission;
use config::{ClientConfig, OrganizacaoConfig};
use negotiation::Hosts;
use throttle::Throttle;
use transport::{Limits, Transport};

pub use credential::{Credential, Fingerprint, Scheme};
pub use error::{Error, Unavailability};
pub use organizacao::Organizacao;
pub use transport::{CallRecord, Hook};
pub use versions::ApiVersion;

const USER_AGENT: &str = concat!("aponta/", env!("CARGO_PKG_VERSION"));

/// Maximum number of idle connections per host.
const IDLE_CONNECTIONS: usize = 16;

/// Organisation that the service serves, with the service's credential for it.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Client of the organisation.
    pub organizacao: Organizacao,
    /// PAT of the service; never used for a caller without a proved membership.
    pub pat: Option<Credential>,
    /// Origin of the PAT.
    pub origem: Origem,
}

/// All organisations that the service serves: those of the configuration and those of the vault.
#[derive(Clone)]
pub struct AzureDevOps(Arc<Inner>);

struct Inner {
    config: ClientConfig,
    client: Client,
    hook: Hook,
    hosts: Hosts,
    tenants: RwLock<Arc<[Tenant]>>,
}

impl AzureDevOps {
    /// Creates the client without connecting to any server.
    ///
    /// # Errors
    /// Returns an error if the machine has no trusted certificates.
    pub fn new(config: &ClientConfig) -> Result<Self, BuildError> {
        let hook: Hook = Arc::new(note_call);
        Self::with_hook(config, &hook)
    }

    /// Creates the client with a `hook` that receives a record of every call.
    ///
    /// # Errors
    /// Returns the errors of [`new`](Self::new).
    pub fn with_hook(config: &ClientConfig, hook: &Hook) -> Result<Self, BuildError> {
        let azure = Self(Arc::new(Inner {
            config: config.clone(),
            client: client(config)?,
            hook: Arc::clone(hook),
            hosts: Hosts::default(),
            tenants: RwLock::default(),
        }));
        azure.set_vault(Vec::new());
        Ok(azure)
    }

    /// Returns all organisations, the default one first.
    #[must_use]
    pub fn tenants(&self) -> Arc<[Tenant]> {
        // A plain value: a panic cannot leave it half-written.
        Arc::clone(&self.0.tenants.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the organisation of `AZURE_DEVOPS_ORG_URL`, or else the first one.
    #[must_use]
    pub fn default_organizacao(&self) -> Option<NomeOrganizacao> {
        self.tenants()
            .first()
            .map(|tenant| tenant.organizacao.nome().clone())
    }

    /// Returns the client of an organisation, served or not. Its address comes from the configuration, never
    /// from the caller.
    #[must_use]
    pub fn open(&self, nome: &NomeOrganizacao) -> Organizacao {
        let known = self.tenants();
        let known = known.iter().find(|tenant| tenant.organizacao.nome() == nome);
        known.map_or_else(
            || self.organizacao(&self.0.config.hosts.organizacao(nome.clone(), None)),
            |tenant| tenant.organizacao.clone(),
        )
    }

    /// Replaces the organisations and PATs of the vault; these PATs take precedence over those of the
    /// configuration. An organisation without a usable PAT is served as well, with the credentials of its
    /// members.
    pub fn set_vault(&self, pats: Vec<(NomeOrganizacao, Option<SecretString>)>) {
        let mut vault: BTreeMap<NomeOrganizacao, Option<SecretString>> = pats.into_iter().collect();
        let known = self.tenants();
        let mut tenants = Vec::new();
        let mut add = |config: &OrganizacaoConfig, stored: Option<SecretString>| {
            let before = known
                .iter()
                .find(|tenant| *tenant.organizacao.nome() == config.nome);
            let origem = if stored.is_some() {
                Origem::Database
            } else {
                Origem::Environment
            };
            tenants.push(Tenant {
                // Limits and circuit breakers survive a change of the PAT.
                organizacao: before
                    .map_or_else(|| self.organizacao(config), |tenant| tenant.organizacao.clone()),
                pat: stored.or_else(|| config.pat.clone()).map(Credential::pat),
                origem,
            });
        };
        for config in &self.0.config.organizacoes {
            add(config, vault.remove(&config.nome).flatten());
        }
        for (nome, pat) in vault {
            add(&self.0.config.hosts.organizacao(nome, None), pat);
        }
        *self.0.tenants.write().unwrap_or_else(PoisonError::into_inner) = tenants.into();
    }

    fn organizacao(&self, config: &OrganizacaoConfig) -> Organizacao {
        let Inner {
            config: limits,
            client,
            hook,
            hosts,
            ..
        } = &*self.0;
        let urls = [config.base_url.clone(), config.identity_url.clone()];
        let versions = urls.each_ref().map(|url| hosts.of(url));
        let transport = transport(limits, config, client, hook);
        Organizacao::new(config.nome.clone(), urls, transport, versions)
    }
}

impl fmt::Debug for AzureDevOps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AzureDevOps").field(&self.tenants()).finish()
    }
}

/// Reason why the client could not be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an HTTPS client (is ca-certificates installed?)")]
pub struct BuildError(#[from] reqwest::Error);

fn client(config: &ClientConfig) -> Result<Client, BuildError> {
    let urls: Vec<&Url> = config
        .organizacoes
        .iter()
        .flat_map(|o| [&o.base_url, &o.identity_url])
        .collect();
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        // A redirect is a sign-in page or an attempt to send the credential to another host.
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(config.connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS);
    if !urls.is_empty() && urls.iter().all(|url| url.scheme() == "http") {
        // Plain HTTP has nothing to verify, so no certificates are needed.
        builder = builder.tls_certs_only([]);
    }
    let is_loopback = |url: &&Url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if !urls.is_empty() && urls.iter().all(is_loopback) {
        builder = builder.no_proxy();
    }
    match builder.build() {
        // No server is called yet, so a machine without certificates can still serve the rest.
        Err(_) if urls.is_empty() => Ok(Client::builder()
            .tls_certs_only([])
            .redirect(Policy::none())
            .build()?),
        built => Ok(built?),
    }
}

fn transport(
    config: &ClientConfig,
    organizacao: &OrganizacaoConfig,
    client: &Client,
    hook: &Hook,
) -> Transport {
    let nome = organizacao.nome.to_string();
    Transport {
        client: client.clone(),
        limits: Limits {
            timeout: config.timeout,
            background_timeout: config.background_timeout,
            max_answer_bytes: config.max_answer_bytes,
        },
        admission: Admission::new(&nome, config.concurrency, config.breaker_open),
        organizacao: nome,
        throttle: Throttle::default(),
        hook: Arc::clone(hook),
    }
}

/// Records a call in the metrics and the debug log. The caller logs failures where it turns them into a
/// response.
fn note_call(call: &CallRecord<'_>) {
    let error = (call.outcome != "ok").then_some(call.outcome);
    metrics::call(call.server, call.operation, error, call.elapsed);
    let elapsed_ms = u64::try_from(call.elapsed.as_millis()).unwrap_or(u64::MAX);
    let CallRecord {
        operation,
        organizacao,
        outcome,
        attempts,
        ..
    } = call;
    tracing::debug!(
        target: target!(),
        operation,
        organizacao,
        outcome,
        attempts,
        elapsed_ms,
        "Azure DevOps call"
    );
}

#[cfg(test)]
mod properties;
