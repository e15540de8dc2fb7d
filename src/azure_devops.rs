//! The client of Azure DevOps: knows its addresses, its versions and its ways to fail. Knows nothing of our tables.
//!
//! An [`Organizacao`] is asked; what can be asked stands in one file per area ([`connection`], [`identities`],
//! [`projects`]). `docs/azure-devops.md` says what each failure becomes.

mod answer;
mod breaker;
pub mod connection;
mod credential;
mod error;
pub mod identities;
mod lenient;
mod operation;
mod organizacao;
pub mod projects;
mod throttle;
mod transport;

use std::sync::Arc;

use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::sync::Semaphore;

use crate::config::{AzureDevOpsConfig, OrganizacaoConfig};
use crate::models::organizacao::NomeOrganizacao;
use breaker::Breaker;
use throttle::Throttle;
use transport::{Limits, Transport};

pub use credential::{Credential, Fingerprint, Scheme};
pub use error::{Error, Unavailability};
pub use organizacao::Organizacao;
pub use transport::{CallRecord, Hook};

const USER_AGENT: &str = concat!("aponta/", env!("CARGO_PKG_VERSION"));

/// Idle connections kept per host.
const IDLE_CONNECTIONS: usize = 16;

/// An organisation that we serve, and the credential that is ours there.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The way to it.
    pub organizacao: Organizacao,
    /// The PAT of the service; never used for a caller whose membership is not proved.
    pub pat: Option<Credential>,
}

/// All organisations that we serve.
#[derive(Debug, Clone, Default)]
pub struct AzureDevOps {
    tenants: Arc<[Tenant]>,
}

impl AzureDevOps {
    /// Makes ready to ask; connects to nobody yet.
    ///
    /// # Errors
    /// When the machine has no certificates to trust.
    pub fn new(config: &AzureDevOpsConfig) -> Result<Self, BuildError> {
        let hook: Hook = Arc::new(log_call);
        Self::with_hook(config, &hook)
    }

    /// The same, telling `hook` of every call.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_hook(config: &AzureDevOpsConfig, hook: &Hook) -> Result<Self, BuildError> {
        if config.organizacoes.is_empty() {
            return Ok(Self::default());
        }
        let client = client(config)?;
        let tenant = |organizacao: &OrganizacaoConfig| Tenant {
            organizacao: Organizacao::new(
                organizacao.nome.clone(),
                organizacao.base_url.clone(),
                organizacao.identity_url.clone(),
                transport(config, organizacao, &client, hook),
            ),
            pat: organizacao.pat.clone().map(Credential::pat),
        };
        Ok(Self {
            tenants: config.organizacoes.iter().map(tenant).collect(),
        })
    }

    /// Every organisation, the default one first.
    #[must_use]
    pub fn tenants(&self) -> &[Tenant] {
        &self.tenants
    }

    /// The organisation of this name.
    #[must_use]
    pub fn tenant(&self, nome: &NomeOrganizacao) -> Option<&Tenant> {
        self.tenants
            .iter()
            .find(|tenant| tenant.organizacao.nome() == nome)
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an HTTPS client (is ca-certificates installed?)")]
pub struct BuildError(#[from] reqwest::Error);

fn client(config: &AzureDevOpsConfig) -> Result<Client, BuildError> {
    let urls = config
        .organizacoes
        .iter()
        .flat_map(|o| [&o.base_url, &o.identity_url]);
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        // A redirect is a sign-in page or an attempt to lead the credential elsewhere.
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(config.connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS);
    if urls.clone().all(|url| url.scheme() == "http") {
        // Nothing to verify, so no certificates are needed.
        builder = builder.tls_certs_only([]);
    }
    if urls
        .clone()
        .all(|url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")))
    {
        builder = builder.no_proxy();
    }
    Ok(builder.build()?)
}

fn transport(
    config: &AzureDevOpsConfig,
    organizacao: &OrganizacaoConfig,
    client: &Client,
    hook: &Hook,
) -> Transport {
    let nome = organizacao.nome.to_string();
    Transport {
        organizacao: nome.clone(),
        client: client.clone(),
        limits: Limits {
            timeout: config.timeout,
            max_answer_bytes: config.max_answer_bytes,
        },
        turns: Semaphore::new(config.concurrency),
        proof_turns: Semaphore::new(config.concurrency.div_ceil(2)),
        breakers: [
            Breaker::new(nome.clone(), config.breaker_open),
            Breaker::new(format!("{nome} (identities)"), config.breaker_open),
        ],
        throttle: Throttle::default(),
        hook: Arc::clone(hook),
    }
}

/// Failures are logged where they become an answer; this line is for whoever looks closer.
fn log_call(call: &CallRecord<'_>) {
    let elapsed_ms = u64::try_from(call.elapsed.as_millis()).unwrap_or(u64::MAX);
    let CallRecord {
        operation,
        organizacao,
        outcome,
        attempts,
        ..
    } = call;
    tracing::debug!(
        operation,
        organizacao,
        outcome,
        attempts,
        elapsed_ms,
        "Azure DevOps call"
    );
}
