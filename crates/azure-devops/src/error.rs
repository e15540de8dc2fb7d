//! What can go wrong between us and Azure DevOps, told apart by what the caller should do about it.

use std::time::Duration;

/// Why a call brought no usable answer. Holds nothing that must not be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The credential proves no identity there: 401, 203, a redirect or a sign-in page, or the anonymous
    /// identity.
    #[error("credential not accepted (status {status})")]
    InvalidCredential {
        /// Status of the answer.
        status: u16,
    },
    /// The identity is known and may not do this (403).
    #[error("forbidden (status 403)")]
    Forbidden,
    /// Another organisation answers under this name: its `instanceId` is not the one that was pinned.
    #[error("another organisation answers under this name")]
    Replaced,
    /// The server is older than the oldest that is served.
    #[error("the server is older than Azure DevOps Server 2019.1")]
    OutdatedServer,
    /// The server lacks the resource of the call; newer servers have it.
    #[error("the server does not have this resource")]
    NotOffered,
    /// The object does not exist, or is hidden from this identity (404).
    #[error("not found (status 404)")]
    NotFound,
    /// This identity asked too much.
    #[error("throttled")]
    Throttled {
        /// When to come back, where the answer told it.
        retry_after: Option<Duration>,
    },
    /// It cannot be used at the moment.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// What was seen.
        reason: Unavailability,
        /// When to come back, where known.
        retry_after: Option<Duration>,
    },
    /// No answer within the time allowed.
    #[error("no answer in time")]
    Timeout,
    /// An answer that means nothing to us; says which rule it broke.
    #[error("malformed response: {0}")]
    Nonsense(&'static str),
    /// The request was understood and refused (400, 409, 412, ...).
    #[error("rejected (status {status}, {type_key})")]
    Rejected {
        /// Status of the answer.
        status: u16,
        /// `typeKey` of the error body, or nothing. The prose is localised and may name people; it is not
        /// kept.
        type_key: String,
        /// Fields that a rule of the process objects to, and how: `Custom.Area [required]`.
        fields: Vec<String>,
    },
}

/// What an unavailable service looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailability {
    /// It answered so.
    Status(u16),
    /// No connection, or one that broke.
    Connection(String),
    /// It failed so often that it is left alone for a while.
    BreakerOpen,
    /// Too many calls of ours wait for their turn.
    Busy,
    /// It answered, but the database that knows the owner of this name did not.
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
    /// When a caller should come back, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// A word for logs and metrics, one of a dozen.
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

    /// The database did not tell the owner of this name.
    #[must_use]
    pub fn unrecorded() -> Self {
        Self::unavailable(Unavailability::Unrecorded, None)
    }

    pub(super) fn unavailable(reason: Unavailability, retry_after: Option<Duration>) -> Self {
        Self::Unavailable { reason, retry_after }
    }

    /// Whether Azure DevOps was asked at all.
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

    /// Whether the server refused the `api-version`, and so did nothing of what was asked.
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

    /// Whether the object was changed in the meantime: the revision asked for is not there any more. Two
    /// writers that pass the test at once are told with 409.
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

    /// Whether a rule of the process refused a change. It stays refused until people change something; any
    /// other 400 may pass by itself, as VS402625 does when two changes of a work item meet.
    #[must_use]
    pub fn is_broken_rule(&self) -> bool {
        match self {
            Self::Rejected { type_key, fields, .. } => {
                !fields.is_empty() || type_key.contains("RuleValidation")
            }
            _ => false,
        }
    }

    /// Whether a change that ended so was certainly not applied: Azure DevOps said so, or was never asked.
    #[must_use]
    pub fn was_not_applied(&self) -> bool {
        match self {
            // With any other status it is a page of some proxy, which may have swallowed the answer.
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

    /// Whether the service could not be used, as opposed to having answered something.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_outage() || matches!(self, Self::Throttled { .. })
    }

    /// Whether there was no connection, or one that broke.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                reason: Unavailability::Connection(_),
                ..
            }
        )
    }

    /// Whether the service itself failed, as opposed to having answered something.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Timeout)
    }
}

/// Classifies a failure below HTTP. Addresses are left out: they hold names of people's projects.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn connection_error(error: reqwest::Error) -> Error {
    // Without a connection no identity was asked for: the host is the cause.
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
