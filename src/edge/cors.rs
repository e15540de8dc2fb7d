//! CORS: the extension's frontends run on other origins.

use std::time::Duration;

use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, ORIGIN, RETRY_AFTER,
};
use axum::http::{HeaderName, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::idempotency::REPLAYED;
use super::pagination::TOTAL_COUNT;
use super::partial::PARTIAL;
use super::preference::{APPLIED, PREFER};
use super::stale::STALE;
use crate::config::http::OriginPattern;

/// Maximum time that a browser may cache a preflight; the FastAPI service's value.
const MAX_AGE: Duration = Duration::from_mins(10);

/// Returns the layer that permits calls from pages of `origins`. It answers preflights itself and adds its
/// headers to all other responses, including errors (D-10).
pub fn layer(origins: &[OriginPattern]) -> CorsLayer {
    let origins = origins.to_vec();
    let allow_origin = AllowOrigin::predicate(move |origin, _| {
        origin
            .to_str()
            .is_ok_and(|origin| origins.iter().any(|pattern| pattern.matches(origin)))
    });
    CorsLayer::new()
        .allow_origin(allow_origin)
        .allow_credentials(true)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            PREFER,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
            HeaderName::from_static("x-azure-access-token"),
            HeaderName::from_static("x-custom-header"),
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            ETAG,
            LINK,
            LOCATION,
            RETRY_AFTER,
            APPLIED,
            REPLAYED,
            PARTIAL,
            STALE,
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            HeaderName::from_static("x-request-id"),
            TOTAL_COUNT,
        ])
        // A cached response was made for this origin only (RFC 9110, 12.5.5).
        .vary([ORIGIN])
        .max_age(MAX_AGE)
}
