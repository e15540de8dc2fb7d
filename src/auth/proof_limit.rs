//! Limits the unknown tokens of one address: the proof of each costs a call to every organisation.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use moka::future::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::azure_devops::Fingerprint;
use crate::error::{Error, Result};
use crate::telemetry::metrics;

/// Burst of an address as a multiple of its tokens per second: people behind one address sign in together.
const BURST_FACTOR: u32 = 4;
/// Maximum number of concurrent queries for unknown tokens of one address: half of the permits that an
/// organisation has for unknown tokens, so that slow answers leave permits to other addresses.
const AT_ONCE: usize = 2;
/// Maximum time that a request waits for a permit of its address.
const PATIENCE: Duration = Duration::from_secs(2);
/// `Retry-After` of a request that got no permit in time.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Time after which an idle address is removed from the caches, followed by the maximum number of addresses.
const IDLE: Duration = Duration::from_mins(1);
const MOST: u64 = 20_000;
/// Number of queries between two removals of idle addresses, which bounds the memory.
const SWEEP_EVERY: u32 = 1_000;

/// Permit to prove an unknown token, held while the proof is in flight.
pub(super) struct ProofPermit {
    pub(super) _token_lock: OwnedMutexGuard<()>,
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

/// Rate limits of addresses for tokens that proved no member recently.
pub(super) struct ProofLimiter {
    /// `None`: not limited.
    limiter: Option<RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock>>,
    checks: AtomicU32,
    permits: Cache<IpAddr, Arc<Semaphore>>,
    tokens: Cache<Fingerprint, Arc<Mutex<()>>>,
}

impl ProofLimiter {
    /// Creates the limits with `per_second` tokens per address; `None`: no limit.
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        let quota = |per_second: NonZeroU32| {
            let burst = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_FACTOR - 1));
            Quota::per_second(per_second).allow_burst(burst)
        };
        Self {
            limiter: per_second.map(|per_second| RateLimiter::dashmap(quota(per_second))),
            checks: AtomicU32::new(0),
            permits: Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build(),
            tokens: Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build(),
        }
    }

    /// Waits until no other request queries this token.
    pub(super) async fn lock_token(&self, token: Fingerprint) -> OwnedMutexGuard<()> {
        let first = self.tokens.get_with(token, async { Arc::default() }).await;
        first.lock_owned().await
    }

    /// Waits for a permit of this network to query an unknown token; the permit is held while the query is in
    /// flight. Returns `None` where no limit applies.
    ///
    /// # Errors
    /// [`Error::TooManyProofs`] when the network exceeds its rate or gets no permit in time.
    pub(super) async fn acquire(&self, network: Option<IpAddr>) -> Result<Option<OwnedSemaphorePermit>> {
        self.admit(network)?;
        let Some(network) = network.filter(|ip| self.limiter.is_some() && !ip.is_loopback()) else {
            return Ok(None);
        };
        let permits = async { Arc::new(Semaphore::new(AT_ONCE)) };
        let permits = self.permits.get_with(network, permits).await;
        if let Ok(permit) = timeout(PATIENCE, permits.acquire_owned()).await {
            return Ok(permit.ok());
        }
        metrics::proof_refused();
        Err(Error::TooManyProofs {
            retry_after: RETRY_AFTER,
        })
    }

    /// Checks the rate of unknown tokens of this network. Loopback addresses are not limited.
    ///
    /// # Errors
    /// [`Error::TooManyProofs`] with the time until the next permitted query.
    fn admit(&self, network: Option<IpAddr>) -> Result<()> {
        let Some((limiter, network)) = self.limiter.as_ref().zip(network) else {
            return Ok(());
        };
        if network.is_loopback() {
            return Ok(());
        }
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            limiter.retain_recent();
        }
        limiter.check_key(&network).map_err(|not_until| {
            metrics::proof_refused();
            Error::TooManyProofs {
                retry_after: not_until.wait_time_from(DefaultClock::default().now()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_a_budget_of_its_own() {
        let proof_limiter = ProofLimiter::new(NonZeroU32::new(5));
        let address = |last: u8| Some(IpAddr::from([203, 0, 113, last]));
        for _ in 0..20 {
            assert!(proof_limiter.admit(address(1)).is_ok());
        }
        let refused = proof_limiter.admit(address(1)).unwrap_err();
        assert!(refused.retry_after().is_some(), "{refused}");
        assert!(proof_limiter.admit(address(2)).is_ok());
        for _ in 0..100 {
            assert!(proof_limiter.admit(Some(IpAddr::from([127, 0, 0, 1]))).is_ok());
            assert!(proof_limiter.admit(None).is_ok());
        }
    }

    #[tokio::test]
    async fn one_address_asks_about_two_tokens_at_a_time() {
        let proof_limiter = ProofLimiter::new(NonZeroU32::new(5));
        let address = |last: u8| Some(IpAddr::from([203, 0, 113, last]));
        let first = proof_limiter.acquire(address(1)).await.unwrap();
        let second = proof_limiter.acquire(address(1)).await.unwrap();
        assert!(first.is_some() && second.is_some());
        let refused = proof_limiter.acquire(address(1)).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(RETRY_AFTER));
        assert!(proof_limiter.acquire(address(2)).await.is_ok());
        drop(first);
        assert!(proof_limiter.acquire(address(1)).await.is_ok());
    }
}
