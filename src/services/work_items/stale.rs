//! Values that outlive their fresh time: reads for display get the last good value, marked as stale, if Azure
//! DevOps gives no new one in time. Rules for entries and the write-back never get stale values.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::azure_devops::{Credential, Error, Fingerprint, Organizacao};
use crate::models::organizacao::NomeOrganizacao;
use crate::telemetry::request;

/// Time after the end of its fresh time during which a value may be served as stale.
const STALE_FOR: Duration = Duration::from_mins(15);
const MOST_DELAYED: u64 = 10_000;

/// Freshness that a read requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Only a fresh value; otherwise an error.
    Required,
    /// A stale value rather than none.
    Preferred,
}

/// Credentials whose calls recently got no answer. A request with several reads waits for one of them, not
/// for each.
#[derive(Debug, Clone)]
pub(super) struct Delayed(Cache<(NomeOrganizacao, Fingerprint), ()>);

impl Delayed {
    /// Creates a list whose credentials are not used for calls during `time`, if a stale value is available.
    pub(super) fn new(time: Duration) -> Self {
        Self(super::cache::cache(MOST_DELAYED, time))
    }
}

/// Describes a read: organisation, credential, and whether a stale value is accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) organizacao: &'a Organizacao,
    pub(super) credential: &'a Credential,
    pub(super) freshness: Freshness,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        organizacao: &'a Organizacao,
        credential: &'a Credential,
        freshness: Freshness,
    ) -> Self {
        Self {
            organizacao,
            credential,
            freshness,
        }
    }

    /// Creates a read that accepts a stale value.
    pub(super) fn lenient(organizacao: &'a Organizacao, credential: &'a Credential) -> Self {
        Self::new(organizacao, credential, Freshness::Preferred)
    }

    /// Creates a read that requires a fresh value.
    pub(super) fn strict(organizacao: &'a Organizacao, credential: &'a Credential) -> Self {
        Self::new(organizacao, credential, Freshness::Required)
    }

    pub(super) fn key(&self) -> (NomeOrganizacao, Fingerprint) {
        (self.organizacao.nome().clone(), self.credential.fingerprint())
    }

    /// Returns `true` if a stale value is served without a call.
    pub(super) fn is_delayed(&self, delayed: &Delayed) -> bool {
        self.freshness == Freshness::Preferred && delayed.0.contains_key(&self.key())
    }

    /// Returns `true` if a stale value may be served after this error, and then records the delay.
    pub(super) async fn accepts_stale_after(&self, error: &Error, delayed: &Delayed) -> bool {
        let accepts = self.freshness == Freshness::Preferred && error.is_away();
        if accepts {
            delayed.0.insert(self.key(), ()).await;
        }
        accepts
    }

    /// Records that the response to the current request holds a stale value.
    pub(super) fn mark_stale(&self) {
        request::note_stale(&self.organizacao.nome().percent_encoded());
    }
}

/// Cache that also serves values for a while after their fresh time. Concurrent reads of a key are coalesced.
#[derive(Debug, Clone)]
pub(super) struct StaleCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fresh: Cache<K, V>,
    last: Cache<K, V>,
}

impl<K, V> StaleCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Creates a cache of at most `most` values that are fresh for `ttl`.
    pub(super) fn new(most: u64, ttl: Duration) -> Self {
        Self {
            fresh: super::cache::cache(most, ttl),
            last: super::cache::cache(most, ttl + STALE_FOR),
        }
    }

    /// Returns a fresh value, read by `ask` if it is not cached, or else a stale one if the read accepts it.
    pub(super) async fn get<F>(
        &self,
        reading: Reading<'_>,
        delayed: &Delayed,
        key: K,
        ask: impl FnOnce() -> F,
    ) -> Result<V, Error>
    where
        F: Future<Output = Result<V, Error>>,
    {
        if let Some(fresh) = self.fresh(&key).await {
            return Ok(fresh);
        }
        if reading.is_delayed(delayed)
            && let Some(stale) = self.stale(&key).await
        {
            reading.mark_stale();
            return Ok(stale);
        }
        // Boxed, because most reads find a fresh value and make no call.
        let error = match Box::pin(self.ask(reading, &key, ask())).await {
            Ok(fresh) => return Ok(fresh),
            Err(error) => error,
        };
        if reading.accepts_stale_after(&error, delayed).await
            && let Some(stale) = self.stale(&key).await
        {
            reading.mark_stale();
            return Ok(stale);
        }
        if !error.is_away() {
            // Azure DevOps gave another answer, perhaps a refusal: the old value is not served any more.
            self.last.invalidate(&key).await;
        }
        Err(error)
    }

    async fn ask(
        &self,
        reading: Reading<'_>,
        key: &K,
        ask: impl Future<Output = Result<V, Error>>,
    ) -> Result<V, Error> {
        if reading.organizacao.is_patient() {
            // Not coalesced: a person does not wait as long as background work.
            let value = ask.await?;
            self.insert(key.clone(), value.clone()).await;
            return Ok(value);
        }
        let ask = async {
            let value = ask.await?;
            self.last.insert(key.clone(), value.clone()).await;
            Ok::<V, Error>(value)
        };
        let value = self.fresh.try_get_with(key.clone(), ask).await;
        value.map_err(|error: Arc<Error>| Error::clone(&error))
    }

    pub(super) async fn fresh(&self, key: &K) -> Option<V> {
        self.fresh.get(key).await
    }

    pub(super) async fn stale(&self, key: &K) -> Option<V> {
        self.last.get(key).await
    }

    pub(super) async fn insert(&self, key: K, value: V) {
        self.last.insert(key.clone(), value.clone()).await;
        self.fresh.insert(key, value).await;
    }

    /// Ends the fresh time of a value.
    pub(super) async fn expire(&self, key: &K) {
        self.fresh.invalidate(key).await;
    }
}
