//! Queries organisations for a person's membership and caches the answers for a short time. Simultaneous
//! requests share one upstream call. Tokens are not stored, only keyed hashes of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::local_ids::LocalIds;
use super::unverified_token::UnverifiedToken;
use crate::azure_devops::identities::Identity;
use crate::azure_devops::{Credential, Error, Fingerprint, Organizacao, Scheme, Tenant};
use crate::models::organizacao::NomeOrganizacao;
use crate::telemetry::{metrics, request};

/// Maximum number of cached answers; about 300 bytes each.
const MOST: u64 = 20_000;
/// Lifetime of a cached refusal: short enough for a new PAT to work soon, long enough to make a flood of
/// invalid tokens cheap.
const REFUSED_TTL: Duration = Duration::from_secs(10);
/// Time for which a token counts as known after it proved a member. Its membership is still verified as often
/// as that of other tokens.
const PROVED_TTL: Duration = Duration::from_hours(12);
/// Lifetime of a cached upstream error: just long enough for the requests that wait together.
const UNKNOWN_TTL: Duration = Duration::from_secs(2);

/// Answer of an organisation about a person.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// A member.
    Member(ProvedMember),
    /// Not a member, with the status of the refusal.
    Refused(u16),
    /// Undecided because of an upstream error.
    Unknown(Error),
}

/// Member whose identity an organisation proved.
#[derive(Debug, Clone)]
pub(super) struct ProvedMember {
    pub(super) identity: Arc<Identity>,
    /// Scheme in which the token was accepted; `None` for a query by person.
    pub(super) scheme: Option<Scheme>,
    /// Id of the organisation that answered, if the answer contained it.
    pub(super) instance_id: Option<Uuid>,
    /// Time of the answer.
    pub(super) since: Instant,
}

/// Part of the cache key: a token (by its hash), or a person, looked up with the service's own PAT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Token(Fingerprint, &'static [Scheme]),
    Person(Uuid),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    organizacao: NomeOrganizacao,
    subject: Subject,
}

/// Caches the verdicts of organisations about tokens and people.
#[derive(Debug, Clone)]
pub(super) struct Memberships {
    cache: Cache<Key, Verdict>,
    /// Lifetime of a proof of membership.
    ttl: Duration,
    /// Tokens that proved a member recently; these tokens do not wait behind unknown ones.
    proved: Cache<Key, ()>,
    /// Proofs that are being renewed.
    renewing: Cache<Key, ()>,
    /// Local ids of people for whom app tokens contain another id.
    pub(super) local_ids: LocalIds,
}

impl Memberships {
    pub(super) fn new(ttl: Duration) -> Self {
        let cache = Cache::builder().max_capacity(MOST).expire_after(Lifetime { ttl });
        let proved = Cache::builder().max_capacity(MOST).time_to_live(PROVED_TTL);
        Self {
            cache: cache.build(),
            ttl,
            proved: proved.build(),
            renewing: Cache::builder().max_capacity(MOST).build(),
            local_ids: LocalIds::new(),
        }
    }

    /// Returns the identity that `token` proves to this organisation. A proof older than half its lifetime is
    /// renewed in the background.
    async fn of_token(&self, token: &UnverifiedToken, tenant: &Tenant) -> Verdict {
        let key = token_key(token, tenant);
        if let Some(Verdict::Member(proved)) = self.cache.get(&key).await {
            metrics::auth_cache("hit");
            if proved.since.elapsed() > self.ttl / 2 {
                let (token, organizacao) = (token.clone(), tenant.organizacao.patient());
                let ask = async move { ask_about_token(&token, &organizacao, true).await };
                self.renew(key, ask).await;
            }
            return Verdict::Member(proved);
        }
        let known = self.proved.contains_key(&key);
        let asking = (self.proved.clone(), key.clone());
        let (token, organizacao) = (token.clone(), tenant.organizacao.clone());
        let ask = async move {
            let (proved, key) = asking;
            let verdict = ask_about_token(&token, &organizacao, known).await;
            note(&proved, &key, &verdict).await;
            verdict
        };
        self.ask(key, ask).await
    }

    /// Renews a proof in the background. A refusal takes effect at once; after an upstream error the old
    /// proof stays valid until it expires.
    async fn renew(&self, key: Key, ask: impl Future<Output = Verdict> + Send + 'static) {
        if !self.renewing.entry(key.clone()).or_insert(()).await.is_fresh() {
            return;
        }
        let memberships = self.clone();
        tokio::spawn(request::inherit(async move {
            let verdict = ask.await;
            if !matches!(verdict, Verdict::Unknown(_)) {
                note(&memberships.proved, &key, &verdict).await;
                memberships.cache.insert(key.clone(), verdict).await;
            }
            memberships.renewing.invalidate(&key).await;
        }));
    }

    /// Returns `true` if the organisation has no cached answer for the token and the token did not prove a
    /// member recently.
    pub(super) fn is_new(&self, token: &UnverifiedToken, tenant: &Tenant) -> bool {
        let key = token_key(token, tenant);
        !self.cache.contains_key(&key) && !self.proved.contains_key(&key)
    }

    /// Returns `true` if the token proved a member of this organisation within the last hours
    /// (`PROVED_TTL`).
    pub(super) fn was_recently_proved(&self, token: &UnverifiedToken, tenant: &Tenant) -> bool {
        self.proved.contains_key(&token_key(token, tenant))
    }

