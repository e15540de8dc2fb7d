//! The request that a task works for, and log formats that name it.
//!
//! Not a span: sqlx 0.9 enters the current span anew for every row, which cost a tenth of the throughput of a list.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::trace::Span;
use crate::config::LogFormat;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// What log lines say of the request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Request id; letters, digits, `.`, `_` and `-` only, so it needs no escaping.
    pub id: Arc<str>,
    /// HTTP method.
    pub method: Method,
    /// Template of the route.
    pub route: Arc<str>,
    /// Its span.
    pub span: Span,
    /// Address of the client, or the /64 of an IPv6 subscriber.
    pub network: IpAddr,
    /// When the request is given up.
    pub deadline: Instant,
    /// The caller, once proved.
    pub caller: Arc<OnceLock<Caller>>,
    /// Organisations of which the answer holds stale data.
    pub stale: Arc<StaleData>,
}

/// Names of organisations whose data in an answer is stale, percent-encoded.
#[derive(Debug, Default)]
pub struct StaleData(Mutex<BTreeSet<String>>);

impl StaleData {
    fn note(&self, organizacao: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(organizacao) {
            names.insert(organizacao.to_owned());
        }
    }

    /// Returns the names with commas between them; `None` without any.
    #[must_use]
    pub fn names(&self) -> Option<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        (!listed.is_empty()).then(|| listed.join(", "))
    }
}

/// What log lines say of a proved caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Identity GUID.
    pub id: String,
    /// Names of the organisations that the caller belongs to, with commas between them.
    pub organizacoes: String,
    /// Organisations that could not say whether they know the caller, as the answer names them; `None`
    /// without any.
    pub lacking: Option<String>,
}

/// The span of the request that this task works for, if it works for one.
#[must_use]
pub fn current_span() -> Option<Span> {
    CURRENT.try_with(|context| context.span.clone()).ok()
}

/// `work` for a task of its own that still belongs to the request of this one, if there is one.
pub fn inherit<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let context = CURRENT.try_with(RequestContext::clone).ok();
    async move {
        match context {
            Some(context) => scope(context, work).await,
            None => work.await,
        }
    }
}

/// Id of the request that this task works for, if it works for one.
#[must_use]
pub fn current_id() -> Option<Arc<str>> {
    CURRENT.try_with(|context| Arc::clone(&context.id)).ok()
}

/// Network of the client of the request that this task works for, if it works for one.
#[must_use]
pub fn current_network() -> Option<IpAddr> {
    CURRENT.try_with(|context| context.network).ok()
}

/// How much time the request that this task works for has left, if it works for one.
#[must_use]
pub fn time_left() -> Option<Duration> {
    let left = |context: &RequestContext| context.deadline.saturating_duration_since(Instant::now());
    CURRENT.try_with(left).ok()
}

/// Notes who makes the request that this task works for. The first caller stays; a request has only one.
pub fn name_caller(caller: impl FnOnce() -> Caller) {
    let _ = CURRENT.try_with(|context| {
        context.caller.get_or_init(caller);
    });
}

/// Notes that the answer to the request that this task works for holds stale data of an organisation.
pub fn note_stale(organizacao: &str) {
    let _ = CURRENT.try_with(|context| context.stale.note(organizacao));
}

/// Returns `true` if the answer to the request that this task works for holds stale data.
#[must_use]
pub fn is_stale() -> bool {
    let names = CURRENT.try_with(|context| context.stale.names());
    names.is_ok_and(|names| names.is_some())
}

/// Runs `work` as part of a request.
pub async fn scope<F: Future>(context: RequestContext, work: F) -> F::Output {
    CURRENT.scope(context, work).await
}

/// A format that adds the request to each line of another one.
#[derive(Debug)]
pub struct WithRequest<F> {
    inner: F,
    shape: LogFormat,
}

impl<F> WithRequest<F> {
    /// Wraps a format that writes one line an event, in this shape.
    pub fn new(inner: F, shape: LogFormat) -> Self {
        Self { inner, shape }
    }
}

impl<S, N, F> FormatEvent<S, N> for WithRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(ctx, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        let with_request = CURRENT.try_with(|context| {
            let RequestContext {
                id,
                method,
                route,
                span,
                ..
            } = context;
            let trace_id = span.trace_id();
            match self.shape {
                LogFormat::Text => {
                    write!(writer, "{line} {method} {route} request_id={id}")?;
                    trace_id.map_or(Ok(()), |trace| write!(writer, " trace_id={trace}"))?;
                    writeln!(writer)
                }
                LogFormat::Json => {
                    // The line is an object; its closing brace goes behind the keys that are added.
                    let open = line.strip_suffix('}').unwrap_or(line);
                    write!(
                        writer,
                        r#"{open},"request_id":"{id}","method":"{method}","route":"{route}""#
                    )?;
                    trace_id.map_or(Ok(()), |trace| write!(writer, r#","trace_id":"{trace}""#))?;
                    writeln!(writer, "}}")
                }
            }
        });
        with_request.unwrap_or_else(|_| writeln!(writer, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing_subscriber::fmt::format;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn json_lines_stay_json_and_name_the_request() {
        let sink = Sink::default();
        let writer = sink.clone();
        let inner = format().json().flatten_event(true);
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .event_format(WithRequest::new(inner, LogFormat::Json))
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        tracing::info!("before");
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = format!("00-{trace}-00f067aa0ba902b7-01").parse().unwrap();
        let headers = [("traceparent".parse().unwrap(), parent)].into_iter().collect();
        let context = RequestContext {
            id: "r-1".into(),
            method: Method::GET,
            network: IpAddr::from([127, 0, 0, 1]),
            deadline: Instant::now(),
            caller: Arc::default(),
            stale: Arc::default(),
            route: "/{id}".into(),
            span: Span::of_request("GET", "/{id}", &headers),
        };
        // A line break in a value must not break the line.
        scope(context, async { tracing::info!(text = "a\nb\"}", "during") }).await;

        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0].get("request_id"), None);
        assert_eq!(
            (&lines[1]["request_id"], &lines[1]["route"]),
            (&"r-1".into(), &"/{id}".into())
        );
        assert_eq!(lines[1]["text"], "a\nb\"}");
        assert_eq!(lines[1]["trace_id"], trace);
    }
}
