//! What surrounds every request: its id, its log line, the body of its error, and the headers of every answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use uuid::Uuid;

use super::client_ip::client_ip;
use super::problem::{CONTENT_TYPE_PROBLEM, Problem};
use crate::lifecycle::Draining;
use crate::telemetry::metrics;
use crate::telemetry::request::{self, RequestContext};
use crate::telemetry::trace::Span;

/// Name of the header that carries the request id both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Routes that are asked every few seconds, by everything that watches: what they answer is worth a line only when it is bad news.
const PROBES: [&str; 4] = ["/", "/health", "/healthz", "/ready"];

/// Address that a request comes from, as far as trusted proxies tell.
#[derive(Debug, Clone, Copy)]
pub struct ClientIp(pub IpAddr);

/// What [`observe`] needs.
#[derive(Debug, Clone)]
pub struct Observer {
    trusted_proxies: Arc<[IpNet]>,
    draining: Draining,
    warned_of_proxy: Arc<AtomicBool>,
}

impl Observer {
    /// Believes `trusted_proxies`; closes connections once `draining`.
    #[must_use]
    pub fn new(trusted_proxies: &[IpNet], draining: Draining) -> Self {
        Self {
            trusted_proxies: trusted_proxies.into(),
            draining,
            warned_of_proxy: Arc::default(),
        }
    }

    fn client_ip(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        // Without a peer address (a test that calls the router directly) everybody is one client.
        let peer = peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |info| info.0);
        let ip = client_ip(request.headers(), peer, &self.trusted_proxies);
        let unbelieved = ip == peer.ip() && request.headers().contains_key("x-forwarded-for");
        if unbelieved && !self.warned_of_proxy.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                peer = %ip,
                "a proxy that is not in TRUSTED_PROXIES forwards requests: all its clients share one rate limit"
            );
        }
        ip
    }
}

/// Outermost layer but for the trailing slash.
pub async fn observe(State(observer): State<Observer>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let client = observer.client_ip(&request);
    request.extensions_mut().insert(ClientIp(client));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>();
    let route: Arc<str> = route.map_or("unmatched", MatchedPath::as_str).into();
    let span = Span::of_request(method.as_str(), &route, request.headers());
    let context = RequestContext {
        id: Arc::clone(&id),
        method: method.clone(),
        route: Arc::clone(&route),
        span: span.clone(),
    };

    request::scope(context, async move {
        let _active = metrics::active_request(method.as_str());
        let unanswered = Unanswered { client, started };
        let mut response = next.run(request).await;
        std::mem::forget(unanswered);
        let problem = take_problem(&mut response);
        if let Some(problem) = &problem {
            write_problem(&mut response, problem, &id, &method);
        }
        set_common_headers(response.headers_mut(), &id, observer.draining.is_set());
        log(&response, problem.as_ref(), &route, client, started);
        let (status, code) = (response.status().as_u16(), problem.as_ref().map(|p| p.code));
        metrics::request(method.as_str(), route, status, code, started.elapsed());
        span.end(Some(status), code);
        response
    })
    .await
}

/// Logs a request whose client went away: hyper then drops the work in the middle, and nobody would know of it.
struct Unanswered {
    client: IpAddr,
    started: Instant,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let (client, elapsed_ms) = (self.client, elapsed_ms(self.started));
        tracing::info!(elapsed_ms, %client, "the client went away before the answer");
    }
}

/// Milliseconds with three digits behind the point.
fn elapsed_ms(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// For [`tower_http::catch_panic`]: the panic hook has logged what happened.
#[must_use]
pub fn panic_response(_payload: Box<dyn std::any::Any + Send>) -> Response {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// The caller's id if it is one (letters, digits, `.`, `_`, `-`, at most 64), else a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let well_formed = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(well_formed)
        .map_or_else(
            || {
                Uuid::now_v7()
                    .hyphenated()
                    .encode_lower(&mut Uuid::encode_buffer())
                    .into()
            },
            Arc::from,
        )
}

/// The handler's problem, or for a bare error of some layer the one that its status means.
fn take_problem(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = content_type.is_some_and(|value| value.starts_with(b"application/json"));
    ((status.is_client_error() || status.is_server_error()) && !is_json).then(|| Problem::of_status(status))
}

fn write_problem(response: &mut Response, problem: &Problem, id: &str, method: &Method) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_PROBLEM));
    let body = problem.body(id);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    // RFC 9110, 9.3.2: an answer to HEAD has no body.
    *response.body_mut() = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from(body)
    };
}

fn set_common_headers(headers: &mut HeaderMap, id: &str, draining: bool) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    if draining {
        // A client that keeps the connection would meet a closed one with its next request.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

fn log(response: &Response, problem: Option<&Problem>, route: &str, client: IpAddr, started: Instant) {
    let status = response.status().as_u16();
    let elapsed_ms = elapsed_ms(started);
    let code = problem.map(|p| p.code);
    match problem.and_then(|p| p.cause.as_deref()) {
        Some(cause) if status >= 500 => {
            let cause = chain(cause);
            if status == 500 {
                tracing::error!(status, code, elapsed_ms, %client, cause, "request failed");
            } else {
                tracing::warn!(status, code, elapsed_ms, %client, cause, "request failed");
            }
        }
        _ if status < 400 && PROBES.contains(&route) => {
            tracing::debug!(status, elapsed_ms, %client, "request");
        }
        _ => tracing::info!(status, code, elapsed_ms, %client, "request"),
    }
}

/// The whole chain of causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn a_request_id_is_taken_over_only_if_well_formed() {
        let with = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            request_id(&headers)
        };
        assert_eq!(&*with("ci-run_42.a"), "ci-run_42.a");
        for bad in ["", "a b", "x\"y", "{}", &"a".repeat(65)] {
            assert!(Uuid::parse_str(&with(bad)).is_ok(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_request_brings_its_id_can_stand_in_a_log_line(header in arbitrary::header_bytes()) {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(&header).unwrap());
            let id = request_id(&headers);
            prop_assert!((1..=64).contains(&id.len()));
            prop_assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
            prop_assert!(id.as_bytes() == header || Uuid::parse_str(&id).is_ok());
        }
    }
}
