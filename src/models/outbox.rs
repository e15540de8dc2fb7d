//! The write-back of hours to Azure DevOps: which work item, how far it is, what was about to be written.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::duracao::Total;
use super::horas::Horas;
use super::organizacao::ChaveOrganizacao;

/// How hours get into `CompletedWork`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What changed here is added to what stands there: hours that people typed into Azure DevOps survive.
    Delta,
    /// The sum of the entries replaces what stands there, as the FastAPI service did.
    Absolute,
    /// Nothing is written.
    Off,
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estado {
    /// Will be written.
    Pendente,
    /// Azure DevOps has it.
    Sincronizado,
    /// Will not be written unless somebody acts.
    Falhou,
}

impl Estado {
    /// As the database and the wire spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pendente => "pendente",
            Self::Sincronizado => "sincronizado",
            Self::Falhou => "falhou",
        }
    }

    /// Reads what the database holds; its constraint knows no other word.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "sincronizado" => Self::Sincronizado,
            "falhou" => Self::Falhou,
            _ => Self::Pendente,
        }
    }
}

/// What the owner is told of hours that are written into a work item that was closed after they were logged.
pub const CLOSED_BEFORE: &str =
    "O Work Item foi fechado antes da gravação das horas; elas foram gravadas assim mesmo";

/// What the owner is told of hours of a work item whose type has no field for them.
pub const NO_FIELD: &str =
    "O tipo do Work Item não tem o campo Completed Work; as horas ficam registradas somente aqui";

/// What an entry tells of its way to Azure DevOps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situacao {
    /// Where it stands; `None` when the work item has no field that it could stand in.
    pub estado: Option<Estado>,
    /// Why it is not there yet, or will not be; or what to know of it. A sentence for people.
    pub motivo: Option<String>,
}

/// A work item that hours are written to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Key of its organisation.
    pub organizacao: ChaveOrganizacao,
    /// Its id there.
    pub work_item_id: i32,
}

/// What of the upstream's figures is ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Hours of ours within `CompletedWork`.
    pub contribuicao: Horas,
    /// Hours of ours that `RemainingWork` was told of, whether or not it had room for them.
    pub considerado: Horas,
    /// Hours that we took off `RemainingWork`; less than what it was told of when nothing was left to take.
    pub descontado: Horas,
}

/// What is about to be written, stored before it is sent. It stays the same until it is known whether it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingPatch {
    /// Revision that the work item must have; it has the next one if this was applied.
    pub rev: i32,
    /// State of the entries that this tells.
    pub versao: i64,
    /// What is ours once it is applied.
    pub depois: Share,
    /// New `CompletedWork`.
    pub completed: Option<Horas>,
    /// New `RemainingWork`.
    pub remaining: Option<Horas>,
    /// Identity that writes, where known.
    pub por: Option<Uuid>,
}

/// A work item taken for writing.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Proof that it is ours until the lease ends.
    pub lease: Uuid,
    /// What of the upstream's figures is ours.
    pub share: Share,
    /// What an earlier attempt was about to write, its outcome unknown.
    pub pending: Option<PendingPatch>,
    /// Failed attempts since the last change.
    pub tentativas: i32,
    /// Revision that our last change made.
    pub rev_escrita: i32,
}

/// The hours to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// State of the entries.
    pub versao: i64,
    /// Their sum.
    pub total: Total,
}

/// How the write-back of an organisation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumo {
    /// Present name of the organisation.
    pub organizacao: String,
    /// Work items whose hours are on their way.
    pub pendentes: i64,
    /// Since when the oldest is.
    pub mais_antigo: Option<DateTime<Utc>>,
    /// Work items whose hours will not be written unless somebody acts.
    pub falhas: i64,
}

/// One work item that is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Falha {
    /// Present name of the organisation.
    pub organizacao: String,
    /// Work item.
    pub work_item_id: i32,
    /// Project (Azure DevOps GUID).
    pub projeto: Uuid,
    /// Why.
    pub motivo: Option<String>,
    /// Since when.
    pub desde: DateTime<Utc>,
    /// Failed attempts.
    pub tentativas: i32,
}
