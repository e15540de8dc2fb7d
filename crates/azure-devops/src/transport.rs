//! Processing of one call from the wait for its permit to its last retry, common to all calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::time::{sleep, timeout_at};
use tracing::Instrument;

use super::admission::Admission;
use super::credential::Credential;
use super::error::{Error, connection_error};
use super::operation::{Host, Operation};
use super::organizacao::Patience;
use super::response::{self, ApiResponse};
use super::retry::{LONGEST_HOLD, pause};
use super::throttle::Throttle;
use crate::trace;

/// Without this header Azure DevOps responds to a rejected credential with a redirect to a sign-in page
/// instead of 401.
const SUPPRESS_REDIRECT: HeaderName = HeaderName::from_static("x-tfs-fedauthredirect");

/// Record of a finished call, the source of metrics.
#[derive(Debug)]
pub struct CallRecord<'a> {
    /// Name of the operation.
    pub operation: &'static str,
    /// Host that was called.
    pub server: &'a str,
    /// Organisation that was called.
    pub organizacao: &'a str,
    /// `ok`, or the kind of the error.
    pub outcome: &'static str,
    /// Number of attempts.
    pub attempts: u32,
    /// Time from the start of the wait for a permit to the last byte.
    pub elapsed: Duration,
}

/// Receives a record of every call.
pub type Hook = Arc<dyn Fn(&CallRecord<'_>) + Send + Sync>;

/// Limits common to all calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) background_timeout: Duration,
    pub(super) max_answer_bytes: usize,
}

impl Limits {
    /// Returns the timeout of a call, including its retries and the wait for its permit.
    pub(super) fn longest_call(&self, patience: Patience) -> Duration {
        match patience {
            Patience::Foreground => self.timeout,
            Patience::Background => self.background_timeout,
        }
    }
}

/// Transport to one organisation.
pub(super) struct Transport {
    pub(super) organizacao: String,
    pub(super) client: Client,
    pub(super) limits: Limits,
    pub(super) admission: Admission,
    pub(super) throttle: Throttle,
    pub(super) hook: Hook,
}

/// Call to be sent.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static Operation,
    pub(super) host: Host,
    pub(super) url: Url,
    pub(super) body: Option<&'a Body>,
    /// `None` for unsigned calls.
    pub(super) credential: Option<&'a Credential>,
    pub(super) patience: Patience,
    /// Start of the timeout.
    pub(super) started: Instant,
}

/// Body of a request.
#[derive(Debug, Clone)]
pub(super) struct Body {
    content_type: HeaderValue,
    text: String,
}

impl Body {
    /// Serialises `json` as a body of this content type.
    pub(super) fn new(content_type: HeaderValue, json: &Value) -> Self {
        Self {
            content_type,
            text: json.to_string(),
        }
    }
}

impl Transport {
    /// Sends `call`, retries it if that may help, and reads the response, all within the timeout.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<ApiResponse, Error> {
        let sent = Instant::now();
        let deadline = call.started + self.limits.longest_call(call.patience);
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

    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<ApiResponse, Error> {
        let identity = call.credential.map(Credential::fingerprint);
        if let Some(wait) = self.throttle.remaining(identity, Instant::now()) {
            if wait > LONGEST_HOLD || Instant::now() + wait > deadline {
                let retry_after = Some(wait);
                return Err(Error::Throttled { retry_after });
            }
            sleep(wait).await;
        }
        // A permit shortly before the deadline would cause a timeout that looks like a failure of the
        // organisation.
        let reserve = self.limits.longest_call(call.patience) / 4;
        let latest = deadline.checked_sub(reserve).unwrap_or(deadline);
        let pass = self.admission.admit(call, latest).await?;
        let server = call.url.host_str().unwrap_or_default();
        let span = trace::of_call(call.operation.method.as_str(), call.operation.name, server);
        let result = timeout_at(deadline.into(), self.exchange(call))
            .instrument(span.clone())
            .await
            .unwrap_or(Err(Error::Timeout));
        trace::end(&span, result.as_ref().err().map(Error::kind));
        pass.settle(result.as_ref().err(), Instant::now());
        result
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<ApiResponse, Error> {
        let mut traceparent = HeaderMap::new();
        trace::inject(&mut traceparent);
        let mut request = self
            .client
            .request(call.operation.method.clone(), call.url.clone())
            .headers(traceparent)
            .header(ACCEPT, HeaderValue::from_static(call.operation.media_type))
            .header(SUPPRESS_REDIRECT, HeaderValue::from_static("Suppress"));
        if let Some(body) = call.body {
            request = request
                .header(CONTENT_TYPE, body.content_type.clone())
                .body(body.text.clone());
        }
        if let Some(credential) = call.credential {
            // A secret that is not a valid header value cannot be a credential.
            let header = credential
                .header()
                .ok_or(Error::InvalidCredential { status: 401 })?;
            request = request.header(AUTHORIZATION, header);
        }
        let response = request.send().await.map_err(connection_error)?;
        if let Some(wait) = response::retry_after(response.headers()) {
            let identity = call.credential.map(Credential::fingerprint);
            self.throttle.hold(identity, wait, Instant::now());
        }
        response::read(response, call.operation, self.limits.max_answer_bytes).await
    }
}
