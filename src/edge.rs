//! HTTP infrastructure shared by all resources: errors, extractors, limits, CORS, request ids, OpenAPI
//! document.

pub mod body;
pub mod client_ip;
pub mod conditional;
pub mod cors;
pub mod extract;
pub use aponta_fields as fields;
pub mod framing;
pub mod headers;
pub mod idempotency;
pub mod instant;
pub mod metrics;
pub mod observe;
pub mod openapi;
pub mod pagination;
pub mod partial;
pub mod preference;
pub mod problem;
pub mod rate_limit;
pub mod request_id;
pub mod stale;
