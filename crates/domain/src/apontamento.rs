//! Time entries: the hours of one person on one day and one work item, with an activity.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::duracao::{Duracao, Total};
use super::ids::{ApontamentoId, AtividadeId, ProjetoId};
use super::organizacao::{ChaveOrganizacao, NomeOrganizacao};
use super::outbox::Situacao;
use super::page::ApontamentoPosition;

/// Time entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apontamento {
    /// Key.
    pub id: ApontamentoId,
    /// Key of the organisation.
    pub organizacao: ChaveOrganizacao,
    /// Current name of the organisation.
    pub organizacao_nome: String,
    /// Project of the work item when the hours were logged (Azure DevOps GUID).
    pub projeto: Uuid,
    /// Name of that project when the hours were logged; its present name in entries of earlier releases.
    pub projeto_nome: Option<String>,
    /// Project of the work item now (Azure DevOps GUID).
    pub projeto_atual: Uuid,
    /// Id of the work item, unique in the organisation.
    pub work_item_id: i32,
    /// Title of the work item when the hours were logged; `None` if it was not read then.
    pub work_item_titulo: Option<String>,
    /// Day.
    pub data: NaiveDate,
    /// Duration.
    pub duracao: Duracao,
    /// Activity.
    pub atividade: AtividadeRef,
    /// Free text.
    pub comentario: Option<String>,
    /// Owner of the hours.
    pub usuario: Pessoa,
    /// Administrator that logged the hours for the owner; `None` if the owner logged them.
    pub registrado_por: Option<Pessoa>,
    /// Time of creation.
    pub criado_em: DateTime<Utc>,
    /// Time of the last change of the content.
    pub atualizado_em: DateTime<Utc>,
    /// State of the write-back to Azure DevOps; `None` if the hours are not written back.
    pub sincronizacao: Option<Situacao>,
}

/// Activity as a field of a time entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtividadeRef {
    /// Key.
    pub id: AtividadeId,
    /// Name.
    pub nome: String,
}

/// Person, under the name of the time when the row was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pessoa {
    /// Identity in the organisation.
    pub id: String,
    /// Display name.
    pub nome: String,
    /// E-mail, where known.
    pub email: Option<String>,
}

/// Project as a request names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum ProjetoNomeado {
    /// Our key or the Azure DevOps GUID.
    Id(Uuid),
    /// Name, compared without regard to case.
    Nome(String),
}

/// Time entry as a caller requests it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApontamento {
    /// Organisation.
    pub organizacao: NomeOrganizacao,
    /// Project.
    pub projeto: ProjetoNomeado,
    /// Work item.
    pub work_item_id: i32,
    /// Day.
    pub data: NaiveDate,
    /// Duration.
    pub duracao: Duracao,
    /// Activity.
    pub atividade: AtividadeId,
    /// Free text.
    pub comentario: Option<String>,
    /// Owner of the hours, as far as the request names one.
    pub usuario: UsuarioInformado,
}

/// Person named in the body of a request; the identity itself comes from the token (D-02).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsuarioInformado {
    /// Identity.
    pub id: Option<String>,
    /// Display name.
    pub nome: Option<String>,
    /// E-mail.
    pub email: Option<String>,
}

/// Time entry to be inserted, with all values decided.
#[derive(Debug, Clone)]
pub struct ApontamentoRow<'a> {
    /// Key.
    pub id: ApontamentoId,
    /// Organisation.
    pub organizacao: &'a ChaveOrganizacao,
    /// Project.
    pub projeto: ProjetoId,
    /// Work item.
    pub work_item_id: i32,
    /// Title of the work item; cut to 255 characters when stored.
    pub work_item_titulo: Option<&'a str>,
    /// Day.
    pub data: NaiveDate,
    /// Duration.
    pub duracao: Duracao,
    /// Activity.
    pub atividade: AtividadeId,
    /// Free text.
    pub comentario: Option<&'a str>,
    /// Owner of the hours.
    pub usuario: &'a Pessoa,
    /// Administrator that logged the hours for the owner; `None` if the owner logged them.
    pub registrado_por: Option<&'a Pessoa>,
    /// Version of the work item's hours that this entry belongs to; `None` if they are not written back.
    pub versao_escrita: Option<i64>,
}

/// Changes to a time entry; `None` leaves a value unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApontamentoChanges {
    /// New day.
    pub data: Option<NaiveDate>,
    /// New duration.
    pub duracao: Option<Duracao>,
    /// New activity.
    pub atividade: Option<AtividadeId>,
    /// New text; `Some(None)` clears the text.
    pub comentario: Option<Option<String>>,
}

/// Selects the entries of one work item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoWorkItem {
    /// Organisation.
    pub organizacao: NomeOrganizacao,
    /// Work item.
    pub work_item_id: i32,
    /// Project that the work item must be in.
    pub projeto: ProjetoNomeado,
}

/// Filter of a list of entries; `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApontamentoFilter {
    /// First day.
    pub desde: Option<NaiveDate>,
    /// Last day.
    pub ate: Option<NaiveDate>,
    /// Organisation.
    pub organizacao: Option<NomeOrganizacao>,
    /// Work item.
    pub work_item_id: Option<i32>,
    /// Project.
    pub projeto: Option<ProjetoNomeado>,
    /// Activity.
    pub atividade: Option<AtividadeId>,
    /// Owner of the hours; the caller when absent. Only administrators may name another person.
    pub usuario: Option<String>,
    /// `true` for the entries of all people, which only administrators may list.
    pub todos: bool,
    /// `true` if the oldest day comes first instead of the newest.
    pub oldest_first: bool,
}

/// Page of entries with the totals of all matching entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apontamentos {
    /// Entries of the page.
    pub items: Vec<Apontamento>,
    /// Number of matching entries.
    pub count: i64,
    /// Sum of the durations of the matching entries.
    pub total: Total,
    /// Position of the last entry; `None` on the last page.
    pub next: Option<ApontamentoPosition>,
}

/// Summary of the hours of one work item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumoWorkItem {
    /// Work item.
    pub work_item_id: i32,
    /// Number of entries.
    pub count: i64,
    /// Sum of the durations.
    pub total: Total,
    /// Day of the first entry.
    pub primeira_data: Option<NaiveDate>,
    /// Day of the last entry.
    pub ultima_data: Option<NaiveDate>,
    /// Totals by activity, the longest first.
    pub por_atividade: Vec<Parcela>,
    /// Totals by person, the longest first.
    pub por_usuario: Vec<Parcela>,
}

/// Part of a total that belongs to one activity or one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcela {
    /// Key of the activity or person.
    pub id: String,
    /// Name of the activity or person.
    pub nome: String,
    /// Sum of the durations.
    pub total: Total,
}

impl ResumoWorkItem {
    /// Returns the summary of a work item without entries.
    #[must_use]
    pub fn empty(work_item_id: i32) -> Self {
        Self {
            work_item_id,
            count: 0,
            total: Total::default(),
            primeira_data: None,
            ultima_data: None,
            por_atividade: Vec::new(),
            por_usuario: Vec::new(),
        }
    }
}

impl Apontamentos {
    /// Returns a page without entries.
    #[must_use]
    pub fn none() -> Self {
        Self {
            items: Vec::new(),
            count: 0,
            total: Total::default(),
            next: None,
        }
    }
}
