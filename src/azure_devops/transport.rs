//! One call, from its turn in the queue to its last retry. Everything that is true of all calls is here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout_at};
use tracing::Instrument;

use super::answer::{self, Answer};
use super::breaker::Breaker;
use super::credential::Credential;
use super::error::{Error, Unavailability};
use super::operation::Operation;
use super::organizacao::Host;
use super::throttle::Throttle;
use crate::telemetry::trace::Span;

/// Attempts at one call, the first included.
const ATTEMPTS: u32 = 3;
/// The pause before a retry is anything from nothing to this, doubled with each (full jitter: callers that failed together
/// do not come back together).
const BACKOFF: Duration = Duration::from_millis(100);
/// A call does not wait longer than this for a throttled identity; whoever asked is told to come back instead.
const LONGEST_HOLD: Duration = Duration::from_secs(2);
/// Told to callers who came while all turns were taken.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// Without it a refused credential is answered with a redirect to a sign-in page instead of 401.
const SUPPRESS_REDIRECT: HeaderName = HeaderName::from_static("x-tfs-fedauthredirect");

/// How one call went; what metrics are made of.
#[derive(Debug)]
pub struct CallRecord<'a> {
    /// Name of the operation.
    pub operation: &'static str,
    /// Host that was asked.
    pub server: &'a str,
    /// Organisation that was asked.
    pub organizacao: &'a str,
    /// `ok`, or the kind of the error.
    pub outcome: &'static str,
    /// Attempts made.
    pub attempts: u32,
    /// From the start of the wait to the last byte.
    pub elapsed: Duration,
}

/// Told of every call.
pub type Hook = Arc<dyn Fn(&CallRecord<'_>) + Send + Sync>;

/// What calls have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) max_answer_bytes: usize,
}

/// The way to one organisation.
pub(super) struct Transport {
    pub(super) organizacao: String,
    pub(super) client: Client,
    pub(super) limits: Limits,
    pub(super) turns: Semaphore,
    /// Turns of calls that prove callers, so that made-up tokens do not keep the proved ones waiting.
    pub(super) proof_turns: Semaphore,
    /// The two hosts of an organisation fail each on its own.
    pub(super) breakers: [Breaker; 2],
    /// That of calls that prove callers: made-up tokens may fail as they like without closing the way to others.
    pub(super) proof_breaker: Breaker,
    pub(super) throttle: Throttle,
    pub(super) hook: Hook,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static Operation,
    pub(super) host: Host,
    pub(super) url: Url,
    pub(super) body: Option<&'a Body>,
    /// `None`: unsigned.
    pub(super) credential: Option<&'a Credential>,
    /// Begin of the time limit.
    pub(super) started: Instant,
}

/// What is sent along.
#[derive(Debug, Clone)]
pub(super) struct Body {
    content_type: HeaderValue,
    text: String,
}

impl Body {
    /// JSON under this type.
    pub(super) fn new(content_type: HeaderValue, json: &Value) -> Self {
        Self {
            content_type,
            text: json.to_string(),
        }
    }
}

