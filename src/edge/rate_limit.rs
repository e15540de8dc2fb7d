//! Rate limits: a token bucket per caller, a larger one per address, and one per IPv6 site above its
//! addresses.
//!
//! The caller is the credential, unverified at this point, else the address. Because each invented credential
//! would have a bucket of its own, all requests of one address share a second bucket, twenty times as large:
//! sufficient for an office behind one address, but not for a flood. A site (/48) of 65,536 networks has one
//! bucket of sixteen addresses.
//!
//! Documents and probes have separate budgets per address and site. Headers:
//! draft-ietf-httpapi-ratelimit-headers-10.

mod addresses;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use governor::middleware::StateInformationMiddleware;
use secrecy::ExposeSecret;
use tower::ServiceBuilder;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use super::problem::Problem;
use crate::config::RateLimitConfig;
use crate::models::authorization::Authorization;
use crate::supervisor::{Job, Supervisor};
use crate::telemetry::metrics;

pub use addresses::AddressBudgets;
use addresses::ByAddress;

/// Interval at which full buckets are removed, which bounds the memory.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Owner of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Hash of the token or password under a key of this process, independent of scheme and user name. The
    /// credential itself is not stored.
    Credential(u64),
    /// Address, or IPv6 network, of a request without a credential.
    Address(IpAddr),
}

static HASH_KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Extracts the caller of a request.
#[derive(Debug, Clone, Copy)]
struct ByCaller;

impl KeyExtractor for ByCaller {
    type Key = Caller;

    fn extract<T>(&self, request: &Request<T>) -> Result<Caller, GovernorError> {
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let authorization = header.map(Authorization::parse);
        match authorization.as_ref().and_then(Authorization::secret) {
            Some(secret) => Ok(Caller::Credential(HASH_KEY.hash_one(secret.expose_secret()))),
            None => ByAddress.extract(request).map(Caller::Address),
        }
    }
}

/// Applies the limits of callers, addresses and sites to the routes of `router`.
pub fn apply<S: Clone + Send + Sync + 'static>(router: Router<S>, config: RateLimitConfig) -> Router<S> {
    let (Some(addresses), Some(by_caller)) = (AddressBudgets::new(config), caller_buckets(config)) else {
        // All numbers are positive, so the builders never refuse them.
        return router;
    };
    let by_caller = Arc::new(by_caller);
    sweep(by_caller.limiter(), governor::RateLimiter::retain_recent);
    let refuse = move |error| refusal(&error, Some(config));
    let (site, address) = addresses.layers();
    // One stack: a router clones everything below each of its layers with every request.
    let limits = ServiceBuilder::new()
        .layer(site.error_handler(refuse))
        .layer(address.error_handler(refuse))
        .map_response(move |response| with_standard_headers(response, config))
        .layer(GovernorLayer::new(by_caller).error_handler(refuse));
    router.layer(limits)
}

/// Applies the limits of addresses and sites to routes without authentication: documents and probes.
pub fn apply_to_open<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    budgets: &AddressBudgets,
) -> Router<S> {
    let refuse = |error| refusal(&error, None);
    let (site, address) = budgets.layers();
    let limits = ServiceBuilder::new()
        .layer(site.error_handler(refuse))
        .layer(address.error_handler(refuse));
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

/// Returns the time in which one token is refilled. (The builder's `per_second(n)` means one token every n
/// seconds.)
fn period(config: RateLimitConfig) -> Duration {
    Duration::from_secs(1) / config.per_second.get()
}

/// Removes full buckets periodically, until the limiter is dropped.
fn sweep<L: Send + Sync + 'static>(limiter: &Arc<L>, forget: impl Fn(&L) + Copy + Send + 'static) {
    let limiter = Arc::downgrade(limiter);
    Supervisor::default().spawn(Job::RateLimitSweep, move || {
        let limiter = limiter.clone();
        async move {
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                match limiter.upgrade() {
                    Some(limiter) => forget(&limiter),
                    None => return,
                }
            }
        }
    });
}

/// Returns the response to a request beyond a limit; `config` adds the headers with the caller's own budget.
fn refusal(error: &GovernorError, config: Option<RateLimitConfig>) -> Response<Body> {
    let GovernorError::TooManyRequests { wait_time, .. } = error else {
        return Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response();
    };
    metrics::rate_limited();
    let wait = Duration::from_secs((*wait_time).max(1));
    let mut response = Problem::of_status(StatusCode::TOO_MANY_REQUESTS)
        .retry_after(wait)
        .into_response();
    if let Some(config) = config {
        set_headers(response.headers_mut(), config, 0, wait.as_secs());
    }
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

/// Sets the headers: `remaining` requests are left, and the quota is full again in `reset` seconds.
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
    fn largest_rate_that_the_configuration_takes_still_limits() {
        let largest = crate::config::http::RATE_MAX;
        let config = RateLimitConfig {
            per_second: largest,
            burst: largest,
        };
        assert!(caller_buckets(config).is_some());
    }
}
