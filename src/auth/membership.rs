//! Queries organisations for the membership of a token's owner or of a person, and caches the verdicts for a
//! short time. Simultaneous requests share one call to Azure DevOps. Tokens are not stored, only keyed hashes
//! of them.
//!
//! A token that proved a member stays known for hours: its calls take no permits of unknown tokens. While it
//! is in use, its proof is renewed in the background before it expires.

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

/// Maximum number of entries of each cache; a verdict takes about 300 bytes.
const MOST: u64 = 20_000;
/// Time after which a renewal that never ended, for example by a panic, is begun again.
const RENEWAL_TTL: Duration = Duration::from_mins(2);
/// Lifetime of a cached refusal: short enough for a new PAT to work soon, long enough to make a flood of
/// invalid tokens cheap. A shorter `AUTH_CACHE_TTL` shortens it.
const REFUSED_TTL: Duration = Duration::from_secs(10);
/// Time for which a token counts as known after it last proved a member. A known token is proved again as
/// often as any other one; only its calls do not wait behind those of unknown tokens.
const PROVED_TTL: Duration = Duration::from_hours(12);
/// Lifetime of a cached upstream error: long enough for the requests that wait together, short enough for a
/// recovery to be noticed at once.
const UNKNOWN_TTL: Duration = Duration::from_secs(2);

/// Answer of an organisation about a token or a person.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// A member.
    Member(ProvedMember),
    /// Not a member. Contains the HTTP status of the refusal, for the text of the error response.
    Refused(u16),
    /// Undecided because of an upstream error, which the caller gets if no organisation accepts the caller.
    Unknown(Error),
}

/// Member whose identity an organisation proved.
#[derive(Debug, Clone)]
pub(super) struct ProvedMember {
    pub(super) identity: Arc<Identity>,
    /// Scheme in which the token was accepted; `None` for a query by person.
    pub(super) scheme: Option<Scheme>,
    /// Id of the organisation that answered; `None` for a query by person, because the identity service does
    /// not report it.
    pub(super) instance_id: Option<Uuid>,
    /// Time of the answer; the proof is renewed once half of its lifetime has passed since then.
    pub(super) since: Instant,
}

/// Subject of a cached verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    /// Hash of a token with the schemes to try: a token that is refused when it is sent as a password only
    /// (Basic) may still be accepted as a bearer token.
    Token(Fingerprint, &'static [Scheme]),
    /// Id of a person who is looked up with the service's own PAT: the local id once it is learnt, else the
    /// id in the app token.
    Person(Uuid),
}

/// Key of the caches: one subject in one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    organizacao: NomeOrganizacao,
    subject: Subject,
}

/// Caches the verdicts of organisations about tokens and people.
#[derive(Debug, Clone)]
pub(super) struct Memberships {
    /// Verdicts; [`Lifetime`] sets how long each kind is kept.
    cache: Cache<Key, Verdict>,
    /// Lifetime of a proof of membership (`AUTH_CACHE_TTL`).
    ttl: Duration,
    /// Tokens that proved a member within `PROVED_TTL`: the known ones.
    proved: Cache<Key, ()>,
    /// Proofs that are being renewed, so that one request renews each and the others go on.
    renewing: Cache<Key, ()>,
    /// Ids that an organisation uses for people whose app tokens contain another id.
    pub(super) local_ids: LocalIds,
}

impl Memberships {
    /// Creates empty caches; `ttl` is the lifetime of a proof of membership.
    pub(super) fn new(ttl: Duration) -> Self {
        let cache = Cache::builder().max_capacity(MOST).expire_after(Lifetime { ttl });
        let proved = Cache::builder().max_capacity(MOST).time_to_live(PROVED_TTL);
        Self {
            cache: cache.build(),
            ttl,
            proved: proved.build(),
            renewing: Cache::builder()
                .max_capacity(MOST)
                .time_to_live(RENEWAL_TTL)
                .build(),
            local_ids: LocalIds::new(),
        }
    }

    /// Returns the verdict of this organisation on `token`. A cached proof older than half its lifetime is
    /// returned at once and renewed in the background, so that a member who works waits for no renewal.
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

    /// Renews a proof by `ask` in the background, unless that is under way already. A refusal takes effect at
    /// once; after an upstream error the old proof stays valid until it expires.
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

