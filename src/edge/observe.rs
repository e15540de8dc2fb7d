//! Runs every request in its context, completes its answer, logs and measures it. `answer` writes the body
//! and the line.

mod answer;
mod line_budget;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use tracing::{Instrument, Span};

use answer::{Line, elapsed_ms, log, take_problem, write_problem};
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

/// Address that a request comes from, as far as trusted proxies tell.
#[derive(Debug, Clone, Copy)]
pub struct ClientIp(pub IpAddr);

/// State of [`observe`]. Cheap to clone.
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
    /// Trusts the configured proxies; closes connections once `draining`. Successful answers of the routes in
    /// `probes`, which monitors request every few seconds, are logged at `debug`.
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

/// Runs a request in its context and span, and completes its answer. Needs the request id as a header.
pub async fn observe(State(Observer(watch)): State<Observer>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let client = watch.client_ip(&request);
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
        deadline: started + watch.request_timeout,
        caller: Arc::default(),
        stale: Arc::default(),
    };
    let asked = Asked {
        method: request.method().clone(),
        route: route.into(),
        names_one: partial::names_one(request.uri().query()),
        client,
        started,
        context: context.clone(),
    };
    let work = async move {
        let _active = watch.active.enter(&asked.method);
        let unanswered = Unanswered {
            lines: &watch.lines,
            network: asked.context.network,
            client,
            started,
        };
        let response = next.run(request).await;
        std::mem::forget(unanswered);
        watch.complete(response, &asked)
    };
    request::scope(context, work.instrument(span)).await
}

/// What is known of a request before anything is done for it.
struct Asked {
    method: Method,
    route: Arc<str>,
    /// Whether the request is about one organisation.
    names_one: bool,
    client: IpAddr,
    started: Instant,
    context: RequestContext,
}

impl Watch {
    fn client_ip(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        // Without a peer address (a test that calls the router directly) all requests are one client.
        let peer = peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |info| info.0);
        let ip = client_ip(request.headers(), peer, &self.trusted_proxies);
        let unbelieved = ip == peer.ip() && request.headers().contains_key("x-forwarded-for");
        if unbelieved && !self.warned_of_proxy.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                peer = %ip,
                "untrusted proxy forwards requests: its clients share one rate limit (TRUSTED_PROXIES)"
            );
        }
        ip
    }

    /// Writes the body of a problem and the headers of this answer; logs and measures it.
    fn complete(&self, mut response: Response, asked: &Asked) -> Response {
        let RequestContext {
            id,
            network,
            caller,
            stale,
            ..
        } = &asked.context;
        let problem = take_problem(&mut response);
        if let Some(problem) = &problem {
            write_problem(&mut response, problem, id, &asked.method);
        }
        let status = response.status().as_u16();
        let headers = response.headers_mut();
        if self.draining.is_set() {
            // A client that keeps the connection would meet a closed one with its next request.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let undecided = caller.get().and_then(|caller| caller.undecided.as_deref());
        if let Some(undecided) = undecided.filter(|_| !asked.names_one) {
            partial::mark(headers, undecided);
        }
        // An error holds no data.
        if let Some(names) = stale.names().filter(|_| status < 400) {
            stale::mark(headers, &names);
        }
        if let Some(omitted) = self.lines.admit(*network, Instant::now()) {
            log(&Line {
                response: &response,
                problem: problem.as_ref(),
                is_probe: self.probes.contains(&&*asked.route),
                client: asked.client,
                started: asked.started,
                caller: caller.get(),
                omitted,
            });
        }
        let code = problem.as_ref().map(|p| p.code.as_str());
        let elapsed = asked.started.elapsed();
        metrics::request(&asked.method, Arc::clone(&asked.route), status, code, elapsed);
        trace::end(&Span::current(), status, code);
        response
    }
}

/// Logs a request whose client went away: hyper then drops the work in the middle, without an answer.
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
        tracing::info!(elapsed_ms, %client, omitted, "client disconnected before the response");
    }
}

/// For [`tower_http::catch_panic`]: the panic hook has logged what happened.
#[must_use]
pub fn panic_response(_payload: Box<dyn std::any::Any + Send>) -> Response {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
