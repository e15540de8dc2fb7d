//! Traces: the trace of a request (W3C Trace Context), and spans for a collector.
//!
//! There are two kinds of spans, requests to this service and calls in [`azure_devops`]; log lines contain
//! their fields. Without a collector an incoming trace is passed on unchanged, and no span is exported.

use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Status, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;
use tracing::field::display;
use tracing::{Span, Subscriber, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::TraceConfig;

/// Name of the instrumentation in traces.
const SCOPE: &str = "aponta";
/// Timeout of sending spans to the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Target of our spans, which the log filter never disables.
pub(super) const TARGET: &str = "aponta::spans";
/// Prefix of fields for the collector, which log lines omit.
pub(super) const FOR_COLLECTOR: &str = "otel.";

/// Sends spans until dropped; flushes the rest when dropped.
#[derive(Debug)]
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Starts sending spans to the collector. Must be called outside async tasks, because a separate thread
    /// blocks on sending.
    ///
    /// # Errors
    /// Returns an error if the machine has no trusted certificates for the collector.
    pub fn start(
        config: &TraceConfig,
        version: &'static str,
    ) -> Result<Self, opentelemetry_otlp::ExporterBuildError> {
        let headers = config.headers.iter();
        let headers = headers.flat_map(|headers| headers.expose_secret().split(','));
        let headers = headers
            .filter_map(|header| header.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(config.endpoint.as_str())
            .with_timeout(EXPORT_TIMEOUT)
            .with_headers(headers.collect())
            .build()?;
        let resource = Resource::builder_empty()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", version))
            .build();
        let sampler = Sampler::TraceIdRatioBased(config.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .build();
        Ok(Self(provider))
    }

    /// Returns the layer that exports our spans, but not those of libraries and not log lines.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SCOPE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(|metadata| {
                metadata.is_span() && metadata.target() == TARGET
            }))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "cannot flush spans at shutdown");
        }
    }
}

/// Returns the context of the span that the headers of a request name; invalid if the headers name none.
#[must_use]
pub fn parent(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
}

/// Returns the span of a request as a child of `parent`. `id` must be valid in log lines.
#[must_use]
pub fn of_request(id: &str, method: &str, route: &str, parent: &Context) -> Span {
    let trace = trace_id(parent);
    let span = info_span!(
        target: TARGET,
        parent: None,
        "request",
        request_id = %id,
        %method,
        %route,
        trace_id = trace.as_deref().map(display),
        otel.kind = "server",
        otel.name = format_args!("{method} {route}"),
    );
    // Fails without a collector, when there is no span that could have a parent.
    let _ = span.set_parent(parent.clone());
    span.set_attribute("http.request.method", method.to_owned());
    span.set_attribute("http.route", route.to_owned());
    if let (None, Some(begun)) = (trace, trace_id(&span.context())) {
        span.record("trace_id", display(begun));
    }
    span
}

/// Ends the exported span of a request with the status and the code of the problem. Tasks that outlive the
/// request may still log in the span.
pub fn end(span: &Span, status: u16, error: Option<&str>) {
    span.set_attribute("http.response.status_code", i64::from(status));
    if let Some(error) = error {
        span.set_attribute("error.type", error.to_owned());
        // A rejection is an error of the caller, not of the server (HTTP semantic conventions).
        if status >= 500 {
            span.set_status(Status::error(error.to_owned()));
        }
    }
    span.context().span().end();
}

/// Returns the id of the trace as 32 hexadecimal digits. Returns `None` if the context is invalid.
fn trace_id(context: &Context) -> Option<String> {
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| context.trace_id().to_string())
}

#[cfg(test)]
mod tests {
    use opentelemetry_http::HeaderInjector;
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;
    use aponta_domain::arbitrary;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const TRACEPARENT: &str = "traceparent";

    fn context(traceparent: &str) -> Context {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_str(traceparent).unwrap());
        parent(&headers)
    }

    fn injected(context: &Context) -> HeaderMap {
        let mut headers = HeaderMap::new();
        TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(&mut headers));
        headers
    }

    #[test]
    fn trace_that_comes_in_is_passed_on() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let context = context(&parent);
        assert_eq!(injected(&context)[TRACEPARENT], parent.as_str());
        assert_eq!(trace_id(&context).as_deref(), Some(TRACE));
    }

    #[test]
    fn malformed_traceparent_is_no_trace() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            "x".to_owned(),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
        ] {
            let context = context(&bad);
            assert_eq!(
                (trace_id(&context), injected(&context).is_empty()),
                (None, true),
                "{bad}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_headers_lead_to_a_trace_or_to_nothing(
            traceparent in prop_oneof![
                arbitrary::header_bytes().boxed(),
                "[0-9a-fA-F]{2}-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}(-x)?"
                    .prop_map(String::into_bytes).boxed(),
            ],
            state in arbitrary::header_bytes(),
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_bytes(&traceparent).unwrap());
            headers.insert("tracestate", HeaderValue::from_bytes(&state).unwrap());
            let context = parent(&headers);
            let out = injected(&context);
            let Some(trace) = trace_id(&context) else {
                prop_assert!(out.is_empty());
                return Ok(());
            };
            let hex = |text: &str, digits: usize| {
                text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            };
            let text = out[TRACEPARENT].to_str().unwrap();
            let parts: Vec<&str> = text.split('-').collect();
            prop_assert_eq!((parts.len(), parts[0], parts[1]), (4, "00", trace.as_str()));
            prop_assert!(hex(parts[1], 32) && hex(parts[2], 16) && hex(parts[3], 2), "{}", text);
        }

        #[test]
        fn every_trace_of_the_specification_is_passed_on(trace in 1_u128.., parent in 1_u64.., sampled: bool) {
            let text = format!("00-{trace:032x}-{parent:016x}-0{}", u8::from(sampled));
            let out = injected(&context(&text));
            prop_assert_eq!(out[TRACEPARENT].to_str().unwrap(), text);
        }
    }
}
