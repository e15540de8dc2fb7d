//! `/integracao`: projects as Azure DevOps has them, and their mirror here.

mod dto;

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use validator::Validate;

use self::dto::{AllFailed, AzureProjectResponse, NotConfigured, SincronizacaoResponse};
use crate::app::AppState;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::fields;
use crate::http::extract::{ApiJson, ApiQuery};
use crate::http::fields::Field;
use crate::http::openapi::{INTEGRACAO, InvalidInput, ProtectedResponses};
use crate::models::organizacao::NomeOrganizacao;
use crate::services::integracao::IntegracaoService;

/// Routes of the exchange with Azure DevOps.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sincronizar_projetos))
        .routes(routes!(list_azure_projetos))
}

/// Synchronise projects
///
/// Mirrors the projects of every configured organisation, all pages of them. An organisation that fails is reported under
/// `organizations` while the others go through. Projects that vanished are flagged (`estado` = `deleted`), never removed.
/// Without any PAT of the service's own, the default organisation is read with the caller's credential.
#[utoipa::path(post, path = "/integracao/sincronizar", tag = INTEGRACAO,
    responses(
        (status = 200, body = SincronizacaoResponse, description = "What was found and done"),
        ProtectedResponses, AllFailed
    ))]
async fn sincronizar_projetos(
    user: CurrentUser,
    State(service): State<IntegracaoService>,
) -> Result<ApiJson<SincronizacaoResponse>> {
    let done = service.sincronizar(&user).await?;
    Ok(ApiJson(SincronizacaoResponse::from(&*done)))
}

/// Which organisation.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
struct OrganizacaoParams {
    /// Azure DevOps organisation; the caller's first one without it.
    #[param(value_type = Option<String>, nullable = false, example = "contoso")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
}
fields!(OrganizacaoParams { organization_name });

/// List projects in Azure DevOps
///
/// Live, all pages, as Azure DevOps describes them; with the caller's own credential where it is of use there.
#[utoipa::path(get, path = "/integracao/projetos", tag = INTEGRACAO, params(OrganizacaoParams),
    responses(
        (status = 200, body = Vec<AzureProjectResponse>, description = "The projects"),
        InvalidInput, ProtectedResponses, AllFailed, NotConfigured
    ))]
async fn list_azure_projetos(
    user: CurrentUser,
    State(service): State<IntegracaoService>,
    ApiQuery(params, _): ApiQuery<OrganizacaoParams>,
) -> Result<ApiJson<Vec<AzureProjectResponse>>> {
    let projects = service
        .list_azure(&user, params.organization_name.as_value())
        .await?;
    Ok(ApiJson(projects.into_iter().map(AzureProjectResponse).collect()))
}