impl Transport {
    /// Sends `call`, again if it may help, and reads the answer, all within the time limit.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Answer, Error> {
        let span = tracing::debug_span!("azure_devops", operation = call.operation.name);
        self.send_with_retries(call).instrument(span).await
    }

    async fn send_with_retries(&self, call: Call<'_>) -> Result<Answer, Error> {
        let sent = Instant::now();
        let deadline = call.started + self.limits.timeout;
        let mut attempts = 0;
        let outcome = loop {
            attempts += 1;
            let error = match self.attempt(&call, deadline).await {
                Ok(answer) => break Ok(answer),
                Err(error) => error,
            };
            match pause(call.operation, &error, attempts, deadline) {
                Some(pause) => sleep(pause).await,
                None => break Err(error),
            }
        };
        (self.hook)(&CallRecord {
            operation: call.operation.name,
            server: call.url.host_str().unwrap_or_default(),
            organizacao: &self.organizacao,
            outcome: outcome.as_ref().map_or_else(Error::kind, |_| "ok"),
            attempts,
            elapsed: sent.elapsed(),
        });
        outcome
    }

    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Answer, Error> {
        let identity = call.credential.map(Credential::fingerprint);
        if let Some(wait) = self.throttle.remaining(identity, Instant::now()) {
            if wait > LONGEST_HOLD || Instant::now() + wait > deadline {
                let retry_after = Some(wait);
                return Err(Error::Throttled { retry_after });
            }
            sleep(wait).await;
        }
        // A turn that comes too late would only make the organisation look as if it did not answer.
        let latest = deadline.checked_sub(self.limits.timeout / 4).unwrap_or(deadline);
        let turns = if call.operation.unproved {
            &self.proof_turns
        } else {
            &self.turns
        };
        let Ok(Ok(_turn)) = timeout_at(latest.into(), turns.acquire()).await else {
            return Err(Error::unavailable(Unavailability::Busy, Some(BUSY_RETRY)));
        };
        let ticket = if call.operation.vital {
            if call.operation.unproved
                && let Some(wait) = self.breaker(call.host).open_for(Instant::now())
            {
                return Err(Error::unavailable(Unavailability::BreakerOpen, Some(wait)));
            }
            let admitted = self.breaker_of(call).admit(Instant::now());
            Some(admitted.map_err(|wait| Error::unavailable(Unavailability::BreakerOpen, Some(wait)))?)
        } else {
            None
        };
        let server = call.url.host_str().unwrap_or_default();
        let span = Span::of_call(call.operation.method.as_str(), call.operation.name, server);
        let result = timeout_at(deadline.into(), self.exchange(call, &span))
            .await
            .unwrap_or(Err(Error::Timeout));
        span.end(None, result.as_ref().err().map(Error::kind));
        if let Some(ticket) = ticket {
            let failed = if call.operation.unproved {
                // Azure DevOps may be slow or fail for one token; that it cannot be reached is no token's doing.
                Error::is_unreachable
            } else {
                Error::is_outage
            };
            ticket.settle(result.as_ref().is_err_and(failed), Instant::now());
        }
        result
    }

    fn breaker_of(&self, call: &Call<'_>) -> &Breaker {
        if call.operation.unproved {
            return &self.proof_breaker;
        }
        self.breaker(call.host)
    }

    pub(super) fn breaker(&self, host: Host) -> &Breaker {
        let [api, identity] = &self.breakers;
        match host {
            Host::Api => api,
            Host::Identity => identity,
        }
    }

    async fn exchange(&self, call: &Call<'_>, span: &Span) -> Result<Answer, Error> {
        let mut trace = HeaderMap::new();
        span.inject(&mut trace);
        let mut request = self
            .client
            .request(call.operation.method.clone(), call.url.clone())
            .headers(trace)
            .header(ACCEPT, HeaderValue::from_static(call.operation.media_type))
            .header(SUPPRESS_REDIRECT, HeaderValue::from_static("Suppress"));
        if let Some(body) = call.body {
            request = request
                .header(CONTENT_TYPE, body.content_type.clone())
                .body(body.text.clone());
        }
        if let Some(credential) = call.credential {
            // What cannot stand in a header cannot be a credential.
            let header = credential
                .header()
                .ok_or(Error::InvalidCredential { status: 401 })?;
            request = request.header(AUTHORIZATION, header);
        }
        let response = request.send().await.map_err(connection_error)?;
        if let Some(wait) = answer::retry_after(response.headers()) {
            let identity = call.credential.map(Credential::fingerprint);
            self.throttle.hold(identity, wait, Instant::now());
        }
        answer::read(response, call.operation, self.limits.max_answer_bytes).await
    }
}

/// How long to wait before trying again; `None`: do not.
fn pause(operation: &Operation, error: &Error, attempts: u32, deadline: Instant) -> Option<Duration> {
    let asked = match error {
        Error::Throttled { retry_after } => retry_after.filter(|wait| *wait <= LONGEST_HOLD)?,
        Error::Unavailable {
            reason: Unavailability::Status(_) | Unavailability::Connection(_),
            retry_after,
        } => retry_after.unwrap_or_default(),
        _ => return None,
    };
    if !operation.idempotent || attempts >= ATTEMPTS || asked > LONGEST_HOLD {
        return None;
    }
    let backoff = BACKOFF * 2_u32.pow(attempts - 1);
    let pause = asked + backoff.mul_f64(fastrand::f64());
    (Instant::now() + pause < deadline).then_some(pause)
}

/// What a failure below HTTP means. Addresses are left out: they hold names of people's projects.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn connection_error(error: reqwest::Error) -> Error {
    if error.is_timeout() {
        return Error::Timeout;
    }
    let mut text = String::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    Error::unavailable(Unavailability::Connection(text), None)
}

#[cfg(test)]
mod tests {
    use super::super::operation::LIST_PROJECTS;
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again_and_never_beyond_the_deadline() {
        let soon = Instant::now() + Duration::from_secs(10);
        let status = |retry_after| Error::unavailable(Unavailability::Status(503), retry_after);
        let throttled = |seconds| Error::Throttled {
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let again = |error: &Error| pause(&LIST_PROJECTS, error, 1, soon);
        assert!(again(&status(None)).unwrap() <= BACKOFF);
        assert!(again(&throttled(1)).unwrap() >= Duration::from_secs(1));
        for hopeless in [
            Error::Timeout,
            Error::NotFound,
            Error::Nonsense(""),
            throttled(3),
            status(Some(Duration::from_secs(3))),
            Error::Throttled { retry_after: None },
            Error::unavailable(Unavailability::BreakerOpen, None),
        ] {
            assert_eq!(again(&hopeless), None, "{hopeless}");
        }
        assert_eq!(pause(&LIST_PROJECTS, &status(None), ATTEMPTS, soon), None);
        assert_eq!(pause(&LIST_PROJECTS, &throttled(1), 1, Instant::now()), None);
    }
}
