//! Bodies of `/integracao`.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::azure_devops::projects::AzureProject;
use crate::edge::instant::Instant;
use crate::models::sincronizacao::{OrganizacaoSincronizada, Origem, Sincronizacao};

/// Result of a synchronisation. Several keys have the same value, because different clients read different
/// ones.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SincronizacaoResponse {
    /// Number of projects that Azure DevOps listed.
    #[schema(example = 250)]
    total_azure: usize,
    /// Number of projects that are stored now.
    #[schema(example = 250)]
    synced: usize,
    /// Number of new projects.
    #[schema(example = 3)]
    created: usize,
    /// Number of projects that were known before.
    #[schema(example = 247)]
    updated: usize,
    /// Number of projects that vanished from Azure DevOps and are flagged now.
    #[schema(example = 1)]
    deleted: usize,
    /// Result for each organisation of the caller; administrators get every organisation. The totals are the
    /// sums of these.
    organizations: Vec<OrganizacaoSincronizadaResponse>,
    /// `success`, or `partial` when an organisation failed.
    #[schema(example = "success")]
    status: &'static str,
    /// Result as a sentence to show.
    #[schema(example = "Sincronização concluída: 250 projetos (3 novos, 247 atualizados)")]
    message: String,
    /// Equal to `synced`.
    #[schema(deprecated, example = 250)]
    projetos_sincronizados: usize,
    /// Equal to `synced`.
    #[schema(deprecated, example = 250)]
    projects_synced: usize,
    /// Equal to `created`.
    #[schema(deprecated, example = 3)]
    projects_created: usize,
    /// Equal to `updated`.
    #[schema(deprecated, example = 247)]
    projects_updated: usize,
    /// Instant at which Azure DevOps was asked.
    timestamp: Instant,
}

/// Result of the synchronisation of one organisation.
#[derive(Debug, Serialize, ToSchema)]
struct OrganizacaoSincronizadaResponse {
    /// Name of the organisation.
    #[schema(example = "contoso")]
    organization: String,
    /// Number of projects that the organisation listed.
    #[schema(example = 250)]
    count: usize,
    /// `success` or `error`.
    #[schema(example = "success")]
    status: &'static str,
    /// Origin of the credential: `database` (the vault), `environment` or `caller`.
    #[schema(example = "environment")]
    source: &'static str,
    /// Reason of the failure, as a sentence to show; only with status `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, example = "não respondeu a tempo")]
    error: Option<String>,
}

impl From<Sincronizacao> for SincronizacaoResponse {
    fn from(done: Sincronizacao) -> Self {
        let (synced, created) = (done.synced(), done.created());
        let updated = synced.saturating_sub(created);
        Self {
            total_azure: done.total_azure(),
            synced,
            created,
            updated,
            deleted: done.deleted(),
            organizations: done.organizacoes.iter().map(Into::into).collect(),
            status: if done.failures() == 0 {
                "success"
            } else {
                "partial"
            },
            message: message(&done, updated),
            projetos_sincronizados: synced,
            projects_synced: synced,
            projects_created: created,
            projects_updated: updated,
            timestamp: done.at.into(),
        }
    }
}

impl From<&OrganizacaoSincronizada> for OrganizacaoSincronizadaResponse {
    fn from(organizacao: &OrganizacaoSincronizada) -> Self {
        let (count, status, error) = match &organizacao.listados {
            Ok(count) => (*count, "success", None),
            Err(why) => (0, "error", Some(why.clone())),
        };
        Self {
            organization: organizacao.nome.to_string(),
            count,
            status,
            source: match organizacao.origem {
                Origem::Database => "database",
                Origem::Environment => "environment",
                Origem::Caller => "caller",
            },
            error,
        }
    }
}

fn message(done: &Sincronizacao, updated: usize) -> String {
    if done.organizacoes.is_empty() {
        return "Nenhuma organização do Azure DevOps está configurada".to_owned();
    }
    let counted = format!(
        "{} projeto(s) ({} novo(s), {updated} atualizado(s))",
        done.synced(),
        done.created()
    );
    match done.failures() {
        0 => format!("Sincronização concluída: {counted}"),
        n => format!("Sincronização parcial: {counted}; {n} organização(ões) com erro"),
    }
}

/// A project as Azure DevOps describes it; unknown keys pass through.
#[derive(Debug, Serialize)]
pub(super) struct AzureProjectResponse {
    id: Uuid,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl From<AzureProject> for AzureProjectResponse {
    fn from(project: AzureProject) -> Self {
        Self {
            id: project.id,
            name: project.name,
            description: project.description,
            url: project.url,
            state: project.state,
            other: project.other,
        }
    }
}

// Implemented by hand, because the derive would describe the additional keys as a single key.
impl PartialSchema for AzureProjectResponse {
    fn schema() -> RefOr<Schema> {
        let text = |example: &str, description: &str| -> Object {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some(description))
                .examples([json!(example)])
                .build()
        };
        let id = "6b6b6b6b-7777-4a1a-8b2b-505050505050";
        let url = format!("https://dev.azure.com/contoso/_apis/projects/{id}");
        ObjectBuilder::new()
            .description(Some(
                "A project as Azure DevOps describes it. Other keys are passed on unchanged.",
            ))
            .property("id", text(id, "Azure DevOps GUID of the project."))
            .required("id")
            .property("name", text("Ledger", "Name of the project."))
            .required("name")
            .property(
                "description",
                text("Contabilidade", "Description of the project; absent when empty."),
            )
            .property("url", text(&url, "REST address in Azure DevOps."))
            .property("state", text("wellFormed", "State as Azure DevOps spells it."))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }
}

impl ToSchema for AzureProjectResponse {}
