//! Budgets of addresses and, above them, of IPv6 sites. They apply to all requests, independent of the
//! credential.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use governor::middleware::NoOpMiddleware;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use super::{period, sweep};
use crate::config::RateLimitConfig;
use crate::edge::client_ip::{network_of, site_of};
use crate::edge::observe::ClientIp;

/// Budget of an address as a multiple of a caller's budget.
const ADDRESS_FACTOR: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Budget of an IPv6 site as a multiple of an address's budget.
const SITE_FACTOR: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// Layer of one kind of budget; the caller of `layers` builds the response to refused requests.
pub(super) type PlainLayer<K> = GovernorLayer<K, NoOpMiddleware, Body>;

/// Budgets of all addresses and sites for one group of routes. Cheap to clone.
#[derive(Clone)]
pub struct AddressBudgets {
    by_address: Arc<GovernorConfig<ByAddress, NoOpMiddleware>>,
    by_site: Arc<GovernorConfig<BySite, NoOpMiddleware>>,
}

impl std::fmt::Debug for AddressBudgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressBudgets").finish_non_exhaustive()
    }
}

impl AddressBudgets {
    /// Creates budgets as multiples of `config`. Returns `None` only for numbers that a valid configuration
    /// never contains.
    #[must_use]
    pub fn new(config: RateLimitConfig) -> Option<Self> {
        let per_address = times(config, ADDRESS_FACTOR);
        let budgets = Self {
            by_address: Arc::new(plain_buckets(per_address, ByAddress)?),
            by_site: Arc::new(plain_buckets(times(per_address, SITE_FACTOR), BySite)?),
        };
        sweep(budgets.by_address.limiter(), governor::RateLimiter::retain_recent);
        sweep(budgets.by_site.limiter(), governor::RateLimiter::retain_recent);
        Some(budgets)
    }

    /// Takes one request from the budgets of `client`. Returns `false` if a budget is exhausted.
    #[must_use]
    pub fn admit(&self, client: IpAddr) -> bool {
        let network = network_of(client);
        self.by_site.limiter().check_key(&site_of(network)).is_ok()
            && self.by_address.limiter().check_key(&network).is_ok()
    }

    /// Returns the layers that take each request from the budgets; the site's layer is the outer one.
    pub(super) fn layers(&self) -> (PlainLayer<BySite>, PlainLayer<ByAddress>) {
        (
            GovernorLayer::new(Arc::clone(&self.by_site)),
            GovernorLayer::new(Arc::clone(&self.by_address)),
        )
    }
}

fn times(config: RateLimitConfig, factor: NonZeroU32) -> RateLimitConfig {
    RateLimitConfig {
        per_second: config.per_second.saturating_mul(factor),
        burst: config.burst.saturating_mul(factor),
    }
}

fn plain_buckets<K: KeyExtractor>(
    config: RateLimitConfig,
    key: K,
) -> Option<GovernorConfig<K, NoOpMiddleware>> {
    GovernorConfigBuilder::default()
        .period(period(config))
        .burst_size(config.burst.get())
        .key_extractor(key)
        .finish()
}

/// Extracts the site of a request: the /48 of an IPv6 address, else the address.
#[derive(Debug, Clone, Copy)]
pub(super) struct BySite;

impl KeyExtractor for BySite {
    type Key = IpAddr;

    fn extract<T>(&self, request: &Request<T>) -> Result<IpAddr, GovernorError> {
        ByAddress.extract(request).map(site_of)
    }
}

/// Extracts the address of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByAddress;

impl KeyExtractor for ByAddress {
    type Key = IpAddr;

    fn extract<T>(&self, request: &Request<T>) -> Result<IpAddr, GovernorError> {
        let ip = request
            .extensions()
            .get::<ClientIp>()
            .ok_or(GovernorError::UnableToExtractKey)?;
        Ok(network_of(ip.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn largest_rate_that_the_configuration_takes_still_limits() {
        let largest = crate::config::http::RATE_MAX;
        let config = RateLimitConfig {
            per_second: largest,
            burst: largest,
        };
        assert!(AddressBudgets::new(config).is_some());
    }

    #[tokio::test]
    async fn address_has_the_budget_of_twenty_callers() {
        let config = RateLimitConfig {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::new(2).unwrap(),
        };
        let budgets = AddressBudgets::new(config).unwrap();
        let client = IpAddr::from([10, 0, 0, 1]);
        assert!((0..40).all(|_| budgets.admit(client)));
        assert!(!budgets.admit(client));
        assert!(budgets.admit(IpAddr::from([10, 0, 0, 2])));
    }
}
