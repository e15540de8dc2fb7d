//! A token bucket per caller, a larger one per address, and one per IPv6 site above its addresses.
//!
//! The caller is the credential, unproved at this point, else the address. Because made-up credentials would each
//! have a bucket of their own, all requests of one address share a second one, `ADDRESS_FACTOR` times as large:
//! an office behind one address fits in, a flood does not. A site (/48) that owns 65,536 networks has one bucket of
//! `SITE_FACTOR` addresses. Headers: draft-ietf-httpapi-ratelimit-headers-10.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use secrecy::ExposeSecret;
use tower::ServiceBuilder;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use super::client_ip::{network_of, site_of};
use super::observe::ClientIp;
use super::problem::Problem;
use crate::config::RateLimitConfig;
use crate::models::authorization::Authorization;
use crate::telemetry::metrics;

/// How many callers of full appetite one address may hold.
const ADDRESS_FACTOR: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// How many addresses of full appetite one IPv6 site may hold.
const SITE_FACTOR: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// How often buckets that are full again are forgotten, which bounds the memory.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Whom a bucket belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Hash of the token or password, under a key of this process, whatever scheme and user it came with: the
    /// credential itself is not kept.
    Credential(u64),
    /// Address, or IPv6 network, of a request without credential.
    Address(IpAddr),
}

static HASH_KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Finds the caller of a request.
#[derive(Debug, Clone, Copy)]
struct ByCaller;

impl KeyExtractor for ByCaller {
    type Key = Caller;

    fn extract<T>(&self, request: &Request<T>) -> Result<Caller, GovernorError> {
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let shown = header.map(Authorization::parse);
        match shown.as_ref().and_then(Authorization::secret) {
            Some(secret) => Ok(Caller::Credential(HASH_KEY.hash_one(secret.expose_secret()))),
            None => ByAddress.extract(request).map(Caller::Address),
        }
    }
}

/// Finds the site of a request: the /48 of an IPv6 address, else the address.
#[derive(Debug, Clone, Copy)]
struct BySite;

impl KeyExtractor for BySite {
    type Key = IpAddr;

    fn extract<T>(&self, request: &Request<T>) -> Result<IpAddr, GovernorError> {
        ByAddress.extract(request).map(site_of)
    }
}

/// Finds the address of a request.
#[derive(Debug, Clone, Copy)]
struct ByAddress;

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

/// Puts the limits around the routes of `router`.
pub fn apply<S: Clone + Send + Sync + 'static>(router: Router<S>, config: RateLimitConfig) -> Router<S> {
    let per_address = RateLimitConfig {
        per_second: config.per_second.saturating_mul(ADDRESS_FACTOR),
        burst: config.burst.saturating_mul(ADDRESS_FACTOR),
    };
    let per_site = RateLimitConfig {
        per_second: per_address.per_second.saturating_mul(SITE_FACTOR),
        burst: per_address.burst.saturating_mul(SITE_FACTOR),
    };
    let (Some(by_caller), Some(by_address), Some(by_site)) = (
        caller_buckets(config),
        plain_buckets(per_address, ByAddress),
        plain_buckets(per_site, BySite),
    ) else {
        // All numbers are positive, so the builders have nothing to refuse.
        return router;
    };
    let (by_caller, by_address, by_site) = (Arc::new(by_caller), Arc::new(by_address), Arc::new(by_site));
    let buckets = Arc::clone(by_site.limiter());
    sweep(&buckets, governor::RateLimiter::retain_recent);
    let buckets = Arc::clone(by_caller.limiter());
    sweep(&buckets, governor::RateLimiter::retain_recent);
    let buckets = Arc::clone(by_address.limiter());
    sweep(&buckets, governor::RateLimiter::retain_recent);
    let refuse = move |error| refusal(&error, config);
    // One stack: a router copies all that is below each layer that it is given, with every request.
    let limits = ServiceBuilder::new()
        .layer(GovernorLayer::new(by_site).error_handler(refuse))
        .layer(GovernorLayer::new(by_address).error_handler(refuse))
        .map_response(move |response| with_standard_headers(response, config))
        .layer(GovernorLayer::new(by_caller).error_handler(refuse));
    router.layer(limits)
}

fn caller_buckets(config: RateLimitConfig) -> Option<GovernorConfig<ByCaller, StateInformationMiddleware>> {
    GovernorConfigBuilder::default()
        .period(period(config))
        .burst_size(config.burst.get())
        .key_extractor(ByCaller)
        .use_headers()
        .finish()
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

/// Time in which one token comes back. (The builder's `per_second(n)` means one token every n seconds.)
fn period(config: RateLimitConfig) -> Duration {
    Duration::from_secs(1) / config.per_second.get()
}

/// Forgets full buckets now and then, for as long as the limiter lives.
fn sweep<L: Send + Sync + 'static>(limiter: &Arc<L>, forget: impl Fn(&L) + Send + 'static) {
    let limiter = Arc::downgrade(limiter);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            match limiter.upgrade() {
                Some(limiter) => forget(&limiter),
                None => return,
            }
        }
    });
}

fn refusal(error: &GovernorError, config: RateLimitConfig) -> Response<Body> {
    let GovernorError::TooManyRequests { wait_time, .. } = error else {
        return Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response();
    };
    metrics::rate_limited();
    let wait = Duration::from_secs((*wait_time).max(1));
    let mut response = Problem::of_status(StatusCode::TOO_MANY_REQUESTS)
        .retry_after(wait)
        .into_response();
    set_headers(response.headers_mut(), config, 0, wait.as_secs());
    response
}

/// Replaces the headers of `tower_governor` by those of the draft.
fn with_standard_headers(mut response: Response<Body>, config: RateLimitConfig) -> Response<Body> {
    let headers = response.headers_mut();
    headers.remove("x-ratelimit-limit");
    let remaining = headers
        .remove("x-ratelimit-remaining")
        .and_then(|v| v.to_str().ok()?.parse::<u32>().ok());
    if let Some(remaining) = remaining {
        let used = config.burst.get().saturating_sub(remaining);
        set_headers(
            headers,
            config,
            remaining,
            u64::from(used.div_ceil(config.per_second.get())),
        );
    }
    response
}

/// `remaining` requests are left now; all are back in `reset` seconds.
fn set_headers(headers: &mut HeaderMap, config: RateLimitConfig, remaining: u32, reset: u64) {
    let (burst, window) = (config.burst, config.burst.get().div_ceil(config.per_second.get()));
    let policy = format!("\"default\";q={burst};w={window}");
    let state = format!("\"default\";r={remaining};t={reset}");
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_rate_that_the_configuration_takes_still_limits() {
        let largest = crate::config::http::RATE_MAX;
        let config = RateLimitConfig {
            per_second: largest,
            burst: largest,
        };
        assert!(caller_buckets(config).is_some());
        for factor in [ADDRESS_FACTOR, ADDRESS_FACTOR.saturating_mul(SITE_FACTOR)] {
            let rate = largest.saturating_mul(factor);
            let config = RateLimitConfig {
                per_second: rate,
                burst: rate,
            };
            assert!(plain_buckets(config, ByAddress).is_some());
        }
    }
}
