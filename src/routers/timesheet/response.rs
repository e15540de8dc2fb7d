//! Response body of a week.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::timesheet::{Aviso, DAYS, Folha, Lancamento, No, day_name};
use crate::services::timesheet::assemble::level;

/// The timesheet of a week.
#[derive(Debug, Serialize, ToSchema)]
pub struct FolhaResponse {
    /// Monday of the week.
    semana_inicio: NaiveDate,
    /// Sunday of the week.
    semana_fim: NaiveDate,
    /// First and last day as `dd/mm - dd/mm`.
    #[schema(example = "12/01 - 18/01")]
    semana_label: String,
    /// Trees of work items, ordered by level and id.
    work_items: Vec<NoResponse>,
    /// Sum of all entries in hours.
    #[schema(example = 31.5)]
    total_geral_horas: f64,
    /// The same sum as `HH:mm`; empty when there are no entries.
    #[schema(example = "31:30")]
    total_geral_formatado: String,
    /// Sums of the seven days.
    totais_por_dia: Vec<TotalDoDiaResponse>,
    /// Number of work items in all trees.
    #[schema(example = 12)]
    total_work_items: usize,
    /// Sum of the estimates in hours; each work item counts once.
    #[schema(example = 120.0)]
    total_esforco: f64,
    /// Equal to `total_geral_horas`.
    #[schema(deprecated, example = 31.5)]
    total_historico: f64,
    /// Warnings about data that the timesheet lacks.
    avisos: Vec<AvisoResponse>,
}

/// A warning about data that the timesheet lacks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AvisoResponse {
    /// Kind of the warning: `time_sem_areas`, `area_ilegivel`, `campo_ausente` or `estado_desconhecido`.
    #[schema(example = "time_sem_areas")]
    code: &'static str,
    /// Warning as a sentence to show.
    #[schema(
        example = "O time não tem áreas no Azure DevOps; por isso a folha só mostra Work Items com horas"
    )]
    detail: String,
}

impl From<Aviso> for AvisoResponse {
    fn from(aviso: Aviso) -> Self {
        Self {
            code: aviso.code,
            detail: aviso.detail,
        }
    }
}

/// Sum of all entries of a day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TotalDoDiaResponse {
    /// Date of the day.
    data: NaiveDate,
    /// Day of the week: `seg`, `ter`, `qua`, `qui`, `sex`, `sáb` or `dom`.
    #[schema(example = "seg")]
    dia_semana: &'static str,
    /// Day of the month.
    #[schema(example = 12)]
    dia_numero: u32,
    /// Sum in hours.
    #[schema(example = 8.0)]
    total_horas: f64,
    /// The same sum as `HH:mm`; empty when there are no entries.
    #[schema(example = "08:00")]
    total_formatado: String,
    /// `true` if the day is today.
    eh_hoje: bool,
}

/// A work item with its children.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoResponse {
    /// Id of the work item.
    #[schema(example = 4711)]
    id: i32,
    /// Title of the work item.
    #[schema(example = "Fechar o balanço")]
    title: String,
    /// Name of the work item type.
    #[serde(rename = "type")]
    #[schema(example = "Task")]
    tipo: String,
    /// Name of the state.
    #[schema(example = "Doing")]
    state: String,
    /// Category of the state in the process: `Proposed`, `InProgress`, `Resolved`, `Completed` or `Removed`.
    #[schema(example = "InProgress")]
    state_category: &'static str,
    /// Icon of the type as a `data:` URI.
    #[schema(example = "data:image/svg+xml;base64,PHN2Zy8+")]
    icon_url: String,
    /// Name of the person that the work item is assigned to.
    #[schema(required = true, example = "Ana Exemplo")]
    assigned_to: Option<String>,
    /// Estimate in hours; the sum of the children where they have estimates.
    #[schema(required = true, example = 8.0)]
    original_estimate: Option<f64>,
    /// Completed work in hours; the sum of the children where they have any.
    #[schema(required = true, example = 2.5)]
    completed_work: Option<f64>,
    /// Remaining work in hours; the sum of the children where they have any.
    #[schema(required = true, example = 5.5)]
    remaining_work: Option<f64>,
    /// Sum of the caller's hours of the week, with those of the children.
    #[schema(example = 2.5)]
    total_semana_horas: f64,
    /// The same sum as `HH:mm`; empty when there are no entries.
    #[schema(example = "02:30")]
    total_semana_formatado: String,
    /// The seven days of the week.
    dias: Vec<DiaResponse>,
    /// Level in the tree: 0 for epics to 3 for tasks.
    #[schema(example = 3)]
    nivel: u8,
    /// Id of the parent, if the parent is in the timesheet.
    #[schema(required = true)]
    parent_id: Option<i32>,
    /// Work items below this one.
    #[schema(no_recursion)]
    children: Vec<NoResponse>,
    /// `true` if hours can be logged and changed.
    pode_editar: bool,
    /// `true` if entries can be deleted.
    pode_excluir: bool,
}

