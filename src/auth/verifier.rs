//! Authentication of callers: combines the answers of the organisations into an identity.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::administrators::{Administration, Administrators};
use super::app_token::{AppTokens, Rejected};
use super::membership::{MembershipQuery, Memberships, ProvedMember, Verdict};
use super::proof_limit::{ProofLimiter, ProofPermit};
use super::unverified_token::{ParsedAuthorization, UnverifiedToken};
use super::user::{CurrentUser, Membership};
use crate::azure_devops::identities::Identity;
use crate::azure_devops::{Credential, Error as AzureError, Fingerprint, Scheme, Tenant};
use crate::config::{AuthConfig, AuthMode};
use crate::error::{Error, Result};
use crate::models::organizacao::{ChaveOrganizacao, NomeOrganizacao};
use crate::telemetry::request;
use crate::tenants::Tenants;

/// Maximum time to wait for further organisations after one has accepted the caller.
const GRACE: Duration = Duration::from_secs(2);

/// Authenticates callers.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    mode: AuthMode,
    tenants: Tenants,
    app_tokens: AppTokens,
    memberships: Memberships,
    administrators: Administrators,
    proof_limiter: ProofLimiter,
}

/// Verdicts of all organisations, in their order.
struct Verdicts {
    members: Vec<Member>,
    undecided: Vec<(NomeOrganizacao, AzureError)>,
    /// Organisations of which the token proved a member within the last hours.
    recently_proved: Vec<NomeOrganizacao>,
    /// Status of the last refusal.
    refused: u16,
}

/// Verdict of one organisation, whose `instanceId` is confirmed.
#[derive(Debug, Clone)]
enum ConfirmedVerdict {
    /// The caller is a member of the organisation with this key.
    Member(ProvedMember, ChaveOrganizacao),
    /// Not a member, with the status of the refusal.
    Refused(u16),
    /// Undecided because of an upstream error.
    Unknown(AzureError),
}

/// An organisation that accepted the caller.
struct Member {
    tenant: Tenant,
    chave: ChaveOrganizacao,
    identity: Arc<Identity>,
    /// Scheme in which the token was accepted; `None` for a query by person.
    scheme: Option<Scheme>,
}

impl Authenticator {
    /// Creates an authenticator for the organisations of `tenants`.
    #[must_use]
    pub fn new(config: &AuthConfig, tenants: Tenants) -> Self {
        Self(Arc::new(Inner {
            mode: config.mode,
            tenants,
            app_tokens: AppTokens::new(config),
            memberships: Memberships::new(config.cache_ttl),
            administrators: Administrators::new(config),
            proof_limiter: ProofLimiter::new(config.proofs_per_second),
        }))
    }

    /// Authenticates the headers `Authorization` and `x-azure-access-token`.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when no identity is proved, [`Error::Forbidden`] when the person is not a
    /// member of any served organisation, [`Error::Upstream`] when an organisation that would decide did not
    /// answer. One is never returned in place of another.
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        access_token: Option<&str>,
    ) -> Result<CurrentUser> {
        let inner = &*self.0;
        if inner.mode == AuthMode::Off {
            return Ok(CurrentUser::mock(
                mock_memberships(&inner.tenants),
                inner.tenants.names(),
            ));
        }
        let presented = match UnverifiedToken::from_authorization(authorization.unwrap_or_default()) {
            ParsedAuthorization::Nothing => {
                return Err(unauthenticated("Token de autenticação não fornecido"));
            }
            ParsedAuthorization::Unusable => return Err(rejected("credencial malformada")),
            ParsedAuthorization::Token(presented) => presented,
        };
        let access_token = match access_token {
            Some(text) => {
                let token = UnverifiedToken::from_access_token(text).filter(|token| !token.is_app_token());
                Some(token.ok_or_else(wrong_access_token)?)
            }
            None => None,
        };
        let mut user = if presented.is_app_token() {
            inner.by_app_token(&presented, access_token.as_ref()).await?
        } else {
            inner.by_token(&presented, access_token.as_ref()).await?
        };
        let default = user.default.as_ref();
        let administrators = &inner.administrators;
        user.administration =
            administrators.administration(&user.memberships, &user.undecided, default, &user.names);
        Ok(user)
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("mode", &self.0.mode)
            .finish_non_exhaustive()
    }
}

/// Returns the mock user's memberships: one in each organisation.
fn mock_memberships(tenants: &Tenants) -> Vec<Membership> {
    let membership = |tenant: &Tenant| {
        Some(Membership {
            chave: tenants.chave_of(tenant)?,
            organizacao: tenant.organizacao.clone(),
            identity: None,
            credential: None,
            pat: tenant.pat.clone(),
        })
    };
    tenants.azure().tenants().iter().filter_map(membership).collect()
}

