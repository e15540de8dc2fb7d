//! The write-back of hours to Azure DevOps: its targets, states and pending patches.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::duracao::Total;
use super::horas::Horas;
use super::organizacao::ChaveOrganizacao;

/// Way in which hours are written to `CompletedWork`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Adds our changes to the stored value, so that hours typed into Azure DevOps survive.
    Delta,
    /// Replaces the stored value by the sum of the entries, as the FastAPI service did.
    Absolute,
    /// Writes nothing.
    Off,
}

/// State of a change in the write-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estado {
    /// The change will be written.
    Pendente,
    /// Azure DevOps has the change.
    Sincronizado,
    /// The change will not be written without an administrator's action.
    Falhou,
}

impl Estado {
    /// Returns the word used in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pendente => "pendente",
            Self::Sincronizado => "sincronizado",
            Self::Falhou => "falhou",
        }
    }

    /// Parses a word from the database, whose constraint allows no other word.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "sincronizado" => Self::Sincronizado,
            "falhou" => Self::Falhou,
            _ => Self::Pendente,
        }
    }
}

/// Sentence for the owner of hours on a work item that was closed between the logging and the write.
pub const CLOSED_BEFORE: &str =
    "O Work Item foi fechado antes da gravação das horas; elas foram gravadas assim mesmo";

/// Sentence for the owner of hours on a work item whose type has no field for hours.
pub const NO_FIELD: &str =
    "O tipo do Work Item não tem o campo Completed Work; as horas ficam registradas somente aqui";

/// State of an entry in the write-back, as shown to users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situacao {
    /// State; `None` if the work item has no field for the hours.
    pub estado: Option<Estado>,
    /// Reason why the hours are not written yet or will not be, or a remark on them. Sentence for people.
    pub motivo: Option<String>,
}

impl Situacao {
    /// Returns the state of an entry that a write has covered. `no_field`: the type of the work item has no
    /// field for hours; `closed_before`: the work item was closed before the hours were written.
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

/// Work item that hours are written to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Key of the organisation.
    pub organizacao: ChaveOrganizacao,
    /// Id of the work item in the organisation.
    pub work_item_id: i32,
}

/// Our part of the figures in Azure DevOps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Our hours within `CompletedWork` (column `contribuicao`).
    pub contributed: Horas,
    /// Our hours that were to be subtracted from `RemainingWork`, whether or not it was high enough
    /// (`considerado`).
    pub accounted: Horas,
    /// Our hours that were subtracted from `RemainingWork`; less than `accounted` if nothing was left to
    /// subtract (`descontado`).
    pub deducted: Horas,
}

/// Patch that is stored before it is sent, and is not changed until its outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingPatch {
    /// Revision that the work item must have; an applied patch creates the next revision.
    pub rev: i32,
    /// Version of the entries that the figures correspond to.
    pub versao: i64,
    /// Our share after the patch is applied.
    pub after: Share,
    /// New `CompletedWork`.
    pub completed: Option<Horas>,
    /// New `RemainingWork`.
    pub remaining: Option<Horas>,
    /// Identity that sends the patch, if known.
    pub author: Option<Uuid>,
}

/// Work item under the lease of one attempt.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Token that proves the lease.
    pub lease: Uuid,
    /// Our share of the figures.
    pub share: Share,
    /// Patch of an earlier attempt whose outcome is not known.
    pub pending: Option<PendingPatch>,
    /// Time since the pending patch was last sent without a clear response; `None` if that is not known.
    pub sent_ago: Option<Duration>,
    /// Number of failed attempts since the last change.
    pub attempts: i32,
    /// Revision that our last write created.
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

/// One of our writes, stored for the case that Azure DevOps is restored from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Revision that the write created.
    pub rev: i32,
    /// `CompletedWork` of that revision.
    pub completed: Option<Horas>,
    /// Our share of that revision.
    pub share: Share,
}

/// Hours logged on a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// Version of the entries.
    pub versao: i64,
    /// Sum of the entries.
    pub total: Total,
}

/// Entries that Azure DevOps has after a write; the state of an entry follows from its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// Last version that was written.
    pub versao: i64,
    /// Versions written after the work item was closed: above the first number, up to and including the
    /// second.
    pub closed: Option<(i64, i64)>,
    /// `true` if the type has no field for hours.
    pub no_field: bool,
}

impl Coverage {
    /// Returns the state of an entry of this version. Returns `None` if the write did not cover it.
    #[must_use]
    pub fn situacao(&self, versao: i64) -> Option<Situacao> {
        let closed_before = self
            .closed
            .is_some_and(|(after, up_to)| versao > after && versao <= up_to);
        (versao <= self.versao).then(|| Situacao::covered(self.no_field, closed_before))
    }
}

/// Summary of the write-back of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumo {
    /// Current name of the organisation.
    pub organizacao: String,
    /// Number of work items whose hours are not written yet.
    pub pendentes: i64,
    /// Time since which the oldest of them is pending.
    pub mais_antigo: Option<DateTime<Utc>>,
    /// Number of work items whose hours will not be written without an administrator's action.
    pub falhas: i64,
    /// Number of work items that await a comparison because our database was restored.
    pub a_conferir: i64,
}

/// Work item whose hours could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Falha {
    /// Current name of the organisation.
    pub organizacao: String,
    /// Work item.
    pub work_item_id: i32,
    /// Project (Azure DevOps GUID).
    pub projeto: Uuid,
    /// Reason, a sentence for people.
    pub motivo: Option<String>,
    /// Time since which the hours have not been written.
    pub desde: DateTime<Utc>,
    /// Number of failed attempts.
    pub tentativas: i32,
}
