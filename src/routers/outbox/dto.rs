//! Bodies of the write-back's routes.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::edge::fields::{Nullable, Required, WorkItemId, fields};
use crate::edge::instant::Instant;
use crate::error::{Error, FieldError, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::horas::Horas;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::outbox::{Falha, Resumo};
use crate::services::outbox::{Andamento, Diferenca, Reconciliacao, Selecao, SelectedWorkItems};

/// State of the write-back to Azure DevOps.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AndamentoResponse {
    /// Number of work items whose hours are not written yet.
    #[schema(example = 2)]
    pendentes: i64,
    /// Instant since which the oldest of them waits.
    #[schema(required = true)]
    mais_antigo: Option<Instant>,
    /// Number of seconds for which the oldest of them has waited.
    #[schema(required = true, example = 12)]
    idade_segundos: Option<i64>,
    /// Number of work items whose hours will not be written without an administrator's action.
    #[schema(example = 1)]
    falhas: i64,
    /// Number of work items that wait for `POST /integracao/reconciliar`, because the database of this
    /// service was restored.
    #[schema(example = 0)]
    a_conferir: i64,
    /// The same figures for each organisation that has unwritten hours.
    organizacoes: Vec<PendenciasResponse>,
    /// Failures in detail, at most 200.
    falhas_detalhes: Vec<FalhaResponse>,
}

/// State of the write-back of one organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PendenciasResponse {
    /// Name of the organisation.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Number of work items whose hours are not written yet.
    #[schema(example = 2)]
    pendentes: i64,
    /// Instant since which the oldest of them waits.
    #[schema(required = true)]
    mais_antigo: Option<Instant>,
    /// Number of work items whose hours will not be written without an administrator's action.
    #[schema(example = 1)]
    falhas: i64,
    /// Number of work items that wait for `POST /integracao/reconciliar`, because the database of this
    /// service was restored.
    #[schema(example = 0)]
    a_conferir: i64,
}

/// A work item whose hours could not be written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FalhaResponse {
    /// Name of the organisation.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Azure DevOps GUID of the project.
    project_id: Uuid,
    /// Id of the work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Reason as a sentence to show.
    #[schema(
        required = true,
        example = "O Work Item 4711 não existe mais, ou a credencial usada não o vê"
    )]
    motivo: Option<String>,
    /// Instant since which the hours wait.
    desde: Instant,
    /// Number of failed attempts.
    #[schema(example = 3)]
    tentativas: i32,
}

impl From<Resumo> for PendenciasResponse {
    fn from(resumo: Resumo) -> Self {
        Self {
            organization_name: resumo.organizacao,
            pendentes: resumo.pendentes,
            mais_antigo: resumo.mais_antigo.map(Into::into),
            falhas: resumo.falhas,
            a_conferir: resumo.a_conferir,
        }
    }
}

impl From<Falha> for FalhaResponse {
    fn from(falha: Falha) -> Self {
        Self {
            organization_name: falha.organizacao,
            project_id: falha.projeto,
            work_item_id: falha.work_item_id,
            motivo: falha.motivo,
            desde: falha.desde.into(),
            tentativas: falha.tentativas,
        }
    }
}

impl From<Andamento> for AndamentoResponse {
    fn from(andamento: Andamento) -> Self {
        let oldest = andamento
            .organizacoes
            .iter()
            .filter_map(|resumo| resumo.mais_antigo)
            .min();
        let sum = |count: fn(&Resumo) -> i64| andamento.organizacoes.iter().map(count).sum();
        Self {
            pendentes: sum(|resumo| resumo.pendentes),
            mais_antigo: oldest.map(Into::into),
            idade_segundos: oldest.map(|oldest| (andamento.em - oldest).num_seconds().max(0)),
            falhas: sum(|resumo| resumo.falhas),
            a_conferir: sum(|resumo| resumo.a_conferir),
            organizacoes: andamento.organizacoes.into_iter().map(Into::into).collect(),
            falhas_detalhes: andamento.falhas.into_iter().map(Into::into).collect(),
        }
    }
}

