//! The write-back of hours to Azure DevOps: which work item, how far it is, what was about to be written.

use std::time::Duration;

use chrono::{DateTime, Utc};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estado {
    /// Will be written.
    Pendente,
    /// Azure DevOps has it.
    Sincronizado,
    /// Will not be written without an administrator's action.
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

/// Sentence for the owner of hours on a work item whose type has no field for them.
pub const NO_FIELD: &str =
    "O tipo do Work Item não tem o campo Completed Work; as horas ficam registradas somente aqui";

/// What an entry tells of its way to Azure DevOps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situacao {
    /// Where it stands; `None` when the work item has no field that it could stand in.
    pub estado: Option<Estado>,
    /// Why it is not there yet, or will not be; or what to know of it. A sentence for people.
    pub motivo: Option<String>,
}

impl Situacao {
    /// Describes an entry that a write has covered: `no_field` when the type has nowhere to put its hours,
    /// `closed_before` when the work item was closed before they arrived.
    #[must_use]
    pub fn covered(no_field: bool, closed_before: bool) -> Self {
        if no_field {
            return Self {
                estado: None,
                motivo: Some(NO_FIELD.to_owned()),
            };
        }
        Self {
            estado: Some(Estado::Sincronizado),
            motivo: closed_before.then(|| CLOSED_BEFORE.to_owned()),
        }
    }
}

/// A work item that hours are written to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Key of its organisation.
    pub organizacao: ChaveOrganizacao,
    /// Its id there.
    pub work_item_id: i32,
}

/// The part of Azure DevOps' figures that is ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Hours of ours within `CompletedWork` (column `contribuicao`).
    pub contributed: Horas,
    /// Hours of ours that `RemainingWork` was told of, whether or not it had room for them (`considerado`).
    pub accounted: Horas,
    /// Hours that we took off `RemainingWork`; less than `accounted` when nothing was left to take
    /// (`descontado`).
    pub deducted: Horas,
}

/// A patch that is stored before it is sent. It stays the same until its fate is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingPatch {
    /// Revision that the work item must have; it has the next one if the patch was applied.
    pub rev: i32,
    /// Version of the entries that the figures stand for.
    pub versao: i64,
    /// Our share once the patch is applied.
    pub after: Share,
    /// New `CompletedWork`.
    pub completed: Option<Horas>,
    /// New `RemainingWork`.
    pub remaining: Option<Horas>,
    /// Identity that sends it, where known.
    pub author: Option<Uuid>,
}

/// A work item that one attempt has leased.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Proof of the lease.
    pub lease: Uuid,
    /// Our share of the figures.
    pub share: Share,
    /// Patch of an earlier attempt whose fate is not known.
    pub pending: Option<PendingPatch>,
    /// Time since the pending patch was last sent without a clear answer; `None` where that is not known.
    pub sent_ago: Option<Duration>,
    /// Failed attempts since the last change.
    pub attempts: i32,
    /// Revision that our last write made.
    pub rev_written: i32,
    /// Time since Azure DevOps first showed a revision below `rev_written`.
    pub behind_for: Option<Duration>,
}

impl Claim {
    /// Returns the newest revision that the work item is known to have had.
    #[must_use]
    pub fn newest_rev(&self) -> i32 {
        let tested = self.pending.map_or(0, |pending| pending.rev);
        self.rev_written.max(tested)
    }
}

/// One of our writes, as it is remembered for the case that Azure DevOps is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Revision that it made.
    pub rev: i32,
    /// `CompletedWork` of that revision.
    pub completed: Option<Horas>,
    /// Our share of that revision.
    pub share: Share,
}

/// The hours logged on a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// Version of the entries.
    pub versao: i64,
    /// Their sum.
    pub total: Total,
}

/// The entries that Azure DevOps knows after a write; their state follows from their version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// Last version that was written.
    pub versao: i64,
    /// Versions that arrived after the work item was closed: above the first, up to the second.
    pub closed: Option<(i64, i64)>,
    /// Whether the type has no field for hours.
    pub no_field: bool,
}

impl Coverage {
    /// Returns what an entry of this version tells, or `None` if the write did not cover it.
    #[must_use]
    pub fn situacao(&self, versao: i64) -> Option<Situacao> {
        let closed_before = self
            .closed
            .is_some_and(|(after, up_to)| versao > after && versao <= up_to);
        (versao <= self.versao).then(|| Situacao::covered(self.no_field, closed_before))
    }
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
    /// Work items whose hours will not be written without an administrator's action.
    pub falhas: i64,
    /// Work items that wait for a comparison, because our database was restored.
    pub a_conferir: i64,
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