impl Inner {
    async fn by_token(
        &self,
        presented: &UnverifiedToken,
        beside: Option<&UnverifiedToken>,
    ) -> Result<CurrentUser> {
        let verdicts = self.ask(MembershipQuery::Token(presented)).await?;
        if verdicts.members.is_empty() {
            return Err(match verdicts.undecided.into_iter().next() {
                Some((_, error)) => error.into(),
                None => rejected(&reason(verdicts.refused)),
            });
        }
        let mut user = self.current_user(&verdicts, Some(presented));
        if let Some(token) = beside {
            let token_verdicts = self.ask(MembershipQuery::Token(token)).await?;
            self.join(&mut user, &token_verdicts, token, None).await?;
        }
        Ok(user)
    }

    /// Authenticates an app token, which names a person. Membership is proved by the organisation's identity
    /// service or by the caller's access token in the second header.
    async fn by_app_token(
        &self,
        presented: &UnverifiedToken,
        beside: Option<&UnverifiedToken>,
    ) -> Result<CurrentUser> {
        let verified = self.app_tokens.verify(presented.token().expose_secret());
        let person = verified.map_err(|rejected| match rejected {
            Rejected::NoSecret => unauthenticated(
                "AZURE_EXTENSION_SECRET não configurado no servidor. Configure em: https://aka.ms/vsmarketplace-manage",
            ),
            Rejected::Invalid => unauthenticated("App Token JWT inválido ou expirado"),
        })?;
        let mut verdicts = self.ask(MembershipQuery::Person(person)).await?;
        let Some(token) = beside else {
            if !verdicts.members.is_empty() {
                return Ok(self.current_user(&verdicts, None));
            }
            return Err(match verdicts.undecided.pop() {
                Some((_, error)) => pat_refused(error),
                None => Error::Forbidden(
                    "O usuário não pertence a nenhuma organização atendida por este servidor".to_owned(),
                ),
            });
        };
        let token_verdicts = self.ask(MembershipQuery::Token(token)).await?;
        if verdicts.members.is_empty() {
            self.require_same_person(&token_verdicts, Some(person), |_| false)
                .await?;
            let mut user = self.current_user(&token_verdicts, Some(token));
            user.undecided = token_verdicts.undecided;
            user.recently_proved = token_verdicts.recently_proved;
            return Ok(user);
        }
        let mut user = self.current_user(&verdicts, None);
        self.join(&mut user, &token_verdicts, token, Some(person)).await?;
        Ok(user)
    }

    /// Checks that the access token in the second header is accepted and proves the same person in at least
    /// one organisation: a member that is `known` there, or the person `named` by the app token. If the token
    /// proves another id than `named`, the service's PAT reads all ids of that identity, and the local id is
    /// cached.
    async fn require_same_person(
        &self,
        token_verdicts: &Verdicts,
        named: Option<Uuid>,
        known: impl Fn(&Member) -> bool,
    ) -> Result<()> {
        let has_name = |identity: &Identity| named.is_some_and(|named| identity.has_id(named));
        if token_verdicts
            .members
            .iter()
            .any(|member| known(member) || has_name(&member.identity))
        {
            return Ok(());
        }
        let mut trouble = token_verdicts.undecided.first().map(|(_, error)| error.clone());
        trouble = trouble.filter(|_| token_verdicts.members.is_empty());
        for member in token_verdicts.members.iter().filter(|_| named.is_some()) {
            let read = MembershipQuery::Person(member.identity.id);
            match self.memberships.of(&read, &member.tenant).await {
                Verdict::Member(ProvedMember { identity, .. }) if has_name(&identity) => {
                    let nome = member.tenant.organizacao.nome();
                    let named = named.unwrap_or(identity.id);
                    self.memberships.local_ids.learn(nome, named, identity.id).await;
                    return Ok(());
                }
                Verdict::Unknown(error) => trouble = Some(error),
                Verdict::Member(..) | Verdict::Refused(_) => {}
            }
        }
        Err(trouble.map_or_else(wrong_access_token, Error::from))
    }

