//! Bodies of the write-back's state.

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

/// How the hours are on their way to Azure DevOps.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AndamentoResponse {
    /// Work items whose hours are on their way.
    #[schema(example = 2)]
    pendentes: i64,
    /// Since when the oldest of them is.
    #[schema(required = true)]
    mais_antigo: Option<Instant>,
    /// For how many seconds that is.
    #[schema(required = true, example = 12)]
    idade_segundos: Option<i64>,
    /// Work items whose hours will not be written unless somebody acts.
    #[schema(example = 1)]
    falhas: i64,
    /// Work items that wait for `POST /integracao/reconciliar`, because the database of this service was restored.
    #[schema(example = 0)]
    a_conferir: i64,
    /// The same by organisation; only those that have something unwritten.
    organizacoes: Vec<PendenciasResponse>,
    /// What failed, at the most 200.
    falhas_detalhes: Vec<FalhaResponse>,
}

/// How the hours of one organisation are on their way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PendenciasResponse {
    /// Organisation.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Work items whose hours are on their way.
    #[schema(example = 2)]
    pendentes: i64,
    /// Since when the oldest of them is.
    #[schema(required = true)]
    mais_antigo: Option<Instant>,
    /// Work items whose hours will not be written unless somebody acts.
    #[schema(example = 1)]
    falhas: i64,
    /// Work items that wait for `POST /integracao/reconciliar`, because the database of this service was restored.
    #[schema(example = 0)]
    a_conferir: i64,
}

/// A work item whose hours are not written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FalhaResponse {
    /// Organisation.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Azure DevOps GUID of the project.
    project_id: Uuid,
    /// Work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Why.
    #[schema(
        required = true,
        example = "O Work Item 4711 não existe mais, ou a credencial usada não o vê"
    )]
    motivo: Option<String>,
    /// Since when.
    desde: Instant,
    /// Failed attempts.
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
    /// Which failures to try again; without anything all of the caller's organisations.
    pub(super) struct RepetirRequest {
        /// Only those of this organisation.
        pub(super) organization_name: Nullable<NomeOrganizacao>,
        /// Only that of this work item.
        pub(super) work_item_id: Nullable<WorkItemId>,
    }
    example = json!({"organization_name": "contoso", "work_item_id": 4711});
}

/// How many failures are tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RepetirResponse {
    /// Work items.
    #[schema(example = 1)]
    pub(super) repetidos: usize,
}

fields! {
    /// What to compare: a work item, or those of a project.
    pub(super) struct ReconciliarRequest {
        /// Organisation, in any case.
        organization_name: Required<NomeOrganizacao>,
        /// This work item.
        work_item_id: Nullable<WorkItemId>,
        /// Those of this project, 200 at a time; `work_item_id` wins.
        project_id: Nullable<ProjetoNomeado>,
        /// `proximo` of the answer before: go on after this work item.
        a_partir_de: Nullable<WorkItemId>,
    }
    example = json!({"organization_name": "contoso", "work_item_id": 4711});
}

impl ReconciliarRequest {
    /// What to compare.
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

/// What differed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReconciliacaoResponse {
    /// Work items compared.
    #[schema(example = 1)]
    verificados: usize,
    /// Those that differed.
    diferencas: Vec<DiferencaResponse>,
    /// To be sent as `a_partir_de` for the next ones; null when all were compared.
    #[schema(required = true)]
    proximo: Option<i32>,
}

/// A work item that differed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiferencaResponse {
    /// Work item.
    #[schema(example = 4711)]
    work_item_id: i32,
    /// Logged here, in hours.
    #[schema(example = 2.5)]
    horas_apontadas: f64,
    /// Logged here, `HH:mm`.
    #[schema(example = "02:30")]
    horas_formatadas: String,
    /// `CompletedWork` before; null when the work item cannot be read.
    #[schema(required = true, example = 1.0)]
    completed_work_antes: Option<f64>,
    /// `CompletedWork` now.
    #[schema(required = true, example = 2.5)]
    completed_work_depois: Option<f64>,
    /// Whether what was missing stands there now.
    reparado: bool,
    /// Why not.
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
