//! What surrounds every request: its id, whom it comes from, how long it takes. How its answer leaves is in `answer`.

mod answer;
mod line_budget;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::header::{HeaderMap, HeaderName};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use tower::{Layer, Service};
use tracing::{Instrument, Span};
use uuid::Uuid;

use answer::{Line, elapsed_ms, log, set_common_headers, set_own_headers, take_problem, write_problem};
use line_budget::LineBudget;

use super::client_ip::{client_ip, network_of};
use super::partial;
use super::problem::Problem;
use super::stale;
use crate::config::HttpConfig;
use crate::lifecycle::Draining;
use crate::telemetry::metrics::{self, ActiveRequests};
use crate::telemetry::request::{self, RequestContext};
use crate::telemetry::trace;

/// Name of the header that carries the request id both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Address that a request comes from, as far as trusted proxies tell.
#[derive(Debug, Clone, Copy)]
pub struct ClientIp(pub IpAddr);

/// The layer around everything but the trailing slash. Cheap to clone, which a router does with every request.
#[derive(Debug, Clone)]
pub struct Observer(Arc<Watch>);

#[derive(Debug)]
struct Watch {
    trusted_proxies: Box<[IpNet]>,
    draining: Draining,
    probes: Vec<&'static str>,
    warned_of_proxy: AtomicBool,
    active: ActiveRequests,
    request_timeout: Duration,
    lines: Arc<LineBudget>,
}

impl Observer {
    /// Believes the trusted proxies; closes connections once `draining`. Routes of `probes` are asked every few seconds, by everything that
    /// watches: what they answer is worth a line only when it is bad news.
    #[must_use]
    pub fn new(config: &HttpConfig, draining: Draining, probes: Vec<&'static str>) -> Self {
        Self(Arc::new(Watch {
            trusted_proxies: config.trusted_proxies.as_slice().into(),
            draining,
            probes,
            warned_of_proxy: AtomicBool::default(),
            active: ActiveRequests::default(),
            request_timeout: config.request_timeout,
            lines: LineBudget::new(config.log_requests_per_second),
        }))
    }
}

impl<S> Layer<S> for Observer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            watch: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service whose requests are observed.
#[derive(Debug, Clone)]
pub struct Observed<S> {
    watch: Arc<Watch>,
    inner: S,
}

// Not `middleware::from_fn`: it copies all that is below it with every request.
impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let arrived = Arrived::now(&self.watch, &mut request);
        let work = self.inner.call(request);
        Box::pin(arrived.answered(Arc::clone(&self.watch), work))
    }
}

impl Watch {
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

/// What is known of a request before anything is done for it.
struct Arrived {
    started: Instant,
    client: IpAddr,
    /// Whether the request is about one organisation.
    names_one: bool,
    method: Method,
    route: Arc<str>,
    span: Span,
    context: RequestContext,
}

impl Arrived {
    /// Notes it, and in the request whom it comes from.
    fn now(watch: &Watch, request: &mut Request) -> Self {
        let started = Instant::now();
        let client = watch.client_ip(request);
        request.extensions_mut().insert(ClientIp(client));
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>();
        let route: Arc<str> = route.map_or("unmatched", MatchedPath::as_str).into();
        let id = request_id(request.headers());
        let parent = trace::parent(request.headers());
        Self {
            started,
            client,
            names_one: partial::names_one(request.uri().query()),
            span: trace::of_request(&id, method.as_str(), &route, &parent),
            method,
            route,
            context: RequestContext {
                id,
                parent,
                network: network_of(client),
                deadline: started + watch.request_timeout,
                caller: Arc::default(),
                stale: Arc::default(),
            },
        }
    }

    /// Does the work as part of the request, and makes the answer whole.
    async fn answered<R: IntoResponse>(
        self,
        watch: Arc<Watch>,
        work: impl Future<Output = Result<R, Infallible>>,
    ) -> Result<Response, Infallible> {
        let Self {
            started,
            client,
            names_one,
            method,
            route,
            span,
            context,
        } = self;
        let RequestContext {
            id,
            caller,
            stale,
            network,
            ..
        } = context.clone();
        let current = span.clone();
        let answer = async move {
            let _active = watch.active.enter(&method);
            let unanswered = Unanswered {
                lines: &watch.lines,
                network,
                client,
                started,
            };
            let Ok(response) = work.await;
            let mut response = response.into_response();
            std::mem::forget(unanswered);
            let problem = take_problem(&mut response);
            if let Some(problem) = &problem {
                write_problem(&mut response, problem, &id, &method);
            }
            set_common_headers(response.headers_mut());
            set_own_headers(response.headers_mut(), &id, watch.draining.is_set());
            let lacking = caller.get().and_then(|caller| caller.lacking.as_deref());
            if let Some(lacking) = lacking.filter(|_| !names_one) {
                partial::mark(response.headers_mut(), lacking);
            }
            // An error holds no data.
            if let Some(names) = stale.names().filter(|_| response.status().as_u16() < 400) {
                stale::mark(response.headers_mut(), &names);
            }
            let is_probe = watch.probes.contains(&&*route);
            if let Some(omitted) = watch.lines.admit(network, Instant::now()) {
                log(&Line {
                    response: &response,
                    problem: problem.as_ref(),
                    is_probe,
                    client,
                    started,
                    caller: caller.get(),
                    omitted,
                });
            }
            let (status, code) = (
                response.status().as_u16(),
                problem.as_ref().map(|p| p.code.as_str()),
            );
            metrics::request(&method, route, status, code, started.elapsed());
            trace::end(&span, Some(status), code);
            Ok(response)
        };
        request::scope(context, answer.instrument(current)).await
    }
}

/// Logs a request whose client went away: hyper then drops the work in the middle, and nobody would know of it.
struct Unanswered<'a> {
    lines: &'a LineBudget,
    network: IpAddr,
    client: IpAddr,
    started: Instant,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let Some(omitted) = self.lines.admit(self.network, Instant::now()) else {
            return;
        };
        let omitted = (omitted > 0).then_some(omitted);
        let (client, elapsed_ms) = (self.client, elapsed_ms(self.started));
        tracing::info!(elapsed_ms, %client, omitted, "the client went away before the answer");
    }
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
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
