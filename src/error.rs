//! Errors of use cases, in terms of the application.
//!
//! Independent of HTTP: [`crate::edge::problem`] maps an [`Error`] to a status and a body. Sentences inside
//! variants are displayed to people and therefore Portuguese; causes are for the log.

mod code;
mod constraint;

use std::sync::Arc;
use std::time::Duration;

use crate::azure_devops::{self, Unavailability};
use crate::models::organizacao::NomeOrganizacao;

pub use crate::models::field_error::{FieldError, Segment};
pub use code::Code;
pub use constraint::{OnConstraint, is_locked_out};

/// Result of a service.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Reason why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is not authenticated. Contains the sentence for the caller.
    #[error("not authenticated: {0}")]
    Unauthenticated(String),
    /// The address presented too many unknown credentials recently (429).
    #[error("too many unverified credentials from one address")]
    TooManyProofs {
        /// Time until the next attempt.
        retry_after: Duration,
    },
    /// The caller is authenticated but not permitted. Contains the sentence for the caller.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// The object does not exist, or is not visible to this caller. Contains the sentence for the caller.
    #[error("not found: {0}")]
    NotFound(String),
    /// The input is well-formed but refers to objects that do not exist (400).
    #[error("invalid reference: {0}")]
    InvalidReference(String),
    /// The input is invalid; the list contains every failure (422).
    #[error("invalid input: {} failure(s)", .0.len())]
    Invalid(Vec<FieldError>),
    /// The input is well-formed and violates a rule of the product (422).
    #[error("rule violated: {}", .code.as_str())]
    Rule {
        /// Code of the rule.
        code: Code,
        /// Sentence for the caller.
        detail: String,
        /// Location of the offending value.
        loc: Vec<Segment>,
    },
    /// The precondition failed: the object was changed since the caller read it (412).
    #[error("precondition failed")]
    Stale,
    /// The state of the object forbids the operation (409).
    #[error("conflict: {detail}")]
    Conflict {
        /// Code of the conflict.
        code: Code,
        /// Sentence for the caller.
        detail: String,
    },
    /// The database is down or restarting, or no connection became available in time.
    #[error("database unavailable")]
    DatabaseUnavailable(#[source] sqlx::Error),
    /// A feature that is not configured in this installation is required (503).
    #[error("not configured: {}", .0.as_str())]
    NotConfigured(Code),
    /// Azure DevOps returned no usable answer.
    #[error("{detail}")]
    Upstream {
        /// Sentence for the caller.
        detail: String,
        /// Error of the call.
        #[source]
        source: azure_devops::Error,
    },
    /// Several organisations were called and none returned a usable answer.
    #[error("no usable response from any of {} organisation(s)", .failures.len())]
    AllUpstreamsFailed {
        /// Each organisation and its error, as text for people.
        failures: Vec<(NomeOrganizacao, String)>,
        /// Time until the next attempt, if an organisation returned one.
        retry_after: Option<Duration>,
    },
    /// Error of a task that several callers awaited.
    #[error(transparent)]
    Shared(Arc<Self>),
    /// A defect of the service. The caller gets only the request id.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Returns the problem code for the caller.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unauthenticated(_) => Code::NaoAutenticado,
            Self::TooManyProofs { .. } => Code::MuitasRequisicoes,
            Self::Forbidden(_) => Code::AcessoNegado,
            Self::NotFound(_) => Code::NaoEncontrado,
            Self::InvalidReference(_) => Code::ReferenciaInvalida,
            Self::Invalid(_) => Code::DadosInvalidos,
            Self::Rule { code, .. } | Self::Conflict { code, .. } | Self::NotConfigured(code) => *code,
            Self::Stale => Code::VersaoDesatualizada,
            Self::DatabaseUnavailable(_) => Code::BancoIndisponivel,
            Self::Upstream { source, .. } => upstream(source),
            Self::AllUpstreamsFailed { .. } => Code::AzureDevopsRespostaInvalida,
            Self::Shared(inner) => inner.code(),
            Self::Internal(_) => Code::ErroInterno,
        }
    }

    /// Returns the time to wait before a retry, if it is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::DatabaseUnavailable(_)
            | Self::Conflict {
                code: Code::RequisicaoEmAndamento,
                ..
            } => Some(Duration::from_secs(1)),
            Self::TooManyProofs { retry_after } => Some(*retry_after),
            Self::Upstream { source, .. } => source.retry_after(),
            Self::AllUpstreamsFailed { retry_after, .. } => *retry_after,
            Self::Shared(inner) => inner.retry_after(),
            _ => None,
        }
    }
}

