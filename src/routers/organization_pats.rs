//! `/organization-pats`: the vault, for administrators.

mod request;
mod response;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::request::{
    OnlyActiveParams, OrganizationPatCreate, OrganizationPatIdParam, OrganizationPatUpdate,
    ValidateFirstParams, ValidateRequest, VaultPageParams,
};
use self::response::{OrganizationPatListResponse, OrganizationPatResponse, ValidationResponse};
use super::created::created;
use crate::auth::Admin;
use crate::edge::extract::{ApiJson, ApiPath, ApiQuery};
use crate::edge::idempotency::{IdempotencyKey, IdempotencyKeyParam};
use crate::edge::openapi::ORGANIZATION_PATS;
use crate::edge::openapi::problems::{
    IdempotentObject, InvalidBody, InvalidInput, InvalidReference, NoVault, NotFound, Problems, Protected,
};
use crate::edge::pagination::{NextLink, PageQuery};
use crate::error::Result;
use crate::models::ids::OrganizationPatId;
use crate::services::organization_pats::OrganizationPatService;
use crate::state::AppState;

/// Returns the routes of the vault.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_organization_pats, create_organization_pat))
        .routes(routes!(validate_pat))
        .routes(routes!(
            get_organization_pat,
            update_organization_pat,
            delete_organization_pat
        ))
        .routes(routes!(validate_organization_pat))
        .routes(routes!(toggle_organization_pat))
}

/// List PATs
///
/// Returns the stored PATs by organisation, with the PAT itself masked. Only administrators may call this
/// operation.
#[utoipa::path(get, path = "/organization-pats", tag = ORGANIZATION_PATS, params(VaultPageParams, OnlyActiveParams),
    responses(
        (status = 200, body = OrganizationPatListResponse, description = "A page of PATs"),
        Problems<(NoVault, InvalidInput, Protected)>
    ))]
async fn list_organization_pats(
    admin: Admin,
    State(service): State<OrganizationPatService>,
    ApiQuery(page, filter): ApiQuery<VaultPageParams, OnlyActiveParams>,
    query: PageQuery,
) -> Result<(NextLink, ApiJson<OrganizationPatListResponse>)> {
    let page = page.into();
    let found = service.list(&admin, filter.only_active, page).await?;
    Ok((
        query.beyond(page, found.items.len(), found.total),
        ApiJson(found.into()),
    ))
}

/// Store a PAT
///
/// Encrypts and stores the PAT of an organisation. Each organisation has one PAT. With `validate_first` the
/// PAT is stored only if Azure DevOps accepts it. With `Idempotency-Key` the request can be sent again.
#[utoipa::path(post, path = "/organization-pats", tag = ORGANIZATION_PATS,
    params(ValidateFirstParams, IdempotencyKeyParam), request_body = OrganizationPatCreate,
    responses(
        (status = 201, body = OrganizationPatResponse, description = "The stored PAT, masked",
            headers(
                ("Location" = String, description = "Where the stored PAT is"),
                ("Idempotency-Replayed" = String, description = "`true` for an object of an earlier request")
            )),
        Problems<(InvalidReference, NoVault, IdempotentObject, InvalidBody, Protected)>
    ))]
async fn create_organization_pat(
    admin: Admin,
    State(service): State<OrganizationPatService>,
    ApiQuery(params, _): ApiQuery<ValidateFirstParams>,
    IdempotencyKey(key): IdempotencyKey,
    ApiJson(body): ApiJson<OrganizationPatCreate>,
) -> Result<Response> {
    let validate_first = params.validate_first;
    let stored = service
        .create(&admin, body.into(), validate_first, key.as_ref())
        .await?;
    let body = OrganizationPatResponse::from(stored.objeto);
    Ok(created(
        "/organization-pats",
        body.id,
        ApiJson(body),
        stored.replayed,
    ))
}

/// Get a PAT
///
/// Returns a stored PAT with the PAT itself masked. The PAT can never be read back in clear.
#[utoipa::path(get, path = "/organization-pats/{pat_id}", tag = ORGANIZATION_PATS, params(OrganizationPatIdParam),
    responses(
        (status = 200, body = OrganizationPatResponse, description = "The PAT"),
        Problems<(NotFound, NoVault, InvalidInput, Protected)>
    ))]
