//! Headers of every response.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use tower_http::set_header::SetResponseHeaderLayer;

/// Content security policy of responses that are not a page.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";

type Set = SetResponseHeaderLayer<HeaderValue>;

/// Returns the layers that set the headers. A handler may override caching and the content security policy.
#[must_use]
pub fn layers() -> (Set, Set, Set, Set, Set) {
    let always = |name: HeaderName, value| Set::overriding(name, HeaderValue::from_static(value));
    let by_default = |name: HeaderName, value| Set::if_not_present(name, HeaderValue::from_static(value));
    (
        always(X_CONTENT_TYPE_OPTIONS, "nosniff"),
        always(X_FRAME_OPTIONS, "DENY"),
        always(REFERRER_POLICY, "no-referrer"),
        by_default(CACHE_CONTROL, "no-store"),
        by_default(CONTENT_SECURITY_POLICY, NO_PAGE),
    )
}