/// Returns 502 if Azure DevOps answered unusably, 503 if a retry may succeed soon, 504 if Azure DevOps did
/// not answer in time.
fn upstream(error: &azure_devops::Error) -> Code {
    match error {
        azure_devops::Error::Timeout => Code::AzureDevopsTempoEsgotado,
        azure_devops::Error::Replaced => Code::OrganizacaoTrocada,
        azure_devops::Error::OutdatedServer | azure_devops::Error::NotOffered => {
            Code::AzureDevopsNaoSuportado
        }
        azure_devops::Error::Unavailable {
            reason: Unavailability::Status(500),
            ..
        } => Code::AzureDevopsRespostaInvalida,
        azure_devops::Error::Throttled { .. } | azure_devops::Error::Unavailable { .. } => {
            Code::AzureDevopsIndisponivel
        }
        _ => Code::AzureDevopsRespostaInvalida,
    }
}

impl From<azure_devops::Error> for Error {
    fn from(source: azure_devops::Error) -> Self {
        let detail = match &source {
            azure_devops::Error::Throttled { .. } => "O Azure DevOps limitou as requisições; tente novamente",
            azure_devops::Error::OutdatedServer => {
                "O servidor Azure DevOps desta organização é anterior à versão 2019.1 (API 5.1) e não é \
                 suportado; avise o administrador do servidor"
            }
            azure_devops::Error::InvalidCredential { .. } | azure_devops::Error::Forbidden => {
                "O Azure DevOps recusou a credencial: ela não vale mais ou não tem o escopo necessário"
            }
            azure_devops::Error::Unavailable { .. } => Code::AzureDevopsIndisponivel.sentence(),
            source => upstream(source).sentence(),
        };
        Self::Upstream {
            detail: detail.to_owned(),
            source,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_unavailable(&error) {
            Self::DatabaseUnavailable(error)
        } else {
            Self::Internal(Box::new(error))
        }
    }
}

/// SQLSTATE codes of transient failures.
const TRANSIENT: [&str; 5] = ["57014", "25P03", "40001", "40P01", "55P03"];

/// Returns `true` if the database, not the statement, caused the error.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        // Protocol: a server that dies while sending leaves a partial message.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // 08: connection exceptions; 53: out of resources; 57P: shutdown, crash, start-up; 57014: statement
        // timeout; 25P03: idle-in-transaction timeout; 40001, 40P01: serialization failure and deadlock,
        // which may be retried; 55P03: lock timeout. PostgreSQL manual, appendix A.
        sqlx::Error::Database(e) => e.code().is_some_and(|code| {
            code.starts_with("08")
                || code.starts_with("53")
                || code.starts_with("57P")
                || TRANSIENT.contains(&code.as_ref())
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_connection_is_unavailable_and_missing_row_internal() {
        let eof = sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        assert!(matches!(Error::from(eof), Error::DatabaseUnavailable(_)));
        assert!(matches!(
            Error::from(sqlx::Error::PoolTimedOut),
            Error::DatabaseUnavailable(_)
        ));
        assert!(matches!(
            Error::from(sqlx::Error::RowNotFound),
            Error::Internal(_)
        ));
    }
}
