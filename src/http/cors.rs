//! Which web pages may call: the extension's frontends run on other origins.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION, ORIGIN, RETRY_AFTER,
    VARY,
};
use axum::http::{HeaderName, Method, Request, Response};
use futures_util::future::{Either, MapOk, TryFutureExt};
use tower::{Layer, Service};
use tower_http::cors::{self, AllowOrigin};

use super::idempotency::REPLAYED;
use super::partial::PARTIAL;
use crate::config::http::OriginPattern;

/// How long a browser may remember a preflight; what the FastAPI service said.
const MAX_AGE: Duration = Duration::from_mins(10);

/// The layer; answers preflights itself and puts its headers on every other answer to a page, errors included (D-10). Whoever
/// names no origin is no page, and learns only that answers depend on it. Cheap to clone, which a router does with every request.
#[derive(Debug, Clone)]
pub struct CorsLayer(Arc<cors::CorsLayer>);

impl CorsLayer {
    /// Lets pages of `origins` call.
    #[must_use]
    pub fn new(origins: &[OriginPattern]) -> Self {
        Self(Arc::new(for_pages(origins)))
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        Cors {
            pages: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service that pages may call.
#[derive(Debug, Clone)]
pub struct Cors<S> {
    pages: Arc<cors::CorsLayer>,
    inner: S,
}

/// An answer to somebody who is no page.
type Plain<F, B> = MapOk<F, fn(Response<B>) -> Response<B>>;

impl<S, A, B> Service<Request<A>> for Cors<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Either<Plain<S::Future, B>, cors::ResponseFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        if request.headers().contains_key(ORIGIN) || request.method() == Method::OPTIONS {
            let next = self.inner.clone();
            let ready = mem::replace(&mut self.inner, next);
            return Either::Right(self.pages.layer(ready).call(request));
        }
        Either::Left(self.inner.call(request).map_ok(depends_on_origin))
    }
}

/// What is kept by a cache was an answer to this origin only (RFC 9110, 12.5.5).
fn depends_on_origin<B>(mut response: Response<B>) -> Response<B> {
    response
        .headers_mut()
        .append(VARY, HeaderValue::from_static("origin"));
    response
}

fn for_pages(origins: &[OriginPattern]) -> cors::CorsLayer {
    let origins = origins.to_vec();
    let allow_origin = AllowOrigin::predicate(move |origin, _| {
        origin
            .to_str()
            .is_ok_and(|origin| origins.iter().any(|pattern| pattern.matches(origin)))
    });
    cors::CorsLayer::new()
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
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-azure-access-token"),
            HeaderName::from_static("x-custom-header"),
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            ETAG,
            LOCATION,
            RETRY_AFTER,
            REPLAYED,
            PARTIAL,
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(MAX_AGE)
}
