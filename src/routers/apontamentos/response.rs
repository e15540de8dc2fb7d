//! Response bodies of `/apontamentos`, converted from the domain.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::edge::instant::Instant;
use crate::edge::pagination::encode;
use crate::models::apontamento::{Apontamento, Apontamentos, Parcela, ResumoWorkItem};
use crate::models::horas::Horas;
use crate::models::outbox::{Estado, Situacao};
use crate::models::work_item::Scheduling;

/// A time entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApontamentoResponse {
    /// Id of the entry.
    id: Uuid,
    /// Id of the work item in Azure DevOps.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Azure DevOps GUID of the project in which the hours were logged.
    project_id: Uuid,
    /// Organisation in lower case.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Day on which the work was done.
    data_apontamento: NaiveDate,
    /// Duration as `HH:mm`.
    #[schema(example = "02:30")]
    duracao: String,
    /// Duration in hours: minutes divided by 60.
    #[schema(example = 2.5)]
    duracao_horas: f64,
    /// Id of the activity.
    id_atividade: Uuid,
    /// Activity of the entry.
    atividade: AtividadeRefResponse,
    /// Free text.
    #[schema(required = true, example = "Revisão do cadastro")]
    comentario: Option<String>,
    /// Id of the person who worked.
    usuario_id: String,
    /// Name of that person when the hours were logged.
    #[schema(example = "Ana Exemplo")]
    usuario_nome: String,
    /// E-mail address of that person when the hours were logged.
    #[schema(required = true, example = "ana@contoso.com")]
    usuario_email: Option<String>,
    /// Instant of creation.
    criado_em: Instant,
    /// Instant of the last change.
    atualizado_em: Instant,
    /// Id of the administrator who logged the hours for that person; null when the person did.
    #[schema(required = true)]
    registrado_por_id: Option<String>,
    /// Name of that administrator.
    #[schema(required = true)]
    registrado_por_nome: Option<String>,
    /// How far the hours are on their way to Azure DevOps; null when they are not written there.
    #[schema(required = true)]
    sincronizacao: Option<SituacaoResponse>,
    /// Azure DevOps GUID of the project that the work item is in now. It differs from `project_id` once the
    /// work item was moved.
    projeto_atual: Uuid,
    /// Duration in minutes, which is exact.
    #[schema(example = 150)]
    duracao_minutos: u16,
    /// Name of the project `project_id` when the hours were logged.
    #[schema(required = true, example = "Portal do Contribuinte")]
    projeto_nome: Option<String>,
    /// Title of the work item when the hours were logged; null if it was not known then.
    #[schema(required = true, example = "Validar cadastro")]
    work_item_titulo: Option<String>,
}

/// An activity in short.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AtividadeRefResponse {
    /// Id of the activity.
    id: Uuid,
    /// Name of the activity.
    #[schema(example = "Codificação")]
    nome: String,
}

/// How far the hours are on their way to Azure DevOps.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SituacaoResponse {
    /// `pendente`, `sincronizado` or `falhou`; null when the type of the work item has no field for hours.
    #[schema(required = true, example = "sincronizado")]
    estado: Option<&'static str>,
    /// Reason why the hours are not in Azure DevOps yet, or will not be. With `sincronizado` it tells what
    /// happened to them, such as a work item that was closed before they were written.
    #[schema(required = true)]
    motivo: Option<String>,
}

impl From<Situacao> for SituacaoResponse {
    fn from(situacao: Situacao) -> Self {
        Self {
            estado: situacao.estado.map(Estado::as_str),
            motivo: situacao.motivo,
        }
    }
}

impl From<Apontamento> for ApontamentoResponse {
    fn from(entry: Apontamento) -> Self {
        let (registrado_por_id, registrado_por_nome) = entry
            .registrado_por
            .map(|pessoa| (pessoa.id, pessoa.nome))
            .unzip();
        Self {
            id: entry.id.0,
            work_item_id: entry.work_item_id,
            project_id: entry.projeto,
            projeto_nome: entry.projeto_nome,
            work_item_titulo: entry.work_item_titulo,
            organization_name: entry.organizacao_nome,
            data_apontamento: entry.data,
            duracao: entry.duracao.to_string(),
            duracao_horas: entry.duracao.total().hours(),
            duracao_minutos: entry.duracao.minutes(),
            id_atividade: entry.atividade.id.0,
            atividade: AtividadeRefResponse {
                id: entry.atividade.id.0,
                nome: entry.atividade.nome,
            },
            comentario: entry.comentario,
            usuario_id: entry.usuario.id,
            usuario_nome: entry.usuario.nome,
            usuario_email: entry.usuario.email,
            criado_em: entry.criado_em.into(),
            atualizado_em: entry.atualizado_em.into(),
            registrado_por_id,
            registrado_por_nome,
            sincronizacao: entry.sincronizacao.map(SituacaoResponse::from),
            projeto_atual: entry.projeto_atual,
        }
    }
}

