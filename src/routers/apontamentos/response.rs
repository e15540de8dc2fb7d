//! Bodies of answers of `/apontamentos`, made of the domain.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::examples;
use crate::edge::instant::Instant;
use crate::models::apontamento::{Apontamento, Apontamentos, Parcela, ResumoWorkItem};
use crate::models::horas::Horas;
use crate::models::outbox::{Estado, Situacao};
use crate::models::work_item::Scheduling;

/// A time entry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(examples::apontamento()))]
pub(super) struct ApontamentoResponse {
    /// Key.
    id: Uuid,
    /// Work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Azure DevOps GUID of the project, however it was named.
    project_id: Uuid,
    /// Organisation, lower case.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Day.
    data_apontamento: NaiveDate,
    /// `HH:mm`.
    #[schema(example = "02:30")]
    duracao: String,
    /// The same as a number: minutes / 60.
    #[schema(example = 2.5)]
    duracao_horas: f64,
    /// Key of the activity.
    id_atividade: Uuid,
    /// The activity.
    atividade: AtividadeRefResponse,
    /// Free text.
    #[schema(required = true, example = "Revisão do cadastro")]
    comentario: Option<String>,
    /// Whose hours.
    usuario_id: String,
    /// Their name then.
    #[schema(example = "Ana Exemplo")]
    usuario_nome: String,
    /// Their e-mail then.
    #[schema(required = true, example = "ana@contoso.com")]
    usuario_email: Option<String>,
    /// When it was made.
    criado_em: Instant,
    /// When it last changed.
    atualizado_em: Instant,
    /// The administrator who entered it for them.
    #[schema(required = true)]
    registrado_por_id: Option<String>,
    /// That one's name.
    #[schema(required = true)]
    registrado_por_nome: Option<String>,
    /// How far the hours are on their way to Azure DevOps; null when they are not written there.
    #[schema(required = true)]
    sincronizacao: Option<SituacaoResponse>,
    /// Project that the work item is in now (Azure DevOps GUID); another one than `project_id` once it was moved.
    projeto_atual: Uuid,
}

/// An activity, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AtividadeRefResponse {
    /// Key.
    id: Uuid,
    /// Name.
    #[schema(example = "Codificação")]
    nome: String,
}

/// How far hours are on their way to Azure DevOps.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SituacaoResponse {
    /// `pendente`, `sincronizado` or `falhou`; null when the type of the work item has no field for hours.
    #[schema(required = true, example = "sincronizado")]
    estado: Option<&'static str>,
    /// Why they are not there yet, or will not be; with `sincronizado` what to know of them: that the work item was
    /// closed before they were written.
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
            organization_name: entry.organizacao_nome,
            data_apontamento: entry.data,
            duracao: entry.duracao.to_string(),
            duracao_horas: entry.duracao.total().hours(),
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

/// A page of entries. The totals are those of all that match, on whatever page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(examples::page()))]
pub(super) struct ApontamentoListResponse {
    /// The entries of the page.
    items: Vec<ApontamentoResponse>,
    /// How many match.
    #[schema(example = 1)]
    total: i64,
    /// How long they are together, in hours.
    #[schema(example = 2.5)]
    total_horas: f64,
    /// The same as `HH:mm`; hours may have more digits.
    #[schema(example = "02:30")]
    total_formatado: String,
}

impl From<Apontamentos> for ApontamentoListResponse {
    fn from(found: Apontamentos) -> Self {
        Self {
            items: found.items.into_iter().map(Into::into).collect(),
            total: found.count,
            total_horas: found.total.hours(),
            total_formatado: found.total.to_string(),
        }
    }
}

/// The hours of a work item put together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(examples::resumo()))]
pub(super) struct ResumoResponse {
    /// Work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// How long, in hours.
    #[schema(example = 2.5)]
    total_horas: f64,
    /// How many entries.
    #[schema(example = 1)]
    total_apontamentos: i64,
    /// How long an entry is on average, in hours; 0 without entries.
    #[schema(example = 2.5)]
    media_horas_por_apontamento: f64,
    /// First day.
    #[schema(required = true)]
    primeira_data: Option<NaiveDate>,
    /// Last day.
    #[schema(required = true)]
    ultima_data: Option<NaiveDate>,
    /// By activity, the longest first.
    por_atividade: Vec<ParcelaResponse>,
    /// By person, the longest first.
    por_usuario: Vec<ParcelaResponse>,
    /// `total_horas` as `HH:mm`.
    #[schema(example = "02:30")]
    total_formatado: String,
}

/// A part of a total.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParcelaResponse {
    /// Key of the activity or the person.
    id: String,
    /// Name.
    nome: String,
    /// How long, in hours.
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

/// The hours of a work item as Azure DevOps has them now; null where a field is empty.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AzureInfoResponse {
    /// Estimate.
    #[schema(required = true, example = 8.0)]
    original_estimate: Option<f64>,
    /// What is left.
    #[schema(required = true, example = 5.5)]
    remaining_work: Option<f64>,
    /// What is done.
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
