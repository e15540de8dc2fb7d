//! `/projetos`: read-only for callers; the synchronisation with Azure DevOps writes projects.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::edge::extract::{ApiJson, ApiQuery};
use crate::edge::instant::Instant;
use crate::edge::openapi::PROJETOS;
use crate::edge::openapi::problems::{InvalidInput, Problems, Protected};
use crate::edge::pagination::{NextLink, OptionalPageParams, PageQuery, TotalCount, total_count};
use crate::error::Result;
use crate::models::projeto::Projeto;
use crate::services::projetos::ProjetoService;
use crate::state::AppState;

/// Returns the routes of projects.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_projetos))
}

/// List projects
///
/// Returns the projects of the caller's organisations as a bare array, ordered by name without regard to case
/// and accents, then by id. Without `skip` and `limit` all projects are returned.
#[utoipa::path(get, path = "/projetos", tag = PROJETOS, params(OptionalPageParams),
    responses(
        (status = 200, body = Vec<ProjetoResponse>, description = "The projects",
            headers(("X-Total-Count" = i64, description = "Number of all projects"))),
        Problems<(InvalidInput, Protected)>
    ))]
async fn list_projetos(
    user: CurrentUser,
    State(service): State<ProjetoService>,
    ApiQuery(page, _): ApiQuery<OptionalPageParams>,
    query: PageQuery,
) -> Result<(NextLink, TotalCount, ApiJson<Vec<ProjetoResponse>>)> {
    let page = page.page();
    let found = service.list(&user, page).await?;
    let next = page.and_then(|page| query.beyond(page, found.items.len(), found.total));
    let items = found.items.into_iter().map(ProjetoResponse::from).collect();
    Ok((next, total_count(found.total), ApiJson(items)))
}

/// A project. Several keys have the same value, because different clients read different ones.
#[derive(Debug, Serialize, ToSchema)]
struct ProjetoResponse {
    /// Id of the project. It equals `external_id` except for rows of older databases.
    id: Uuid,
    /// Azure DevOps GUID of the project.
    external_id: Uuid,
    /// Equal to `external_id`.
    #[schema(deprecated)]
    azure_project_id: Uuid,
    /// Name in Azure DevOps.
    #[schema(example = "Portal do Contribuinte")]
    nome: String,
    /// Description in Azure DevOps.
    #[schema(required = true, example = "Serviços ao cidadão")]
    descricao: Option<String>,
    /// REST address in Azure DevOps.
    #[schema(
        required = true,
        example = "https://dev.azure.com/contoso/_apis/projects/6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001"
    )]
    url: Option<String>,
    /// State as Azure DevOps spells it; `deleted` once the project vanished there.
    #[schema(required = true, example = "wellFormed")]
    estado: Option<String>,
    /// Equal to `estado`.
    #[schema(deprecated, required = true, example = "wellFormed")]
    state: Option<String>,
    /// Azure DevOps organisation.
    #[schema(required = true, example = "contoso")]
    organizacao: Option<String>,
    /// Instant of the last synchronisation.
    #[schema(required = true)]
    last_sync_at: Option<Instant>,
    /// Instant of creation.
    created_at: Instant,
    /// Instant of the last change.
    updated_at: Instant,
    /// Equal to `created_at`.
    #[schema(deprecated, value_type = String, format = DateTime)]
    criado_em: Instant,
    /// Equal to `updated_at`.
    #[schema(deprecated, value_type = String, format = DateTime)]
    atualizado_em: Instant,
}

impl From<Projeto> for ProjetoResponse {
    fn from(projeto: Projeto) -> Self {
        Self {
            id: projeto.id.0,
            external_id: projeto.external_id,
            azure_project_id: projeto.external_id,
            nome: projeto.nome,
            descricao: projeto.descricao,
            url: projeto.url,
            state: projeto.estado.clone(),
            estado: projeto.estado,
            organizacao: projeto.organizacao,
            last_sync_at: projeto.last_sync_at.map(Instant),
            created_at: projeto.created_at.into(),
            updated_at: projeto.updated_at.into(),
            criado_em: projeto.created_at.into(),
            atualizado_em: projeto.updated_at.into(),
        }
    }
}
