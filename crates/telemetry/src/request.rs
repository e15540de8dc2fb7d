//! The request that a task works for. What log lines say of it stands in its span ([`super::trace`]).

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

/// Facts of a request for the code that works for it.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Request id; letters, digits, `.`, `_` and `-` only.
    pub id: Arc<str>,
    /// Span of the caller, if the request named one.
    pub parent: Context,
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
    pub undecided: Option<String>,
}

/// Returns `work` for a task of its own that still belongs to the request and the span of this one.
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

/// Notes the caller of this task's request. The first caller stays; a request has only one.
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

/// Runs `work` as part of a request, whose parent span is the current context of OpenTelemetry meanwhile.
pub async fn scope<F: Future>(context: RequestContext, work: F) -> F::Output {
    let work = work.with_context(context.parent.clone());
    CURRENT.scope(context, work).await
}