fields! {
    /// Selects the failures to try again. Without any key all failures of the caller's organisations are
    /// tried.
    pub(super) struct RepetirRequest {
        /// Tries only failures of this organisation.
        pub(super) organization_name: Nullable<NomeOrganizacao>,
        /// Tries only the failure of this work item.
        pub(super) work_item_id: Nullable<WorkItemId>,
    }
    example = json!({"organization_name": "contoso", "work_item_id": 4711});
}

/// Number of failures that are tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RepetirResponse {
    /// Number of work items.
    #[schema(example = 1)]
    pub(super) repetidos: usize,
}

fields! {
    /// Selects what to compare: one work item, or the work items of a project.
    pub(super) struct ReconciliarRequest {
        /// Name of the organisation. Case does not matter.
        organization_name: Required<NomeOrganizacao>,
        /// Compares only this work item.
        work_item_id: Nullable<WorkItemId>,
        /// Compares the work items of this project, 200 at a time. `work_item_id` wins if both are present.
        project_id: Nullable<ProjetoNomeado>,
        /// `proximo` of the previous answer: continues after this work item.
        a_partir_de: Nullable<WorkItemId>,
    }
    example = json!({"organization_name": "contoso", "work_item_id": 4711});
}

impl ReconciliarRequest {
    /// Converts the body to the work items to compare.
    pub(super) fn into_selection(self) -> Result<Selecao> {
        let after = self.a_partir_de.unwrap_or(0);
        let target = match (self.work_item_id, self.project_id) {
            (Some(id), _) => SelectedWorkItems::WorkItem(id),
            (None, Some(projeto)) => SelectedWorkItems::Projeto(projeto, after),
            (None, None) => {
                return Err(Error::Invalid(vec![FieldError {
                    loc: vec!["body".into(), "work_item_id".into()],
                    kind: "missing",
                    message: "campo obrigatório".to_owned(),
                }]));
            }
        };
        Ok(Selecao {
            organizacao: self.organization_name,
            target,
        })
    }
}

/// Result of a comparison.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReconciliacaoResponse {
    /// Number of compared work items.
    #[schema(example = 1)]
    verificados: usize,
    /// Work items that differed.
    diferencas: Vec<DiferencaResponse>,
    /// Value of `a_partir_de` for the next request; null when all work items were compared.
    #[schema(required = true)]
    proximo: Option<i32>,
}

/// A work item that differed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiferencaResponse {
    /// Id of the work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Hours logged in this service.
    #[schema(example = 2.5)]
    horas_apontadas: f64,
    /// The same hours as `HH:mm`.
    #[schema(example = "02:30")]
    horas_formatadas: String,
    /// `CompletedWork` before the comparison; null when the work item cannot be read.
    #[schema(required = true, example = 1.0)]
    completed_work_antes: Option<f64>,
    /// `CompletedWork` after the comparison.
    #[schema(required = true, example = 2.5)]
    completed_work_depois: Option<f64>,
    /// `true` if the missing hours were written.
    reparado: bool,
    /// Reason why they were not written, as a sentence to show.
    #[schema(required = true)]
    motivo: Option<String>,
}

impl From<Diferenca> for DiferencaResponse {
    fn from(difference: Diferenca) -> Self {
        Self {
            work_item_id: difference.work_item_id,
            horas_apontadas: difference.apontado.hours(),
            horas_formatadas: difference.apontado.to_string(),
            completed_work_antes: difference.completed_before.map(Horas::to_f64),
            completed_work_depois: difference.completed_after.map(Horas::to_f64),
            reparado: difference.reparado,
            motivo: difference.motivo,
        }
    }
}

impl From<Reconciliacao> for ReconciliacaoResponse {
    fn from(done: Reconciliacao) -> Self {
        Self {
            verificados: done.verificados,
            diferencas: done.diferencas.into_iter().map(Into::into).collect(),
            proximo: done.proximo,
        }
    }
}
