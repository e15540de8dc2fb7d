//! The shortest way to the answer that probes get. They ask all the time, and must be answered however busy the process is: nothing is
//! routed for them. Whoever asks otherwise (a page, with a body, while somebody collects traces or log lines of requests) takes the long
//! way, through the routes of `routers/health.rs` and everything around them, to the same answer.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN, VARY};
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures_util::future::{Either, Ready, ready};
use tower::Service;

use super::observe::{Observer, logs_probes, set_common_headers};
use super::rate_limit::AddressBudgets;
use crate::telemetry::metrics::{self, Answered};
use crate::telemetry::trace;

/// Answers probes by itself, and leaves the rest to the routes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Liveness {
    answer: Arc<Answer>,
    rest: Router,
}

#[derive(Debug)]
struct Answer {
    observer: Observer,
    budgets: Option<AddressBudgets>,
    paths: Vec<(&'static str, OnceLock<Answered>)>,
    headers: HeaderMap,
    /// JSON.
    body: Bytes,
}

impl Liveness {
    /// Answers `body`, which is JSON, at `paths`; `rest` does so, too, and whatever else there is.
    #[must_use]
    pub fn new(
        paths: &[&'static str],
        body: Bytes,
        observer: Observer,
        budgets: Option<AddressBudgets>,
        rest: Router,
    ) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(VARY, HeaderValue::from_static("origin"));
        set_common_headers(&mut headers);
        Self {
            answer: Arc::new(Answer {
                observer,
                budgets,
                paths: paths.iter().map(|path| (*path, OnceLock::new())).collect(),
                headers,
                body,
            }),
            rest,
        }
    }
}

impl Answer {
    /// The answer, if this is the plain question.
    fn to(&self, request: &Request) -> Option<Response> {
        let started = Instant::now();
        if request.method() != Method::GET {
            return None;
        }
        let (path, answered) = self
            .paths
            .iter()
            .find(|(path, _)| *path == request.uri().path())?;
        let plain = !request.headers().contains_key(ORIGIN) && request.body().is_end_stream();
        if !plain || trace::is_exporting() || logs_probes() {
            return None;
        }
        let client = self.observer.client_ip(request);
        if self
            .budgets
            .as_ref()
            .is_some_and(|budgets| !budgets.admit(client))
        {
            // The routes share the budget, so they refuse the request, in the form of all refusals.
            return None;
        }
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.headers_mut() = self.headers.clone();
        self.observer.sign(request.headers(), response.headers_mut());
        let answered =
            answered.get_or_init(|| metrics::answered(request.method(), path, response.status().as_u16()));
        answered.after(started.elapsed());
        Some(response)
    }
}

impl Service<Request> for Liveness {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The routes are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.answer.to(&request) {
            Some(response) => Either::Left(ready(Ok(response))),
            None => Either::Right(self.rest.call(request)),
        }
    }
}
