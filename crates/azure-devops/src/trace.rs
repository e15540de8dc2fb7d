//! Spans of calls, and the header that passes the trace to Azure DevOps (W3C Trace Context).

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use reqwest::header::HeaderMap;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Target of the spans of `aponta`, which its log filter never disables.
const TARGET: &str = "aponta::spans";

/// Returns the span of a call as a child of the current span.
pub(super) fn of_call(method: &str, operation: &'static str, server: &str) -> Span {
    let span = info_span!(
        target: TARGET,
        "call",
        %operation,
        otel.kind = "client",
        otel.name = operation,
    );
    span.set_attribute("http.request.method", method.to_owned());
    span.set_attribute("server.address", server.to_owned());
    span
}

/// Ends the exported span and sets the kind of the error.
pub(super) fn end(span: &Span, error: Option<&'static str>) {
    if let Some(error) = error {
        span.set_attribute("error.type", error);
        span.set_status(Status::error(error));
    }
    span.context().span().end();
}

/// Adds the current span to the headers of a call; without a collector, the current OpenTelemetry context.
pub(super) fn inject(headers: &mut HeaderMap) {
    let current = Span::current().context();
    let context = if current.span().span_context().is_valid() {
        current
    } else {
        Context::current()
    };
    TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
}