/// A day of a work item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiaResponse {
    /// Date of the day.
    data: NaiveDate,
    /// Day of the week: `seg`, `ter`, `qua`, `qui`, `sex`, `sáb` or `dom`.
    #[schema(example = "seg")]
    dia_semana: &'static str,
    /// Day of the month.
    #[schema(example = 12)]
    dia_numero: u32,
    /// Sum of the hours, with those of the children.
    #[schema(example = 2.5)]
    total_horas: f64,
    /// The same sum as `HH:mm`; empty when there are no entries.
    #[schema(example = "02:30")]
    total_formatado: String,
    /// The caller's entries on this work item itself.
    apontamentos: Vec<LancamentoResponse>,
    /// `true` if the day is today.
    eh_hoje: bool,
    /// `true` if the day is a Saturday or a Sunday.
    eh_fim_semana: bool,
}

/// A time entry in a day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LancamentoResponse {
    /// Id of the entry.
    id: Uuid,
    /// Duration as `HH:mm`.
    #[schema(example = "02:30")]
    duracao: String,
    /// Duration in hours.
    #[schema(example = 2.5)]
    duracao_horas: f64,
    /// Id of the activity.
    id_atividade: Uuid,
    /// Name of the activity.
    #[schema(example = "Codificação")]
    atividade_nome: String,
    /// Free text.
    #[schema(required = true)]
    comentario: Option<String>,
    /// Duration in minutes.
    #[schema(example = 150)]
    duracao_minutos: u16,
}

/// Formats a sum as `HH:mm`, and zero as an empty text.
fn formatted(total: Total) -> String {
    if total.0 == 0 {
        String::new()
    } else {
        total.to_string()
    }
}

/// Days of the week and today, shared by all days of a timesheet.
#[derive(Debug, Clone, Copy)]
struct Calendar {
    days: [NaiveDate; DAYS],
    hoje: NaiveDate,
}

impl From<Folha> for FolhaResponse {
    fn from(folha: Folha) -> Self {
        let calendar = Calendar {
            days: folha.semana.days(),
            hoje: folha.hoje,
        };
        let (first, last) = (folha.semana.first(), folha.semana.last());
        let estimates = folha
            .roots
            .iter()
            .filter_map(|root| root.scheduling.original_estimate);
        let estimate = estimates.fold(Horas::ZERO, |sum, estimate| sum + estimate);
        Self {
            semana_inicio: first,
            semana_fim: last,
            semana_label: format!("{} - {}", first.format("%d/%m"), last.format("%d/%m")),
            total_geral_horas: folha.total.hours(),
            total_geral_formatado: formatted(folha.total),
            totais_por_dia: calendar
                .days
                .into_iter()
                .zip(folha.dias)
                .map(|(data, total)| TotalDoDiaResponse {
                    data,
                    dia_semana: day_name(data),
                    dia_numero: chrono::Datelike::day(&data),
                    total_horas: total.hours(),
                    total_formatado: formatted(total),
                    eh_hoje: data == calendar.hoje,
                })
                .collect(),
            total_work_items: folha.count,
            total_esforco: estimate.to_f64(),
            total_historico: folha.total.hours(),
            avisos: folha.avisos.into_iter().map(AvisoResponse::from).collect(),
            work_items: folha
                .roots
                .into_iter()
                .map(|root| NoResponse::new(root, calendar))
                .collect(),
        }
    }
}

impl NoResponse {
    fn new(node: No, calendar: Calendar) -> Self {
        let days = calendar.days.into_iter().zip(node.dias).zip(node.lancamentos);
        Self {
            id: node.item.id,
            title: node.item.title,
            nivel: level(&node.item.tipo),
            tipo: node.item.tipo,
            state: node.item.state,
            state_category: node.item.categoria.as_str(),
            icon_url: node.item.icon.to_string(),
            assigned_to: node.item.assigned_to,
            original_estimate: node.scheduling.original_estimate.map(Horas::to_f64),
            completed_work: node.scheduling.completed_work.map(Horas::to_f64),
            remaining_work: node.scheduling.remaining_work.map(Horas::to_f64),
            total_semana_horas: node.total.hours(),
            total_semana_formatado: formatted(node.total),
            dias: days
                .enumerate()
                .map(|(position, ((data, total), entries))| DiaResponse {
                    data,
                    dia_semana: day_name(data),
                    dia_numero: chrono::Datelike::day(&data),
                    total_horas: total.hours(),
                    total_formatado: formatted(total),
                    apontamentos: entries.into_iter().map(LancamentoResponse::from).collect(),
                    eh_hoje: data == calendar.hoje,
                    eh_fim_semana: position >= 5,
                })
                .collect(),
            parent_id: node.parent,
            children: node
                .children
                .into_iter()
                .map(|child| Self::new(child, calendar))
                .collect(),
            pode_editar: node.item.pode_editar,
            pode_excluir: node.item.pode_excluir,
        }
    }
}

impl From<Lancamento> for LancamentoResponse {
    fn from(entry: Lancamento) -> Self {
        Self {
            id: entry.id.0,
            duracao: entry.duracao.to_string(),
            duracao_horas: entry.duracao.total().hours(),
            duracao_minutos: entry.duracao.minutes(),
            id_atividade: entry.atividade.id.0,
            atividade_nome: entry.atividade.nome,
            comentario: entry.comentario,
        }
    }
}
