//! `/integracao`: projects in Azure DevOps, and their mirror in this service.

mod dto;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::dto::{AzureProjectResponse, SincronizacaoResponse};
use super::tenant::{OrganizacaoParams, Tenant};
use crate::auth::CurrentUser;
use crate::edge::extract::ApiJson;
use crate::edge::openapi::INTEGRACAO;
use crate::edge::openapi::problems::{InvalidInput, NotConfigured, Problems, Protected};
use crate::edge::pagination::{TotalCount, total_count};
use crate::error::Result;
use crate::services::integracao::IntegracaoService;
use crate::state::AppState;

/// Returns the routes of the exchange with Azure DevOps.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sincronizar_projetos))
        .routes(routes!(list_azure_projetos))
}

/// Synchronise projects
///
/// Mirrors all projects of the caller's organisations; administrators mirror those of every organisation. An
/// organisation that fails is reported under `organizations` while the others are mirrored. Projects that
/// vanished are flagged (`estado` = `deleted`) and never removed. Without a PAT of the service, the default
/// organisation is read with the caller's credential.
#[utoipa::path(post, path = "/integracao/sincronizar", tag = INTEGRACAO,
    responses(
        (status = 200, body = SincronizacaoResponse, description = "Result of the synchronisation"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn sincronizar_projetos(
    user: CurrentUser,
    State(service): State<IntegracaoService>,
) -> Result<ApiJson<SincronizacaoResponse>> {
    Ok(ApiJson(service.sincronizar(&user).await?.into()))
}

/// List projects in Azure DevOps
///
/// Asks Azure DevOps for all projects of the organisation and returns them as it describes them. The caller's
/// own credential is used where Azure DevOps accepts it, else that of the organisation.
#[utoipa::path(get, path = "/integracao/projetos", tag = INTEGRACAO, params(OrganizacaoParams),
    responses(
        (status = 200, body = Vec<AzureProjectResponse>, description = "The projects",
            headers(("X-Total-Count" = i64, description = "Number of the projects"))),
        Problems<(NotConfigured, InvalidInput, Protected)>
    ))]
async fn list_azure_projetos(
    Tenant(membership): Tenant,
    State(service): State<IntegracaoService>,
) -> Result<(TotalCount, ApiJson<Vec<AzureProjectResponse>>)> {
    let projects = service.list_azure(&membership).await?;
    let projects: Vec<_> = projects.into_iter().map(AzureProjectResponse::from).collect();
    let total = i64::try_from(projects.len()).unwrap_or(i64::MAX);
    Ok((total_count(total), ApiJson(projects)))
}
