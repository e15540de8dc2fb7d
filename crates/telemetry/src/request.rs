//! Context of the request for which a task works, readable from any code of that task. Outside a request (in
//! background jobs) there is no context. The fields of a request's log lines are in its span
//! ([`super::trace`]).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::trace::FutureExt;
use tracing::Instrument;

tokio::task_local! {
    /// Context of the current request, set by [`scope`].
    static CURRENT: RequestContext;
}

/// Data of a request for the code that handles it. Clones share `caller` and `stale`, so that what a task
/// records reaches the response.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Request id: 1 to 64 letters, digits, `.`, `_` and `-`, so that it is safe in log lines.
    pub id: Arc<str>,
    /// Span of the client, if the request names one (`traceparent`); else an invalid context.
    pub parent: Context,
    /// Address of the client; for IPv6 its /64 network, because one subscriber has all addresses of it.
    pub network: IpAddr,
    /// Time at which the request is aborted with 504.
    pub deadline: Instant,
    /// Caller, empty until the identity is proved.
    pub caller: Arc<OnceLock<Caller>>,
    /// Organisations for which the response contains stale data.
    pub stale: Arc<StaleData>,
}

/// Names of the organisations whose data in a response is stale, percent-encoded.
#[derive(Debug, Default)]
pub struct StaleData(Mutex<BTreeSet<String>>);

impl StaleData {
    /// Adds a percent-encoded name, unless it is there already.
    fn note(&self, organizacao: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains(organizacao) {
            names.insert(organizacao.to_owned());
        }
    }

    /// Returns the names in alphabetical order, separated by commas, as the value of the header
    /// `Aponta-Desatualizado`. Returns `None` if there are none.
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
    /// GUID of the identity in Azure DevOps.
    pub id: String,
    /// Names of the caller's organisations, separated by commas.
    pub organizacoes: String,
    /// Organisations that could not decide whether the caller is a member, as the value of the header
    /// `Aponta-Parcial`: percent-encoded names, and `*` for names that the caller must not learn. `None` if
    /// every organisation decided.
    pub undecided: Option<String>,
}

/// Wraps `work` for a task of its own, so that `work` still belongs to the request and the span of the
/// calling task. Outside a request it belongs to the span only.
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

/// Returns the time left until the current request is aborted, zero after its deadline. Returns `None`
/// outside a request.
#[must_use]
pub fn time_left() -> Option<Duration> {
    let left = |context: &RequestContext| context.deadline.saturating_duration_since(Instant::now());
    CURRENT.try_with(left).ok()
}

/// Stores the caller of the current request. Only the first call has an effect, because a request has one
/// caller; outside a request no call has an effect.
pub fn name_caller(caller: impl FnOnce() -> Caller) {
    let _ = CURRENT.try_with(|context| {
        context.caller.get_or_init(caller);
    });
}

/// Records that the response to the current request contains stale data of an organisation, whose name is
/// percent-encoded. Does nothing outside a request.
pub fn note_stale(organizacao: &str) {
    let _ = CURRENT.try_with(|context| context.stale.note(organizacao));
}

/// Returns `true` if [`note_stale`] was called for the current request. Returns `false` outside a request.
#[must_use]
pub fn is_stale() -> bool {
    let names = CURRENT.try_with(|context| context.stale.names());
    names.is_ok_and(|names| names.is_some())
}

/// Runs `work` as part of the request of `context`. The client's span becomes the current OpenTelemetry
/// context, so that calls pass the trace on even without a collector.
pub async fn scope<F: Future>(context: RequestContext, work: F) -> F::Output {
    let work = work.with_context(context.parent.clone());
    CURRENT.scope(context, work).await
}