async fn get_organization_pat(
    admin: Admin,
    State(service): State<OrganizationPatService>,
    ApiPath(id): ApiPath,
) -> Result<ApiJson<OrganizationPatResponse>> {
    Ok(ApiJson(service.get(&admin, OrganizationPatId(id)).await?.into()))
}

/// Change a PAT
///
/// Applies only the keys that are present; null clears `descricao` and `expira_em`. The organisation cannot
/// be changed. With `validate_first` a new PAT replaces the old one only if Azure DevOps accepts it.
#[utoipa::path(put, path = "/organization-pats/{pat_id}", tag = ORGANIZATION_PATS,
    params(OrganizationPatIdParam, ValidateFirstParams),
    request_body = OrganizationPatUpdate,
    responses(
        (status = 200, body = OrganizationPatResponse, description = "The PAT after the change, masked"),
        Problems<(InvalidReference, NotFound, NoVault, InvalidBody, Protected)>
    ))]
async fn update_organization_pat(
    admin: Admin,
    State(service): State<OrganizationPatService>,
    ApiPath(id): ApiPath,
    ApiQuery(params, _): ApiQuery<ValidateFirstParams>,
    ApiJson(body): ApiJson<OrganizationPatUpdate>,
) -> Result<ApiJson<OrganizationPatResponse>> {
    let changed = service
        .update(&admin, OrganizationPatId(id), body.into(), params.validate_first)
        .await?;
    Ok(ApiJson(changed.into()))
}

/// Delete a PAT
///
/// Stops the use of the PAT: at once in this process, within seconds in the other replicas.
#[utoipa::path(delete, path = "/organization-pats/{pat_id}", tag = ORGANIZATION_PATS, params(OrganizationPatIdParam),
    responses(
        (status = 204, description = "The PAT is deleted"),
        Problems<(NotFound, NoVault, InvalidInput, Protected)>
    ))]
async fn delete_organization_pat(
    admin: Admin,
    State(service): State<OrganizationPatService>,
    ApiPath(id): ApiPath,
) -> Result<StatusCode> {
    service.delete(&admin, OrganizationPatId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a PAT
///
/// Asks Azure DevOps whether the PAT works, and tries each scope that the service uses by calls that change
/// nothing. Nothing is stored.
#[utoipa::path(post, path = "/organization-pats/validate", tag = ORGANIZATION_PATS, request_body = ValidateRequest,
    responses(
        (status = 200, body = ValidationResponse, description = "Answer of Azure DevOps"),
        Problems<(NoVault, InvalidBody, Protected)>
    ))]
async fn validate_pat(
    admin: Admin,
    State(service): State<OrganizationPatService>,
    ApiJson(body): ApiJson<ValidateRequest>,
) -> Result<ApiJson<ValidationResponse>> {
    let found = service
        .validate(&admin, &body.organization_name, body.pat)
        .await?;
    Ok(ApiJson(found.into()))
}

/// Try a stored PAT
///
/// Tries the stored PAT as `POST /organization-pats/validate` does and stores whether it works. An unknown id
/// is answered with `valid` = false.
#[utoipa::path(post, path = "/organization-pats/{pat_id}/validate", tag = ORGANIZATION_PATS,
    params(OrganizationPatIdParam),
    responses(
        (status = 200, body = ValidationResponse, description = "Answer of Azure DevOps"),
        Problems<(NoVault, InvalidInput, Protected)>
    ))]
async fn validate_organization_pat(
    admin: Admin,
    State(service): State<OrganizationPatService>,
    ApiPath(id): ApiPath,
) -> Result<ApiJson<ValidationResponse>> {
    let validation = service.validate_stored(&admin, OrganizationPatId(id)).await?;
    Ok(ApiJson(validation.into()))
}

/// Switch a PAT on or off
///
/// Inverts `ativo`.
#[utoipa::path(post, path = "/organization-pats/{pat_id}/toggle-active", tag = ORGANIZATION_PATS,
    params(OrganizationPatIdParam),
    responses(
        (status = 200, body = OrganizationPatResponse, description = "The PAT after the change, masked"),
        Problems<(NotFound, NoVault, InvalidInput, Protected)>
    ))]
async fn toggle_organization_pat(
    admin: Admin,
    State(service): State<OrganizationPatService>,
    ApiPath(id): ApiPath,
) -> Result<ApiJson<OrganizationPatResponse>> {
    let changed = service.toggle_active(&admin, OrganizationPatId(id)).await?;
    Ok(ApiJson(changed.into()))
}
