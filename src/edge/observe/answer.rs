//! Completion of a response: the body of an error, and the log line.

use std::net::IpAddr;
use std::time::Instant;

use axum::body::Body;
use axum::http::Method;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::response::Response;

use crate::edge::problem::{CONTENT_TYPE_PROBLEM, Problem};
use crate::telemetry::request::Caller;

/// Returns the elapsed milliseconds with three fractional digits.
pub(super) fn elapsed_ms(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// Returns the handler's problem, or for a bare error of a layer the problem of its status.
pub(super) fn take_problem(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = content_type.is_some_and(|value| value.starts_with(b"application/json"));
    ((status.is_client_error() || status.is_server_error()) && !is_json).then(|| Problem::of_status(status))
}

pub(super) fn write_problem(response: &mut Response, problem: &Problem, id: &str, method: &Method) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_PROBLEM));
    let body = problem.body(id);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    // RFC 9110, 9.3.2: a response to HEAD has no body.
    *response.body_mut() = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from(body)
    };
}

/// Fields of the log line of a request.
pub(super) struct LogLine<'a> {
    pub(super) response: &'a Response,
    pub(super) problem: Option<&'a Problem>,
    pub(super) is_probe: bool,
    pub(super) client: IpAddr,
    pub(super) started: Instant,
    /// Logged only for refused requests.
    pub(super) caller: Option<&'a Caller>,
    /// Number of omitted lines of the address before this one.
    pub(super) omitted: u64,
}

/// Writes the log line. Causes of status 500 are errors, causes above 500 warnings.
pub(super) fn log(line: &LogLine<'_>) {
    let client = line.client;
    let status = line.response.status().as_u16();
    let elapsed_ms = elapsed_ms(line.started);
    let code = line.problem.map(|p| p.code.as_str());
    let omitted = (line.omitted > 0).then_some(line.omitted);
    let refused = line.caller.filter(|_| status >= 400);
    let caller = refused.map(|caller| caller.id.as_str());
    let organizacoes = refused.map(|caller| caller.organizacoes.as_str());
    match line.problem.and_then(|p| p.cause.as_deref()) {
        Some(cause) if status == 500 => {
            let cause = chain(cause);
            tracing::error!(status, code, elapsed_ms, %client, caller, organizacoes, omitted, cause, "request failed");
        }
        Some(cause) if status > 500 => {
            let cause = chain(cause);
            tracing::warn!(status, code, elapsed_ms, %client, caller, organizacoes, omitted, cause, "request failed");
        }
        _ if status < 400 && line.is_probe => {
            tracing::debug!(status, elapsed_ms, %client, omitted, "request");
        }
        _ => tracing::info!(status, code, elapsed_ms, %client, caller, organizacoes, omitted, "request"),
    }
}

/// Returns the whole chain of causes in one line.
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
