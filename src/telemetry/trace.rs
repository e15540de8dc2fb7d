//! Traces: which one a request belongs to (W3C Trace Context), and spans for whoever collects them.
//!
//! Two kinds of span are made, a request and a call of Azure DevOps. Without a collector a trace that comes in is passed on
//! and named in the log, and nothing is kept.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::request;
use crate::config::TraceConfig;

/// Name of the instrumentation in traces.
const SCOPE: &str = "aponta";
/// W3C Trace Context, 3.2.
const TRACEPARENT: &str = "traceparent";
/// How long the collector may take to accept spans.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether spans are sent anywhere; otherwise none is made.
static EXPORTING: AtomicBool = AtomicBool::new(false);

/// Whether spans are sent to a collector.
#[must_use]
pub fn is_exporting() -> bool {
    EXPORTING.load(Ordering::Relaxed)
}

/// Sends spans until dropped; the last ones then.
#[derive(Debug)]
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Begins to send spans to the collector. Outside any async task: sending waits in a thread of its own.
    ///
    /// # Errors
    /// When there are no certificates to trust the collector with.
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
        global::set_tracer_provider(provider.clone());
        EXPORTING.store(true, Ordering::Relaxed);
        Ok(Self(provider))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// A span that is open, and what belongs below it. Ends when told to, or when dropped.
#[derive(Clone)]
pub struct Span(Context);

impl Span {
    /// For a request with these headers, below the span that they name, if they do.
    #[must_use]
    pub fn of_request(method: &str, route: &str, headers: &HeaderMap) -> Self {
        let parent = if headers.contains_key(TRACEPARENT) {
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
        } else {
            Context::new()
        };
        Self::start(parent, SpanKind::Server, || {
            let attributes = vec![
                KeyValue::new("http.request.method", method.to_owned()),
                KeyValue::new("http.route", route.to_owned()),
            ];
            (format!("{method} {route}"), attributes)
        })
    }

    /// For a call of Azure DevOps, below the request that it serves, if it serves one.
    #[must_use]
    pub fn of_call(method: &str, operation: &'static str, server: &str) -> Self {
        let parent = request::current_span().map_or_else(Context::new, |span| span.0);
        Self::start(parent, SpanKind::Client, || {
            let attributes = vec![
                KeyValue::new("http.request.method", method.to_owned()),
                KeyValue::new("server.address", server.to_owned()),
            ];
            (operation.to_owned(), attributes)
        })
    }

    fn start(parent: Context, kind: SpanKind, describe: impl FnOnce() -> (String, Vec<KeyValue>)) -> Self {
        if !is_exporting() {
            return Self(parent);
        }
        let (name, attributes) = describe();
        let tracer = global::tracer_provider().tracer(SCOPE);
        let builder = tracer
            .span_builder(name)
            .with_kind(kind)
            .with_attributes(attributes);
        let span = tracer.build_with_context(builder, &parent);
        Self(parent.with_span(span))
    }

    /// Ends it with what came of it: the status, and the kind of the error if it was one.
    pub fn end(&self, status: Option<u16>, error: Option<&str>) {
        let span = self.0.span();
        if let Some(status) = status {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.type", error.to_owned()));
            // A refusal is the caller's mistake, not a failure of the server (HTTP semantic conventions).
            if status.is_none_or(|status| status >= 500) {
                span.set_status(Status::error(error.to_owned()));
            }
        }
        span.end();
    }

    /// Names it in the headers of a request that belongs below it.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if self.context().is_valid() {
            TraceContextPropagator::new().inject_context(&self.0, &mut HeadersMut(headers));
        }
    }

    /// Id of the trace, as 32 hexadecimal digits, if there is one.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let context = self.context();
        context.is_valid().then(|| context.trace_id().to_string())
    }

    fn context(&self) -> SpanContext {
        self.0.span().span_context().clone()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.trace_id()).finish()
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn span(traceparent: &str) -> Span {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_str(traceparent).unwrap());
        Span::of_request("GET", "/", &headers)
    }

    #[test]
    fn a_trace_that_comes_in_is_passed_on() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let mut out = HeaderMap::new();
        let span = span(&parent);
        span.inject(&mut out);
        assert_eq!(out[TRACEPARENT], parent.as_str());
        assert_eq!(span.trace_id().as_deref(), Some(TRACE));
    }

    #[test]
    fn nonsense_is_no_trace() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            "x".to_owned(),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
        ] {
            let mut out = HeaderMap::new();
            let span = span(&bad);
            span.inject(&mut out);
            assert_eq!((span.trace_id(), out.is_empty()), (None, true), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_what_goes_out_is_a_trace_or_nothing(
            parent in prop_oneof![
                arbitrary::header_bytes().boxed(),
                "[0-9a-fA-F]{2}-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}(-x)?".prop_map(String::into_bytes).boxed(),
            ],
            state in arbitrary::header_bytes(),
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_bytes(&parent).unwrap());
            headers.insert("tracestate", HeaderValue::from_bytes(&state).unwrap());
            let span = Span::of_request("GET", "/", &headers);
            let mut out = HeaderMap::new();
            span.inject(&mut out);
            let Some(trace) = span.trace_id() else {
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
            let mut out = HeaderMap::new();
            span(&text).inject(&mut out);
            prop_assert_eq!(out[TRACEPARENT].to_str().unwrap(), text);
        }
    }
}