    /// Returns whether the person is a member of this organisation. Without a PAT of the service the
    /// organisation cannot be queried, which counts as not a member.
    async fn of_person(&self, person: Uuid, tenant: &Tenant) -> Verdict {
        let Some(pat) = tenant.pat.clone() else {
            return Verdict::Refused(403);
        };
        let person = self.local_ids.of(tenant.organizacao.nome(), person).await;
        let key = person_key(person, tenant);
        if let Some(Verdict::Member(proved)) = self.cache.get(&key).await
            && proved.since.elapsed() > self.ttl / 2
        {
            let ask = ask_about_person(person, tenant.organizacao.patient(), pat);
            metrics::auth_cache("hit");
            self.renew(key, ask).await;
            return Verdict::Member(proved);
        }
        let ask = ask_about_person(person, tenant.organizacao.clone(), pat);
        self.ask(key, ask).await
    }

    /// Returns the cached answer, or runs the query in a task of its own: the request may be cancelled, but
    /// the answer is cached for other requests.
    async fn ask(&self, key: Key, ask: impl Future<Output = Verdict> + Send + 'static) -> Verdict {
        if let Some(verdict) = self.cache.get(&key).await {
            let refused = matches!(verdict, Verdict::Refused(_));
            metrics::auth_cache(if refused { "refused" } else { "hit" });
            return verdict;
        }
        metrics::auth_cache("miss");
        let cache = self.cache.clone();
        let asking = tokio::spawn(request::inherit(async move { cache.get_with(key, ask).await }));
        // The task ends otherwise only when the process ends.
        asking.await.unwrap_or(Verdict::Unknown(Error::Timeout))
    }

    /// Stores "undecided" for a while, so that no further request waits for this answer; a late one still
    /// counts.
    pub(super) async fn mark_undecided(&self, question: &MembershipQuery<'_>, tenant: &Tenant) {
        let key = match question {
            MembershipQuery::Token(token) => token_key(token, tenant),
            MembershipQuery::Person(person) => {
                let local = self.local_ids.of(tenant.organizacao.nome(), *person).await;
                person_key(local, tenant)
            }
        };
        self.cache.insert(key, Verdict::Unknown(Error::Timeout)).await;
    }

    /// Returns the verdict of this organisation.
    pub(super) async fn of(&self, question: &MembershipQuery<'_>, tenant: &Tenant) -> Verdict {
        match question {
            MembershipQuery::Token(token) => self.of_token(token, tenant).await,
            MembershipQuery::Person(person) => self.of_person(*person, tenant).await,
        }
    }
}

/// Subject of a membership check.
#[derive(Debug, Clone, Copy)]
pub(super) enum MembershipQuery<'a> {
    /// Which identity does the token prove?
    Token(&'a UnverifiedToken),
    /// Asks whether the organisation knows this person.
    Person(Uuid),
}

fn token_key(token: &UnverifiedToken, tenant: &Tenant) -> Key {
    let fingerprint = Fingerprint::of(token.token().expose_secret());
    Key {
        organizacao: tenant.organizacao.nome().clone(),
        subject: Subject::Token(fingerprint, token.schemes()),
    }
}

fn person_key(person: Uuid, tenant: &Tenant) -> Key {
    Key {
        organizacao: tenant.organizacao.nome().clone(),
        subject: Subject::Person(person),
    }
}

/// Records a token that proved a member, and removes one that was refused.
async fn note(proved: &Cache<Key, ()>, key: &Key, verdict: &Verdict) {
    match verdict {
        Verdict::Member(_) => proved.insert(key.clone(), ()).await,
        Verdict::Refused(_) => proved.invalidate(key).await,
        Verdict::Unknown(_) => {}
    }
}

/// Tries each scheme until one is accepted. An upstream error ends the loop, because it says nothing about
/// the token. `known`: the token proved a member recently and uses permits that unknown tokens
/// cannot take.
async fn ask_about_token(token: &UnverifiedToken, organizacao: &Organizacao, known: bool) -> Verdict {
    let mut refused = 401;
    for scheme in token.schemes() {
        let credential = Credential::new(*scheme, token.token().clone());
        let answer = if known {
            organizacao.known_user(&credential).await
        } else {
            organizacao.authenticated_user(&credential).await
        };
        match answer {
            Ok(proof) => {
                return Verdict::Member(ProvedMember {
                    identity: Arc::new(proof.identity),
                    scheme: Some(*scheme),
                    instance_id: Some(proof.instance_id),
                    since: Instant::now(),
                });
            }
            Err(Error::InvalidCredential { status }) => refused = status,
            Err(Error::Forbidden) => refused = 403,
            Err(error) => return Verdict::Unknown(error),
        }
    }
    Verdict::Refused(refused)
}

/// Queries with the service's own PAT whether a person is a member of an organisation.
async fn ask_about_person(person: Uuid, organizacao: Organizacao, pat: Credential) -> Verdict {
    match organizacao.identity(&pat, person).await {
        Ok(Some(identity)) => Verdict::Member(ProvedMember {
            identity: Arc::new(identity),
            scheme: None,
            instance_id: None,
            since: Instant::now(),
        }),
        Ok(None) => Verdict::Refused(404),
        // A refusal of the service's own PAT does not concern the caller.
        Err(error) => Verdict::Unknown(error),
    }
}

/// Lifetime of each kind of answer.
struct Lifetime {
    ttl: Duration,
}

impl Lifetime {
    fn of(&self, verdict: &Verdict) -> Duration {
        match verdict {
            Verdict::Member(_) => self.ttl,
            Verdict::Refused(_) => REFUSED_TTL.min(self.ttl),
            Verdict::Unknown(_) => UNKNOWN_TTL,
        }
    }
}

impl Expiry<Key, Verdict> for Lifetime {
    fn expire_after_create(&self, _: &Key, verdict: &Verdict, _: Instant) -> Option<Duration> {
        Some(self.of(verdict))
    }

    fn expire_after_update(
        &self,
        _: &Key,
        verdict: &Verdict,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.of(verdict))
    }
}