    /// Returns `true` if the organisation has no cached verdict on the token and the token did not prove a
    /// member within `PROVED_TTL`. Such a token is queried only with a permit of the client's
    /// address.
    pub(super) fn is_new(&self, token: &UnverifiedToken, tenant: &Tenant) -> bool {
        let key = token_key(token, tenant);
        !self.cache.contains_key(&key) && !self.proved.contains_key(&key)
    }

    /// Returns `true` if the token proved a member of this organisation within `PROVED_TTL`.
    pub(super) fn was_recently_proved(&self, token: &UnverifiedToken, tenant: &Tenant) -> bool {
        self.proved.contains_key(&token_key(token, tenant))
    }

    /// Returns the verdict of this organisation on a person. Without a PAT of the service the organisation
    /// cannot be queried and counts as refusing; an access token of the caller can still prove the
    /// membership.
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

    /// Returns the cached verdict, or runs the query `ask` and caches its verdict; simultaneous requests
    /// share one query. The query is a task of its own, so that a cancelled request does not end it for the
    /// others.
    async fn ask(&self, key: Key, ask: impl Future<Output = Verdict> + Send + 'static) -> Verdict {
        if let Some(verdict) = self.cache.get(&key).await {
            let refused = matches!(verdict, Verdict::Refused(_));
            metrics::auth_cache(if refused { "refused" } else { "hit" });
            return verdict;
        }
        metrics::auth_cache("miss");
        let cache = self.cache.clone();
        let asking = tokio::spawn(request::inherit(async move { cache.get_with(key, ask).await }));
        // The task has no result only if the query panicked or the process is ending.
        asking.await.unwrap_or(Verdict::Unknown(Error::Timeout))
    }

    /// Caches for `UNKNOWN_TTL` that an organisation is undecided, because it has not answered in time: no
    /// further request waits for it. The query goes on, and its late answer replaces this verdict.
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

    /// Returns the verdict of this organisation on the subject of the question, from the cache if possible.
    pub(super) async fn of(&self, question: &MembershipQuery<'_>, tenant: &Tenant) -> Verdict {
        match question {
            MembershipQuery::Token(token) => self.of_token(token, tenant).await,
            MembershipQuery::Person(person) => self.of_person(*person, tenant).await,
        }
    }
}

/// Question to an organisation.
#[derive(Debug, Clone, Copy)]
pub(super) enum MembershipQuery<'a> {
    /// Asks which member the token proves.
    Token(&'a UnverifiedToken),
    /// Asks whether the person with this id, local or that of an app token, is a member.
    Person(Uuid),
}

/// Returns the key of a token; it contains only a hash of the token.
fn token_key(token: &UnverifiedToken, tenant: &Tenant) -> Key {
    let fingerprint = Fingerprint::of(token.token().expose_secret());
    Key {
        organizacao: tenant.organizacao.nome().clone(),
        subject: Subject::Token(fingerprint, token.schemes()),
    }
}

/// Returns the key of a person, whose id is the local one if that is known.
fn person_key(person: Uuid, tenant: &Tenant) -> Key {
    Key {
        organizacao: tenant.organizacao.nome().clone(),
        subject: Subject::Person(person),
    }
}

/// Records a token that proved a member, and removes one that was refused. An upstream error says nothing
/// about the token and changes nothing.
async fn note(proved: &Cache<Key, ()>, key: &Key, verdict: &Verdict) {
    match verdict {
        Verdict::Member(_) => proved.insert(key.clone(), ()).await,
        Verdict::Refused(_) => proved.invalidate(key).await,
        Verdict::Unknown(_) => {}
    }
}

/// Tries the schemes of the token until the organisation accepts one; if it accepts none, the status of the
/// last refusal counts. An upstream error says nothing about the token, so it ends the attempts undecided.
/// `known`: the token proved a member within `PROVED_TTL`, so its calls take no permit of unknown tokens.
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

/// Queries with the service's own PAT whether a person is a member of an organisation. The status 404 stands
/// for a person whom the organisation does not know as active.
async fn ask_about_person(person: Uuid, organizacao: Organizacao, pat: Credential) -> Verdict {
    match organizacao.identity(&pat, person).await {
        Ok(Some(identity)) => Verdict::Member(ProvedMember {
            identity: Arc::new(identity),
            scheme: None,
            instance_id: None,
            since: Instant::now(),
        }),
        Ok(None) => Verdict::Refused(404),
        // A refusal of the service's own PAT says nothing about the person.
        Err(error) => Verdict::Unknown(error),
    }
}

/// Lifetimes of cached verdicts by their kind. A replaced verdict starts a new lifetime.
struct Lifetime {
    /// Lifetime of a proof of membership.
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
