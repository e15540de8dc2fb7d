//! The request for which a task works. The fields of its log lines are in its span ([`super::trace`]).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::trace::FutureExt;
use tracing::Instrument;

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// Data of a request for the code that handles it.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Request id; letters, digits, `.`, `_` and `-` only.
    pub id: Arc<str>,
    /// Span of the caller, if the request named one.
    pub parent: Context,
    /// Address of the client; for IPv6 the /64 network of the subscriber.
    pub network: IpAddr,
    /// Time at which the request is aborted.
    pub deadline: Instant,
    /// Caller, once proved.
    pub caller: Arc<OnceLock<Caller>>,
    /// Organisations for which the response contains stale data.
    pub stale: Arc<StaleData>,
}

/// Names of the organisations whose data in a response is stale, percent-encoded.
#[derive(Debug, Default)]
pub struct StaleData(Mutex<BTreeSet<String>>);

impl StaleData {
    fn note(&self, organizacao: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(organizacao) {
            names.insert(organizacao.to_owned());
        }
    }

    /// Returns the names separated by commas. Returns `None` if there are none.
    #[must_use]
    pub fn names(&self) -> Option<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        (!listed.is_empty()).then(|| listed.join(", "))
    }
}

/// Proved caller in log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Identity GUID.
    pub id: String,
    /// Names of the caller's organisations, separated by commas.
    pub organizacoes: String,
    /// Organisations in which the membership of the caller could not be determined, as named in the response;
    /// `None` if there are none.
    pub undecided: Option<String>,
}

/// Wraps `work` for a separate task, so that it still belongs to the request and the span of this one.
pub fn inherit<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let context = CURRENT.try_with(RequestContext::clone).ok();
    let work = async move {
        match context {
            Some(context) => scope(context, work).await,
            None => work.await,
        }
    };
    work.in_current_span()
}

/// Returns the id of the current request. Returns `None` outside a request.
#[must_use]
pub fn current_id() -> Option<Arc<str>> {
    CURRENT.try_with(|context| Arc::clone(&context.id)).ok()
}

/// Returns the network of the client of the current request. Returns `None` outside a request.
#[must_use]
pub fn current_network() -> Option<IpAddr> {
    CURRENT.try_with(|context| context.network).ok()
}

/// Returns the time left until the current request is aborted. Returns `None` outside a request.
#[must_use]
pub fn time_left() -> Option<Duration> {
    let left = |context: &RequestContext| context.deadline.saturating_duration_since(Instant::now());
    CURRENT.try_with(left).ok()
}

/// Stores the caller of the current request. Only the first call has an effect, because a request has one
/// caller.
pub fn name_caller(caller: impl FnOnce() -> Caller) {
    let _ = CURRENT.try_with(|context| {
        context.caller.get_or_init(caller);
    });
}

/// Records that the response to the current request contains stale data of an organisation.
pub fn note_stale(organizacao: &str) {
    let _ = CURRENT.try_with(|context| context.stale.note(organizacao));
}

/// Returns `true` if the response to the current request contains stale data.
#[must_use]
pub fn is_stale() -> bool {
    let names = CURRENT.try_with(|context| context.stale.names());
    names.is_ok_and(|names| names.is_some())
}

/// Runs `work` as part of a request, with its parent span as the current OpenTelemetry context.
pub async fn scope<F: Future>(context: RequestContext, work: F) -> F::Output {
    let work = work.with_context(context.parent.clone());
    CURRENT.scope(context, work).await
}
