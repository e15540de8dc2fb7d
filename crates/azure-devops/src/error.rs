//! Errors of calls to Azure DevOps, distinguished by the reaction that the caller needs.

use std::time::Duration;

/// Reason why a call got no usable response. Contains nothing that must not be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The credential proves no identity: 401, 203, a redirect, a sign-in page or the anonymous identity.
    #[error("credential not accepted (status {status})")]
    InvalidCredential {
        /// Status of the response.
        status: u16,
    },
    /// The identity is known and lacks the permission (403).
    #[error("forbidden (status 403)")]
    Forbidden,
    /// Another organisation responds under this name: its `instanceId` is not the pinned one.
    #[error("another organisation answers under this name")]
    Replaced,
    /// The server is older than the oldest supported version.
    #[error("the server is older than Azure DevOps Server 2019.1")]
    OutdatedServer,
    /// The server lacks the resource of the call, which newer servers have.
    #[error("the server does not have this resource")]
    NotOffered,
    /// The object does not exist, or is hidden from this identity (404).
    #[error("not found (status 404)")]
    NotFound,
    /// This identity sent too many requests.
    #[error("throttled")]
    Throttled {
        /// Time to wait before the next call, if the response contains it.
        retry_after: Option<Duration>,
    },
    /// The service is temporarily unavailable.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// Reason.
        reason: Unavailability,
        /// Time to wait before the next call, if known.
        retry_after: Option<Duration>,
    },
    /// No response within the timeout.
    #[error("no answer in time")]
    Timeout,
    /// A response that cannot be interpreted; contains the rule that it breaks.
    #[error("malformed response: {0}")]
    Nonsense(&'static str),
    /// The request was understood and rejected (400, 409, 412, ...).
    #[error("rejected (status {status}, {type_key})")]
    Rejected {
        /// Status of the response.
        status: u16,
        /// `typeKey` of the error body, or empty. The message is dropped, because it is localised and may
        /// name people.
        type_key: String,
        /// Fields that a rule of the process rejects, with the reason: `Custom.Area [required]`.
        fields: Vec<String>,
    },
}

/// Reason why the service is unavailable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailability {
    /// The service responded with this status.
    Status(u16),
    /// The connection failed or was lost.
    Connection(String),
    /// The circuit breaker is open.
    BreakerOpen,
    /// Too many of our calls wait for a permit.
    Busy,
    /// The service responded, but the owner of the name could not be read from the database.
    Unrecorded,
}

impl std::fmt::Display for Unavailability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Connection(text) => f.write_str(text),
            Self::BreakerOpen => f.write_str("circuit breaker open"),
            Self::Busy => f.write_str("too many calls wait"),
            Self::Unrecorded => f.write_str("the organisation could not be looked up in the database"),
        }
    }
}

impl Error {
    /// Returns the time to wait before the next call. Returns `None` if it is not known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns the name of the error for logs and metrics, one of about a dozen.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidCredential { .. } => "invalid_credential",
            Self::Forbidden => "forbidden",
            Self::Replaced => "replaced",
            Self::OutdatedServer => "outdated_server",
            Self::NotOffered => "not_offered",
            Self::NotFound => "not_found",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { reason, .. } => match reason {
                Unavailability::Status(_) => "unavailable",
                Unavailability::Connection(_) => "connection",
                Unavailability::BreakerOpen => "breaker_open",
                Unavailability::Busy => "busy",
                Unavailability::Unrecorded => "unrecorded",
            },
            Self::Timeout => "timeout",
            Self::Nonsense(_) => "nonsense",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// Returns the error for an owner of a name that could not be read from the database.
    #[must_use]
    pub fn unrecorded() -> Self {
        Self::unavailable(Unavailability::Unrecorded, None)
    }

    pub(super) fn unavailable(reason: Unavailability, retry_after: Option<Duration>) -> Self {
        Self::Unavailable { reason, retry_after }
    }

    /// Returns `true` if the request was sent to Azure DevOps.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        !matches!(
            self,
            Self::Unavailable {
                reason: Unavailability::BreakerOpen | Unavailability::Busy,
                ..
            } | Self::OutdatedServer
        )
    }

    /// Returns `true` if the server rejected the `api-version`, and so did not execute the request.
    pub(super) fn is_version_refused(&self) -> bool {
        let Self::Rejected {
            status: 400,
            type_key,
            ..
        } = self
        else {
            return false;
        };
        ["VssVersionOutOfRange", "VssInvalidPreviewVersion"]
            .iter()
            .any(|refusal| type_key.contains(refusal))
    }

    /// Returns `true` if the object was changed in the meantime, so that the requested revision is no longer
    /// current. Azure DevOps responds with 409 if two writers pass the revision test at once.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(
            self,
            Self::Rejected {
                status: 409 | 412,
                ..
            }
        )
    }

    /// Returns `true` if a rule of the process rejected a change. Such a change stays rejected until the data
    /// or the rule changes; any other 400 may be temporary, such as VS402625 for two concurrent changes of a
    /// work item.
    #[must_use]
    pub fn is_broken_rule(&self) -> bool {
        match self {
            Self::Rejected { type_key, fields, .. } => {
                !fields.is_empty() || type_key.contains("RuleValidation")
            }
            _ => false,
        }
    }

    /// Returns `true` if a failed change was certainly not applied: it was rejected, or never sent.
    #[must_use]
    pub fn was_not_applied(&self) -> bool {
        match self {
            // Any other status comes from a proxy's page, and the proxy may have lost the real response.
            Self::InvalidCredential { status } => *status == 401,
            Self::Forbidden
            | Self::NotFound
            | Self::Replaced
            | Self::OutdatedServer
            | Self::NotOffered
            | Self::Throttled { .. }
            | Self::Rejected { .. } => true,
            Self::Unavailable { .. } => !self.was_sent(),
            Self::Timeout | Self::Nonsense(_) => false,
        }
    }

    /// Returns `true` if the service was unavailable, timed out or throttled the call.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_outage() || matches!(self, Self::Throttled { .. })
    }

    /// Returns `true` if the connection failed or was lost.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                reason: Unavailability::Connection(_),
                ..
            }
        )
    }

    /// Returns `true` if the service was unavailable or timed out.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Timeout)
    }
}

/// Classifies a failure below HTTP. Addresses are left out, because they contain project names.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn connection_error(error: reqwest::Error) -> Error {
    // A timeout while connecting is caused by the host, not by an identity, so it counts as a connection
    // error.
    if error.is_timeout() && !error.is_connect() {
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