    /// Adds the memberships that the access token in the second header proves. The token must prove the same
    /// person: the same id where both are known, or the id in the app token.
    async fn join(
        &self,
        user: &mut CurrentUser,
        token_verdicts: &Verdicts,
        token: &UnverifiedToken,
        person: Option<Uuid>,
    ) -> Result<()> {
        let known = |member: &Member| {
            let here = user.memberships.iter().find(|m| m.chave == member.chave);
            here.and_then(|m| m.identity.as_ref()).map(|identity| identity.id)
        };
        self.require_same_person(token_verdicts, person, |member| {
            known(member) == Some(member.identity.id)
        })
        .await?;
        let own = std::mem::take(&mut user.memberships);
        for tenant in self.tenants.azure().tenants().iter() {
            let here = |nome: &NomeOrganizacao| nome == tenant.organizacao.nome();
            let before = own.iter().find(|m| here(m.organizacao.nome())).cloned();
            let now = token_verdicts
                .members
                .iter()
                .find(|m| here(m.tenant.organizacao.nome()));
            let credential = now.map(|m| credential(m, token));
            let joined = match (before, now) {
                (Some(before), _) => Some(Membership {
                    credential: credential.or_else(|| before.credential.clone()),
                    ..before
                }),
                (None, Some(now)) => Some(membership(now, credential)),
                (None, None) => None,
            };
            user.memberships.extend(joined);
        }
        user.recently_proved
            .extend_from_slice(&token_verdicts.recently_proved);
        user.undecided
            .retain(|(nome, _)| user.memberships.iter().all(|m| m.organizacao.nome() != nome));
        Ok(())
    }

    /// Queries all organisations concurrently. After the first acceptance the other organisations have
    /// `GRACE` left and then count as undecided: an outage of one must not lock out members of another.
    ///
    /// # Errors
    /// [`Error::TooManyProofs`] when the client address presented too many unknown tokens.
    async fn ask(&self, question: MembershipQuery<'_>) -> Result<Verdicts> {
        let tenants = self.tenants.azure().tenants();
        let _permit = match question {
            MembershipQuery::Token(token) => self.proof_permit(token, &tenants).await?,
            MembershipQuery::Person(_) => None,
        };
        let mut answers: Vec<Option<ConfirmedVerdict>> = vec![None; tenants.len()];
        let mut open: FuturesUnordered<_> = tenants
            .iter()
            .enumerate()
            .map(|(position, tenant)| async move { (position, self.ask_one(&question, tenant).await) })
            .collect();
        let mut deadline = None;
        loop {
            let next = match deadline {
                Some(deadline) => timeout_at(deadline, open.next()).await.unwrap_or(None),
                None => open.next().await,
            };
            let Some((position, answer)) = next else { break };
            if matches!(answer, ConfirmedVerdict::Member(..)) && deadline.is_none() {
                deadline = Some(Instant::now() + GRACE);
            }
            if let Some(slot) = answers.get_mut(position) {
                *slot = Some(answer);
            }
        }
        let mut verdicts = Verdicts {
            members: Vec::with_capacity(1),
            undecided: Vec::new(),
            recently_proved: Vec::new(),
            refused: 401,
        };
        let mut decided = false;
        for (tenant, answer) in tenants.iter().zip(answers) {
            decided |= matches!(
                answer,
                Some(ConfirmedVerdict::Member(..) | ConfirmedVerdict::Refused(_))
            );
            let nome = tenant.organizacao.nome();
            match answer {
                Some(ConfirmedVerdict::Member(proved, chave)) => {
                    // If two configured names denote one organisation, the first one counts.
                    if verdicts.members.iter().all(|member| member.chave != chave) {
                        verdicts.members.push(Member {
                            tenant: tenant.clone(),
                            chave,
                            identity: proved.identity,
                            scheme: proved.scheme,
                        });
                    }
                }
                Some(ConfirmedVerdict::Refused(status)) => verdicts.refused = status,
                Some(ConfirmedVerdict::Unknown(error)) => verdicts.undecided.push((nome.clone(), error)),
                None => {
                    self.memberships.mark_undecided(&question, tenant).await;
                    verdicts.undecided.push((nome.clone(), AzureError::Timeout));
                }
            }
        }
        // An organisation that does not exist has no members: a wrong name in the vault must not turn every
        // 401 into 502. If no organisation decided, the configuration is wrong and the caller gets the
        // upstream error.
        if decided {
            verdicts
                .undecided
                .retain(|(_, error)| !matches!(error, AzureError::NotFound));
        }
        if !verdicts.undecided.is_empty() {
            verdicts.recently_proved = self.recently_proved(&question, &tenants);
        }
        Ok(verdicts)
    }

