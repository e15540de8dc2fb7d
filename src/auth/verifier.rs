//! Decides who a caller is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::app_token::{AppTokens, ISSUER, Rejected};
use super::membership::{Memberships, Verdict};
use super::presented::{Presented, Shown};
use super::user::{CurrentUser, Papel};
use crate::azure_devops::identities::Identity;
use crate::azure_devops::{AzureDevOps, Credential, Error as AzureError, Organizacao, Scheme, Tenant};
use crate::config::{AuthConfig, AuthMode};
use crate::error::{Error, Result};

/// How long others are waited for once one organisation has accepted the caller.
const GRACE: Duration = Duration::from_secs(2);

/// Proves callers.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    mode: AuthMode,
    azure: AzureDevOps,
    app_tokens: AppTokens,
    memberships: Memberships,
}

/// Somebody, and who vouches for them.
struct Proof {
    /// As the first organisation knows the caller.
    identity: Arc<Identity>,
    /// Form in which it took the token.
    scheme: Option<Scheme>,
    organizacoes: Vec<Organizacao>,
}

/// No organisation vouches.
enum Refusal {
    /// All of them said no; the last status.
    Refused(u16),
    /// Some could not say.
    Unknown(AzureError),
}

impl Authenticator {
    /// Works as configured, asking `azure`.
    #[must_use]
    pub fn new(config: &AuthConfig, azure: AzureDevOps) -> Self {
        Self(Arc::new(Inner {
            mode: config.mode,
            azure,
            app_tokens: AppTokens::new(config),
            memberships: Memberships::new(config.cache_ttl),
        }))
    }

    /// The caller behind the headers `Authorization` and `x-azure-access-token`, if they prove one.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when nobody is proved, [`Error::Forbidden`] when somebody is who belongs to no organisation
    /// of ours, [`Error::Upstream`] when it cannot be told; never one for another.
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        access_token: Option<&str>,
    ) -> Result<CurrentUser> {
        let inner = &*self.0;
        if inner.mode == AuthMode::Off {
            let all = inner.azure.tenants().iter();
            return Ok(CurrentUser::mock(
                all.map(|tenant| tenant.organizacao.clone()).collect(),
            ));
        }
        let presented = match Presented::from_authorization(authorization.unwrap_or_default()) {
            Shown::Nothing => return Err(unauthenticated("Token de autenticação não fornecido")),
            Shown::Unusable => return Err(rejected("credencial malformada")),
            Shown::Token(presented) => presented,
        };
        let access_token = match access_token {
            Some(text) => Some(Presented::from_access_token(text).ok_or_else(wrong_access_token)?),
            None => None,
        };
        if presented.claimed_issuer() == Some(ISSUER) {
            inner.by_app_token(&presented, access_token.as_ref()).await
        } else {
            inner.by_token(&presented, access_token.as_ref()).await
        }
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("mode", &self.0.mode)
            .finish_non_exhaustive()
    }
}

impl Inner {
    async fn by_token(&self, presented: &Presented, access_token: Option<&Presented>) -> Result<CurrentUser> {
        let proof = self
            .prove(|tenant| self.memberships.of_token(presented, &tenant.organizacao))
            .await
            .map_err(|refusal| match refusal {
                Refusal::Refused(status) => rejected(&reason(status)),
                Refusal::Unknown(error) => error.into(),
            })?;
        let own = proof
            .scheme
            .map(|scheme| Credential::new(scheme, presented.token().clone()));
        let credential = match access_token {
            Some(token) => Some(self.prove_access_token(token, proof.identity.id).await?.1),
            None => own,
        };
        Ok(current_user(proof, credential))
    }

    /// An app token names a person; membership is proved by the organisation's identity service, or by the caller's access
    /// token beside it.
    async fn by_app_token(
        &self,
        presented: &Presented,
        access_token: Option<&Presented>,
    ) -> Result<CurrentUser> {
        let verified = self.app_tokens.verify(presented.token().expose_secret());
        let person = verified.map_err(|rejected| match rejected {
            Rejected::NoSecret => unauthenticated(
                "AZURE_EXTENSION_SECRET não configurado no servidor. Configure em: https://aka.ms/vsmarketplace-manage",
            ),
            Rejected::Invalid => unauthenticated("App Token JWT inválido ou expirado"),
        })?;
        let known = self
            .prove(|tenant| self.memberships.of_person(person, tenant))
            .await;
        let Some(token) = access_token else {
            return match known {
                Ok(proof) => Ok(current_user(proof, None)),
                Err(Refusal::Refused(_)) => Err(Error::Forbidden(
                    "O usuário não pertence a nenhuma organização atendida por este servidor".to_owned(),
                )),
                Err(Refusal::Unknown(error)) => Err(error.into()),
            };
        };
        let (shown, credential) = self.prove_access_token(token, person).await?;
        let proof = match known {
            Ok(mut proof) => {
                let more = shown.organizacoes.into_iter();
                let more = more.filter(|o| proof.organizacoes.iter().all(|known| known.nome() != o.nome()));
                let more: Vec<Organizacao> = more.collect();
                proof.organizacoes.extend(more);
                proof
            }
            Err(_) => shown,
        };
        Ok(current_user(proof, Some(credential)))
    }

