//! Asks organisations whether they know a person, and remembers the answer for a short while: one question
//! upstream for any number of simultaneous requests. Tokens are not kept, only keyed hashes of them.

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

/// Answers remembered at the most; about 300 bytes each.
const MOST: u64 = 20_000;
/// A refusal is remembered for this long: a new PAT works soon, a flood of made-up ones costs little.
const REFUSED_TTL: Duration = Duration::from_secs(10);
/// How long a token counts as known once it proved a member. It is asked about as often as others all the
/// same.
const PROVED_TTL: Duration = Duration::from_hours(12);
/// Lifetime of remembered trouble: just long enough for the requests that wait together.
const UNKNOWN_TTL: Duration = Duration::from_secs(2);

/// Answer of an organisation about a person.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// A member.
    Member(ProvedMember),
    /// Not one; with the status that said so.
    Refused(u16),
    /// Not known at the moment.
    Unknown(Error),
}

/// Member whose identity an organisation proved.
#[derive(Debug, Clone)]
pub(super) struct ProvedMember {
    pub(super) identity: Arc<Identity>,
    /// Form in which the token was accepted, if a token was.
    pub(super) scheme: Option<Scheme>,
    /// Id of the organisation that answered, where the answer told it.
    pub(super) instance_id: Option<Uuid>,
    /// When it was proved.
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
    /// How long a proof counts.
    ttl: Duration,
    /// Tokens that proved a member lately: they do not wait for their turn behind made-up ones.
    proved: Cache<Key, ()>,
    /// Proofs that are being renewed.
    renewing: Cache<Key, ()>,
    /// Local ids of people that app tokens name by another id.
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

    /// Returns the identity that `token` proves to this organisation.
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

    /// Asks again in the background about a caller whose proof is over soon. A refusal counts at once;
    /// trouble leaves the proof to its end.
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

    /// Returns `true` if an organisation is about to be asked about a token that it does not know.
    pub(super) fn is_new(&self, token: &UnverifiedToken, tenant: &Tenant) -> bool {
        let key = token_key(token, tenant);
        !self.cache.contains_key(&key) && !self.proved.contains_key(&key)
    }

    /// Returns `true` if the token proved a member of this organisation within the last hours.
    pub(super) fn was_recently_proved(&self, token: &UnverifiedToken, tenant: &Tenant) -> bool {
        self.proved.contains_key(&token_key(token, tenant))
    }

    /// Whether this organisation knows the person. Without a PAT of ours there is no answer: not a member.
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

    /// The remembered answer, or that of a task of its own: the request may be cancelled, the answer is kept
    /// for the others.
    async fn ask(&self, key: Key, ask: impl Future<Output = Verdict> + Send + 'static) -> Verdict {
        if let Some(verdict) = self.cache.get(&key).await {
            let refused = matches!(verdict, Verdict::Refused(_));
            metrics::auth_cache(if refused { "refused" } else { "hit" });
            return verdict;
        }
        metrics::auth_cache("miss");
        let cache = self.cache.clone();
        let asking = tokio::spawn(request::inherit(async move { cache.get_with(key, ask).await }));
        // It ends otherwise only with the process.
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
    /// Asks for the identity that the token proves.
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

/// Remembers known people, and forgets refused ones.
async fn note(proved: &Cache<Key, ()>, key: &Key, verdict: &Verdict) {
    match verdict {
        Verdict::Member(_) => proved.insert(key.clone(), ()).await,
        Verdict::Refused(_) => proved.invalidate(key).await,
        Verdict::Unknown(_) => {}
    }
}

/// Tries each form until one is accepted. Trouble ends it: it says nothing about the token. `known`: the
/// token proved a member lately, and has turns that strangers do not take.
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

/// Asks with the service's own PAT whether an organisation knows a person.
async fn ask_about_person(person: Uuid, organizacao: Organizacao, pat: Credential) -> Verdict {
    match organizacao.identity(&pat, person).await {
        Ok(Some(identity)) => Verdict::Member(ProvedMember {
            identity: Arc::new(identity),
            scheme: None,
            instance_id: None,
            since: Instant::now(),
        }),
        Ok(None) => Verdict::Refused(404),
        // Our own PAT being refused is our trouble, not the caller's.
        Err(error) => Verdict::Unknown(error),
    }
}

/// How long each kind of answer lasts.
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