    /// Waits for a permit to query a token that some organisation does not know yet. Simultaneous requests
    /// with the same token share one query.
    async fn proof_permit(&self, token: &UnverifiedToken, tenants: &[Tenant]) -> Result<Option<ProofPermit>> {
        let is_new = || {
            tenants
                .iter()
                .any(|tenant| self.memberships.is_new(token, tenant))
        };
        if !is_new() {
            return Ok(None);
        }
        let first = self
            .proof_limiter
            .lock_token(Fingerprint::of(token.token().expose_secret()))
            .await;
        // Another request may have queried the token meanwhile.
        if !is_new() {
            return Ok(None);
        }
        let permit = self.proof_limiter.acquire(request::current_network()).await?;
        Ok(Some(ProofPermit {
            _token_lock: first,
            _permit: permit,
        }))
    }

    /// Returns the organisations that proved the token within the last hours; none for an app token's person.
    fn recently_proved(&self, question: &MembershipQuery<'_>, tenants: &[Tenant]) -> Vec<NomeOrganizacao> {
        let MembershipQuery::Token(token) = question else {
            return Vec::new();
        };
        let proved = tenants
            .iter()
            .filter(|tenant| self.memberships.was_recently_proved(token, tenant));
        proved.map(|tenant| tenant.organizacao.nome().clone()).collect()
    }

    /// Queries one organisation, and verifies that its name still denotes the organisation with the known
    /// key.
    async fn ask_one(&self, question: &MembershipQuery<'_>, tenant: &Tenant) -> ConfirmedVerdict {
        let proved = match self.memberships.of(question, tenant).await {
            Verdict::Member(proved) => proved,
            Verdict::Refused(status) => return ConfirmedVerdict::Refused(status),
            Verdict::Unknown(error) => return ConfirmedVerdict::Unknown(error),
        };
        let chave = match (proved.instance_id, &tenant.pat) {
            (Some(id), _) => self.tenants.confirm(tenant.organizacao.nome(), id).await,
            // The identity service does not report the id of its organisation.
            (None, Some(pat)) => self.tenants.verify(&tenant.organizacao, pat).await,
            (None, None) => Err(AzureError::Replaced),
        };
        chave.map_or_else(ConfirmedVerdict::Unknown, |chave| {
            ConfirmedVerdict::Member(proved, chave)
        })
    }

    /// Builds the caller from at least one membership.
    fn current_user(&self, verdicts: &Verdicts, token: Option<&UnverifiedToken>) -> CurrentUser {
        let identity = verdicts.members.first().map(|member| &*member.identity);
        let id = identity
            .map(|identity| identity.id.to_string())
            .unwrap_or_default();
        let nome = identity.and_then(|identity| identity.nome.clone());
        let memberships = verdicts.members.iter();
        let default = self.tenants.azure().default_organizacao();
        CurrentUser {
            nome_known: nome.is_some(),
            // Same fallback name as in the FastAPI service.
            nome: nome.unwrap_or_else(|| format!("Azure User {}", id.get(..8).unwrap_or(&id))),
            id,
            email: identity.and_then(|identity| identity.email.clone()),
            administration: Administration::NOTHING,
            everything: false,
            memberships: memberships
                .map(|member| membership(member, token.map(|token| credential(member, token))))
                .collect(),
            undecided: verdicts.undecided.clone(),
            recently_proved: verdicts.recently_proved.clone(),
            default: self.tenants.default_chave(),
            default_nome: default,
            names: self.tenants.names(),
        }
    }
}

fn membership(member: &Member, credential: Option<Credential>) -> Membership {
    Membership {
        chave: member.chave.clone(),
        organizacao: member.tenant.organizacao.clone(),
        identity: Some(Arc::clone(&member.identity)),
        credential,
        pat: member.tenant.pat.clone(),
    }
}

/// Returns the token in the scheme that this organisation accepted.
fn credential(member: &Member, token: &UnverifiedToken) -> Credential {
    Credential::new(member.scheme.unwrap_or(Scheme::Bearer), token.token().clone())
}

/// Maps an error of a query with the service's own PAT; a refusal concerns the PAT and not the caller.
fn pat_refused(source: AzureError) -> Error {
    match source {
        AzureError::InvalidCredential { .. } | AzureError::Forbidden => Error::Upstream {
            detail:
                "O PAT da organização foi recusado ou não tem o escopo Identity (Read); avise o administrador"
                    .to_owned(),
            source,
        },
        _ => source.into(),
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

/// Returns the FastAPI service's text for a refusal, without the upstream's body, which must not be
/// disclosed.
fn reason(status: u16) -> String {
    match status {
        300..=399 => format!("Token OAuth inválido ou expirado (redirect {status})"),
        200 => "identidade anônima".to_owned(),
        _ => format!("Status {status}"),
    }
}