/// A page of time entries. The totals count all matching entries, on every page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApontamentoListResponse {
    /// Entries of the page.
    items: Vec<ApontamentoResponse>,
    /// Number of matching entries on all pages.
    #[schema(example = 1)]
    total: i64,
    /// Sum of the matching entries in hours.
    #[schema(example = 2.5)]
    total_horas: f64,
    /// The same sum as `HH:mm`; the hours may have more than two digits.
    #[schema(example = "02:30")]
    total_formatado: String,
    /// The same sum in minutes.
    #[schema(example = 150)]
    total_minutos: i64,
    /// Value of `cursor` for the next page; null on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl ApontamentoListResponse {
    /// Returns the cursor of the next page.
    pub(super) fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

impl From<Apontamentos> for ApontamentoListResponse {
    fn from(found: Apontamentos) -> Self {
        Self {
            items: found.items.into_iter().map(Into::into).collect(),
            total: found.count,
            total_horas: found.total.hours(),
            total_formatado: found.total.to_string(),
            total_minutos: found.total.0,
            next_cursor: found.next.as_ref().map(encode),
        }
    }
}

/// Sums of the hours of a work item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResumoResponse {
    /// Id of the work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Sum in hours.
    #[schema(example = 2.5)]
    total_horas: f64,
    /// Number of entries.
    #[schema(example = 1)]
    total_apontamentos: i64,
    /// Average duration of an entry in hours; 0 without entries.
    #[schema(example = 2.5)]
    media_horas_por_apontamento: f64,
    /// Day of the first entry; null without entries.
    #[schema(required = true)]
    primeira_data: Option<NaiveDate>,
    /// Day of the last entry; null without entries.
    #[schema(required = true)]
    ultima_data: Option<NaiveDate>,
    /// Sums by activity, the largest first.
    por_atividade: Vec<ParcelaResponse>,
    /// Sums by person, the largest first.
    por_usuario: Vec<ParcelaResponse>,
    /// The same sum as `HH:mm`.
    #[schema(example = "02:30")]
    total_formatado: String,
    /// The same sum in minutes.
    #[schema(example = 150)]
    total_minutos: i64,
}

/// A part of a sum.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParcelaResponse {
    /// Id of the activity or of the person.
    id: String,
    /// Name of the activity or of the person.
    nome: String,
    /// Sum in hours.
    #[schema(example = 2.5)]
    total_horas: f64,
}

impl From<Parcela> for ParcelaResponse {
    fn from(part: Parcela) -> Self {
        Self {
            id: part.id,
            nome: part.nome,
            total_horas: part.total.hours(),
        }
    }
}

impl From<ResumoWorkItem> for ResumoResponse {
    fn from(resumo: ResumoWorkItem) -> Self {
        let hours = resumo.total.hours();
        #[expect(clippy::cast_precision_loss, reason = "a count of entries")]
        let average = if resumo.count == 0 {
            0.0
        } else {
            hours / resumo.count as f64
        };
        Self {
            work_item_id: resumo.work_item_id,
            total_horas: hours,
            total_minutos: resumo.total.0,
            total_apontamentos: resumo.count,
            media_horas_por_apontamento: average,
            primeira_data: resumo.primeira_data,
            ultima_data: resumo.ultima_data,
            por_atividade: resumo.por_atividade.into_iter().map(Into::into).collect(),
            por_usuario: resumo.por_usuario.into_iter().map(Into::into).collect(),
            total_formatado: resumo.total.to_string(),
        }
    }
}

/// Hours of a work item as they stand in Azure DevOps now. A field that is empty there is null.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AzureInfoResponse {
    /// Estimate in hours.
    #[schema(required = true, example = 8.0)]
    original_estimate: Option<f64>,
    /// Remaining work in hours.
    #[schema(required = true, example = 5.5)]
    remaining_work: Option<f64>,
    /// Completed work in hours.
    #[schema(required = true, example = 2.5)]
    completed_work: Option<f64>,
}

impl From<Scheduling> for AzureInfoResponse {
    fn from(hours: Scheduling) -> Self {
        Self {
            original_estimate: hours.original_estimate.map(Horas::to_f64),
            remaining_work: hours.remaining_work.map(Horas::to_f64),
            completed_work: hours.completed_work.map(Horas::to_f64),
        }
    }
}
