//! Runs every request in its context, completes its response, logs and measures it. `answer` writes the body
//! and the log line.

mod answer;
mod line_budget;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{CONNECTION, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use tracing::{Instrument, Span};

use answer::{LogLine, elapsed_ms, log, take_problem, write_problem};
use line_budget::LineBudget;

use super::client_ip::{client_ip, network_of};
use super::partial;
use super::problem::Problem;
use super::request_id::REQUEST_ID;
use super::stale;
use crate::config::HttpConfig;
use crate::lifecycle::Draining;
use crate::telemetry::metrics::{self, ActiveRequests};
use crate::telemetry::request::{self, RequestContext};
use crate::telemetry::trace;

/// Header that browsers add to every request (W3C "Fetch Metadata Request Headers").
const FETCH_SITE: &str = "sec-fetch-site";

/// Challenge for clients that send a PAT as password (RFC 7617). Browsers get none: they would ask for a
/// password, keep it, and attach it to requests that other sites make.
const BASIC: HeaderValue = HeaderValue::from_static(r#"Basic realm="API Aponta", charset="UTF-8""#);

/// Address of the client, as reported by trusted proxies.
#[derive(Debug, Clone, Copy)]
pub struct ClientIp(pub IpAddr);

/// State of [`observe`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Observer(Arc<ObserverState>);

#[derive(Debug)]
struct ObserverState {
    trusted_proxies: Box<[IpNet]>,
    draining: Draining,
    probes: Vec<&'static str>,
    warned_of_proxy: AtomicBool,
    active: ActiveRequests,
    request_timeout: Duration,
    lines: Arc<LineBudget>,
}

impl Observer {
    /// Creates the state with the configured proxies; connections are closed while `draining`. Successful
    /// responses of the routes in `probes`, which monitors request every few seconds, are logged at `debug`.
    #[must_use]
    pub fn new(config: &HttpConfig, draining: Draining, probes: Vec<&'static str>) -> Self {
        Self(Arc::new(ObserverState {
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

/// Runs a request in its context and span, and completes its response. Requires the request id as a header.
pub async fn observe(State(Observer(state)): State<Observer>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let client = state.client_ip(&request);
    request.extensions_mut().insert(ClientIp(client));
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("unmatched", MatchedPath::as_str);
    let id = request.headers().get(REQUEST_ID);
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let parent = trace::parent(request.headers());
    let span = trace::of_request(id, request.method().as_str(), route, &parent);
    let context = RequestContext {
        id: id.into(),
        parent,
        network: network_of(client),
        deadline: started + state.request_timeout,
        caller: Arc::default(),
        stale: Arc::default(),
    };
    let info = RequestInfo {
        method: request.method().clone(),
        route: route.into(),
        is_about_one_organization: partial::is_about_one_organization(request.uri().query()),
        is_browser: request.headers().contains_key(ORIGIN) || request.headers().contains_key(FETCH_SITE),
        client,
        started,
        context: context.clone(),
    };
    let work = async move {
        let _active = state.active.enter(&info.method);
        let abort_guard = AbortGuard {
            lines: &state.lines,
            network: info.context.network,
            client,
            started,
        };
        let response = next.run(request).await;
        std::mem::forget(abort_guard);
        state.complete(response, &info)
    };
    request::scope(context, work.instrument(span)).await
}

/// Properties of a request that are known before it runs.
struct RequestInfo {
    method: Method,
    route: Arc<str>,
    /// `true` if the request names one organisation.
    is_about_one_organization: bool,
    /// `true` if a browser sent the request for a page.
    is_browser: bool,
    client: IpAddr,
    started: Instant,
    context: RequestContext,
}

impl ObserverState {
    fn client_ip(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        // Without a peer address (in tests that call the router directly) all requests count as one client.
        let peer = peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |info| info.0);
        let ip = client_ip(request.headers(), peer, &self.trusted_proxies);
        let is_untrusted = ip == peer.ip() && request.headers().contains_key("x-forwarded-for");
        if is_untrusted && !self.warned_of_proxy.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                peer = %ip,
                "untrusted proxy forwards requests: its clients share one rate limit (TRUSTED_PROXIES)"
            );
        }
        ip
    }

    /// Writes the body of a problem and the response headers; logs and measures the response.
    fn complete(&self, mut response: Response, info: &RequestInfo) -> Response {
        let RequestContext {
            id,
            network,
            caller,
            stale,
            ..
        } = &info.context;
        let problem = take_problem(&mut response);
        if let Some(problem) = &problem {
            write_problem(&mut response, problem, id, &info.method);
        }
        if response.status() == StatusCode::UNAUTHORIZED && !info.is_browser {
            response.headers_mut().append(WWW_AUTHENTICATE, BASIC);
        }
        let status = response.status().as_u16();
        let headers = response.headers_mut();
        if self.draining.is_set() {
            // A client that reused the connection would find it closed at its next request.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let undecided = caller.get().and_then(|caller| caller.undecided.as_deref());
        if let Some(undecided) = undecided.filter(|_| !info.is_about_one_organization) {
            partial::mark(headers, undecided);
        }
        // An error response contains no data that could be stale.
        if let Some(names) = stale.names().filter(|_| status < 400) {
            stale::mark(headers, &names);
        }
        if let Some(omitted) = self.lines.admit(*network, Instant::now()) {
            log(&LogLine {
                response: &response,
                problem: problem.as_ref(),
                is_probe: self.probes.contains(&&*info.route),
                client: info.client,
                started: info.started,
                caller: caller.get(),
                omitted,
            });
        }
        let code = problem.as_ref().map(|p| p.code.as_str());
        let elapsed = info.started.elapsed();
        metrics::request(&info.method, Arc::clone(&info.route), status, code, elapsed);
        trace::end(&Span::current(), status, code);
        response
    }
}

/// Logs a request whose connection ends before its response, as at the end of a shutdown's patience.
struct AbortGuard<'a> {
    lines: &'a LineBudget,
    network: IpAddr,
    client: IpAddr,
    started: Instant,
}

impl Drop for AbortGuard<'_> {
    fn drop(&mut self) {
        let Some(omitted) = self.lines.admit(self.network, Instant::now()) else {
            return;
        };
        let omitted = (omitted > 0).then_some(omitted);
        let (client, elapsed_ms) = (self.client, elapsed_ms(self.started));
        tracing::info!(elapsed_ms, %client, omitted, "connection ended before the response");
    }
}

/// Returns the response of [`tower_http::catch_panic`]; the panic hook has already logged the panic.
#[must_use]
pub fn panic_response(_payload: Box<dyn std::any::Any + Send>) -> Response {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
