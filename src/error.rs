//! What can go wrong in a use case, in terms of the application.
//!
//! Nothing here knows HTTP: [`crate::edge::problem`] turns an [`Error`] into a status and a body.
//! Sentences inside variants are shown to people and therefore Portuguese; causes are for the log.

mod code;
mod constraint;

use std::sync::Arc;
use std::time::Duration;

use crate::azure_devops::{self, Unavailability};
use crate::models::organizacao::NomeOrganizacao;

pub use crate::models::field_error::{FieldError, Segment};
pub use code::Code;
pub use constraint::{OnConstraint, is_locked_out};

/// Shorthand for results of services.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a use case did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's identity is not proved. Holds the sentence for the caller.
    #[error("not authenticated: {0}")]
    Unauthenticated(String),
    /// The address showed too many unknown credentials lately (429).
    #[error("too many unverified credentials from one address")]
    TooManyProofs {
        /// When the next one may come.
        retry_after: Duration,
    },
    /// The caller is known and may not do this. Holds the sentence for the caller.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// The object does not exist, or not for this caller. Holds the sentence for the caller.
    #[error("not found: {0}")]
    NotFound(String),
    /// The input is well-formed but names things that do not exist (400).
    #[error("invalid reference: {0}")]
    InvalidReference(String),
    /// The input breaks rules; every failure found is in the list (422).
    #[error("invalid input: {} failure(s)", .0.len())]
    Invalid(Vec<FieldError>),
    /// The input is well-formed and breaks a rule of the product (422).
    #[error("rule violated: {}", .code.as_str())]
    Rule {
        /// Its code.
        code: Code,
        /// Sentence for the caller.
        detail: String,
        /// What broke it.
        loc: Vec<Segment>,
    },
    /// The object is not the one that the caller last saw (412).
    #[error("precondition failed")]
    Stale,
    /// The state of the object forbids the operation (409).
    #[error("conflict: {detail}")]
    Conflict {
        /// Its code.
        code: Code,
        /// Sentence for the caller.
        detail: String,
    },
    /// The database is away, restarting, or all its connections stayed busy for too long.
    #[error("database unavailable")]
    DatabaseUnavailable(#[source] sqlx::Error),
    /// Something that this installation was not given is needed (503).
    #[error("not configured: {}", .0.as_str())]
    NotConfigured(Code),
    /// Azure DevOps gave no usable answer.
    #[error("{detail}")]
    Upstream {
        /// Sentence for the caller.
        detail: String,
        /// What happened.
        #[source]
        source: azure_devops::Error,
    },
    /// Several organisations were asked and none gave a usable answer.
    #[error("no usable response from any of {} organisation(s)", .failures.len())]
    AllUpstreamsFailed {
        /// Each organisation and what happened, in words for people.
        failures: Vec<(NomeOrganizacao, String)>,
        /// When to come back, where one of them told it.
        retry_after: Option<Duration>,
    },
    /// The outcome of work that several callers waited for together.
    #[error(transparent)]
    Shared(Arc<Self>),
    /// A defect of ours. The caller learns nothing but the request id.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Returns the code that a caller is told.
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

    /// How long a caller should wait before trying again, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::DatabaseUnavailable(_) => Some(Duration::from_secs(1)),
            Self::TooManyProofs { retry_after } => Some(*retry_after),
            Self::Upstream { source, .. } => source.retry_after(),
            Self::AllUpstreamsFailed { retry_after, .. } => *retry_after,
            Self::Shared(inner) => inner.retry_after(),
            _ => None,
        }
    }
}

/// Returns 502 where Azure DevOps answered, but not what we need; 503 where it may work again soon; 504 where
/// it did not answer in time.
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

/// Single codes that mean trouble of the moment.
const TRANSIENT: [&str; 5] = ["57014", "25P03", "40001", "40P01", "55P03"];

/// Whether the database, not the statement, is the trouble.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        // Protocol: a server that dies in mid-sentence leaves half a message behind.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // 08: connection exceptions; 53: out of resources; 57P: shutdown, crash, start-up; 57014: statement
        // timeout; 25P03: the transaction rested too long; 40001, 40P01: it lost against another one and
        // may be tried again; 55P03: another transaction held a lock for too long. PostgreSQL manual,
        // appendix A.
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
    fn a_dead_connection_is_the_databases_trouble_and_a_missing_row_is_ours() {
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
