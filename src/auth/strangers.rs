//! How many unknown tokens one address may have asked about: each one costs a call to every organisation.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::error::{Error, Result};
use crate::telemetry::metrics;

/// An address may show so many times its tokens of a second at once: people behind one address sign in together.
const BURST_FACTOR: u32 = 4;
/// Number of questions after which addresses that are quiet again are forgotten, which bounds the memory.
const SWEEP_EVERY: u32 = 1_000;

/// Budgets of addresses for tokens that proved no member lately.
pub(super) struct Strangers {
    /// `None`: not limited.
    limiter: Option<RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock>>,
    asked: AtomicU32,
}

impl Strangers {
    /// So many tokens a second for each address; `None`: any number.
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        let quota = |per_second: NonZeroU32| {
            let burst = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_FACTOR - 1));
            Quota::per_second(per_second).allow_burst(burst)
        };
        Self {
            limiter: per_second.map(|per_second| RateLimiter::dashmap(quota(per_second))),
            asked: AtomicU32::new(0),
        }
    }

    /// Lets an unknown token of this network through, or says when to come back. The machine itself is not limited.
    ///
    /// # Errors
    /// [`Error::TooManyProofs`].
    pub(super) fn admit(&self, network: Option<IpAddr>) -> Result<()> {
        let Some((limiter, network)) = self.limiter.as_ref().zip(network) else {
            return Ok(());
        };
        if network.is_loopback() {
            return Ok(());
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
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
        let strangers = Strangers::new(NonZeroU32::new(5));
        let address = |last: u8| Some(IpAddr::from([203, 0, 113, last]));
        for _ in 0..20 {
            assert!(strangers.admit(address(1)).is_ok());
        }
        let refused = strangers.admit(address(1)).unwrap_err();
        assert!(refused.retry_after().is_some(), "{refused}");
        assert!(strangers.admit(address(2)).is_ok());
        for _ in 0..100 {
            assert!(strangers.admit(Some(IpAddr::from([127, 0, 0, 1]))).is_ok());
            assert!(strangers.admit(None).is_ok());
        }
    }
}
