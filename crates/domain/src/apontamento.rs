//! Time entries: a person's hours of one day on one work item, with an activity.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::duracao::{Duracao, Total};
use super::ids::{ApontamentoId, AtividadeId, ProjetoId};
use super::organizacao::{ChaveOrganizacao, NomeOrganizacao};
use super::outbox::Situacao;

/// A time entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apontamento {
    /// Key.
    pub id: ApontamentoId,
    /// Key of the organisation.
    pub organizacao: ChaveOrganizacao,
    /// Present name of the organisation.
    pub organizacao_nome: String,
    /// Project when the hours were logged (Azure DevOps GUID).
    pub projeto: Uuid,
    /// Project that the work item is in now (Azure DevOps GUID).
    pub projeto_atual: Uuid,
    /// Work item, unique in the organisation.
    pub work_item_id: i32,
    /// Day.
    pub data: NaiveDate,
    /// How long.
    pub duracao: Duracao,
    /// At what.
    pub atividade: AtividadeRef,
    /// Free text.
    pub comentario: Option<String>,
    /// Owner of the hours.
    pub usuario: Pessoa,
    /// Administrator that entered the hours for that person.
    pub registrado_por: Option<Pessoa>,
    /// When it was made.
    pub criado_em: DateTime<Utc>,
    /// When its content last changed.
    pub atualizado_em: DateTime<Utc>,
    /// How far the hours are on their way to Azure DevOps; `None` when they are not written there.
    pub sincronizacao: Option<Situacao>,
}

/// An activity as an entry shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtividadeRef {
    /// Key.
    pub id: AtividadeId,
    /// Name.
    pub nome: String,
}

/// A person under the name of that time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pessoa {
    /// Identity in the organisation.
    pub id: String,
    /// Display name.
    pub nome: String,
    /// E-mail, where known.
    pub email: Option<String>,
}

/// A project as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum ProjetoNomeado {
    /// By our key or by the Azure DevOps GUID.
    Id(Uuid),
    /// By name, without regard to case.
    Nome(String),
}

/// An entry as a caller wants it.
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
    /// How long.
    pub duracao: Duracao,
    /// At what.
    pub atividade: AtividadeId,
    /// Free text.
    pub comentario: Option<String>,
    /// Owner of the hours, as far as the caller names them.
    pub usuario: UsuarioInformado,
}

/// The person of a request's body; identity comes from the token (D-02).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsuarioInformado {
    /// Identity.
    pub id: Option<String>,
    /// Display name.
    pub nome: Option<String>,
    /// E-mail.
    pub email: Option<String>,
}

/// An entry to be stored: everything is decided.
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
    /// Day.
    pub data: NaiveDate,
    /// How long.
    pub duracao: Duracao,
    /// At what.
    pub atividade: AtividadeId,
    /// Free text.
    pub comentario: Option<&'a str>,
    /// Owner of the hours.
    pub usuario: &'a Pessoa,
    /// Administrator that entered the hours for that person.
    pub registrado_por: Option<&'a Pessoa>,
    /// State of the work item's hours that this belongs to; `None` when they are not written back.
    pub versao_escrita: Option<i64>,
}

/// Changes to an entry; `None` leaves a part as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApontamentoChanges {
    /// New day.
    pub data: Option<NaiveDate>,
    /// New length.
    pub duracao: Option<Duracao>,
    /// New activity.
    pub atividade: Option<AtividadeId>,
    /// New text; `Some(None)` clears it.
    pub comentario: Option<Option<String>>,
}

/// The entries of a work item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoWorkItem {
    /// Organisation.
    pub organizacao: NomeOrganizacao,
    /// Work item.
    pub work_item_id: i32,
    /// Project that it must be in.
    pub projeto: ProjetoNomeado,
}

/// Which entries a list shows; `None` does not restrict.
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
    /// Oldest day first instead of the newest.
    pub oldest_first: bool,
}

/// A page of entries with the totals of all that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apontamentos {
    /// The page.
    pub items: Vec<Apontamento>,
    /// How many there are.
    pub count: i64,
    /// How long they are together.
    pub total: Total,
}

/// The hours of a work item put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumoWorkItem {
    /// Work item.
    pub work_item_id: i32,
    /// How many entries.
    pub count: i64,
    /// How long they are together.
    pub total: Total,
    /// First day.
    pub primeira_data: Option<NaiveDate>,
    /// Last day.
    pub ultima_data: Option<NaiveDate>,
    /// By activity, the longest first.
    pub por_atividade: Vec<Parcela>,
    /// By person, the longest first.
    pub por_usuario: Vec<Parcela>,
}

/// A part of a total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcela {
    /// Key of what the part is for.
    pub id: String,
    /// Its name.
    pub nome: String,
    /// How long.
    pub total: Total,
}

impl ResumoWorkItem {
    /// Of a work item without entries.
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
    /// No entries.
    #[must_use]
    pub fn none() -> Self {
        Self {
            items: Vec::new(),
            count: 0,
            total: Total::default(),
        }
    }
}