    /// The access token beside another credential must prove the same person.
    async fn prove_access_token(&self, token: &Presented, person: Uuid) -> Result<(Proof, Credential)> {
        let proof = self
            .prove(|tenant| self.memberships.of_token(token, &tenant.organizacao))
            .await
            .map_err(|refusal| match refusal {
                Refusal::Refused(_) => wrong_access_token(),
                Refusal::Unknown(error) => error.into(),
            })?;
        if proof.identity.id != person {
            return Err(wrong_access_token());
        }
        let credential = Credential::new(proof.scheme.unwrap_or(Scheme::Bearer), token.token().clone());
        Ok((proof, credential))
    }

    /// Asks every organisation at once. Once one has accepted the caller, the others get a little longer, then they count
    /// as trouble: an outage of one must not keep the members of another out.
    async fn prove<'a, F, V>(&'a self, ask: F) -> Result<Proof, Refusal>
    where
        F: Fn(&'a Tenant) -> V,
        V: Future<Output = Verdict>,
    {
        let ask = &ask;
        let tenants = self.azure.tenants();
        let mut verdicts: Vec<Option<Verdict>> = vec![None; tenants.len()];
        let mut open: FuturesUnordered<_> = tenants
            .iter()
            .enumerate()
            .map(|(position, tenant)| async move { (position, ask(tenant).await) })
            .collect();
        let mut deadline = None;
        loop {
            let next = match deadline {
                Some(deadline) => timeout_at(deadline, open.next()).await.unwrap_or(None),
                None => open.next().await,
            };
            let Some((position, verdict)) = next else { break };
            if matches!(verdict, Verdict::Member(..)) && deadline.is_none() {
                deadline = Some(Instant::now() + GRACE);
            }
            if let Some(slot) = verdicts.get_mut(position) {
                *slot = Some(verdict);
            }
        }
        weigh(tenants, verdicts)
    }
}

/// Puts what the organisations said together, in their order.
fn weigh(tenants: &[Tenant], verdicts: Vec<Option<Verdict>>) -> Result<Proof, Refusal> {
    let mut proof: Option<Proof> = None;
    let mut refusal = Refusal::Refused(401);
    for (tenant, verdict) in tenants.iter().zip(verdicts) {
        match verdict.unwrap_or(Verdict::Unknown(AzureError::Timeout)) {
            Verdict::Member(identity, scheme) => {
                let proof = proof.get_or_insert_with(|| Proof {
                    identity,
                    scheme,
                    organizacoes: Vec::with_capacity(1),
                });
                proof.organizacoes.push(tenant.organizacao.clone());
            }
            Verdict::Refused(status) => {
                if let Refusal::Refused(last) = &mut refusal {
                    *last = status;
                }
            }
            Verdict::Unknown(error) => refusal = Refusal::Unknown(error),
        }
    }
    proof.ok_or(refusal)
}

fn current_user(proof: Proof, credential: Option<Credential>) -> CurrentUser {
    let identity = proof.identity;
    let id = identity.id.to_string();
    // As the FastAPI service named people whose name it did not know.
    let made_up = || format!("Azure User {}", id.get(..8).unwrap_or(&id));
    CurrentUser {
        nome: identity.nome.clone().unwrap_or_else(made_up),
        nome_known: identity.nome.is_some(),
        id,
        email: identity.email.clone(),
        papel: Papel::Membro,
        organizacoes: proof.organizacoes,
        subject_descriptor: identity.subject_descriptor.clone(),
        credential,
    }
}

fn unauthenticated(detail: &str) -> Error {
    Error::Unauthenticated(detail.to_owned())
}

fn rejected(reason: &str) -> Error {
    Error::Unauthenticated(format!("Token inválido ou expirado. Detalhes: {reason}"))
}

fn wrong_access_token() -> Error {
    rejected("x-azure-access-token não comprova o mesmo usuário")
}

/// In the words of the FastAPI service, but for the upstream's body, which is not ours to show.
fn reason(status: u16) -> String {
    match status {
        300..=399 => format!("Token OAuth inválido ou expirado (redirect {status})"),
        200 => "identidade anônima".to_owned(),
        _ => format!("Status {status}"),
    }
}
