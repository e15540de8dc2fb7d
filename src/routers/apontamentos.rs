//! `/apontamentos`: callers log their own hours and read those of their organisations' work items.

mod request;
mod response;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::request::{
    ApontamentoCreate, ApontamentoFilterParams, ApontamentoIdParam, ApontamentoUpdate,
    DeletedApontamentoIdParam,
};
use self::response::{ApontamentoListResponse, ApontamentoResponse, AzureInfoResponse, ResumoResponse};
use super::created::created;
use super::project_params::{ProjectParams, WorkItemIdParam};
use crate::auth::CurrentUser;
use crate::edge::conditional::{IfMatch, IfMatchParam, IfNoneMatch, IfNoneMatchParam, Tagged};
use crate::edge::extract::{ApiJson, ApiPath, ApiQuery, ApiWorkItemPath};
use crate::edge::idempotency::{IdempotencyKey, IdempotencyKeyParam};
use crate::edge::openapi::APONTAMENTOS;
use crate::edge::openapi::problems::{
    ClosedWorkItem, Idempotent, InvalidBody, InvalidInput, InvalidReference, MoreHours, NotFound, OtherType,
    Outdated, Problems, Protected,
};
use crate::edge::pagination::{CursorPageParams, NextLink, PageQuery, invalid_cursor};
use crate::error::Result;
use crate::models::apontamento::{Apontamento, DoWorkItem};
use crate::models::ids::ApontamentoId;
use crate::models::page::{ApontamentoPosition, KeysetPage};
use crate::services::apontamentos::ApontamentoService;
use crate::state::AppState;

/// Returns the routes of time entries.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_apontamentos, create_apontamento))
        .routes(routes!(
            get_apontamento,
            update_apontamento,
            patch_apontamento,
            delete_apontamento
        ))
        .routes(routes!(list_apontamentos_of_work_item))
        .routes(routes!(get_resumo_of_work_item))
        .routes(routes!(get_azure_info))
}

/// List time entries
///
/// Returns the caller's own entries, or for administrators those of `usuario_id` or with `todos` those of all
/// people, ordered by day and then by creation. `total` and the totals of hours count the matching entries of
/// all pages.
#[utoipa::path(get, path = "/apontamentos", tag = APONTAMENTOS, params(CursorPageParams, ApontamentoFilterParams),
    responses(
        (status = 200, body = ApontamentoListResponse, description = "A page of entries"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn list_apontamentos(
    user: CurrentUser,
    State(service): State<ApontamentoService>,
    ApiQuery(page, filter): ApiQuery<CursorPageParams, ApontamentoFilterParams>,
    query: PageQuery,
) -> Result<(NextLink, ApiJson<ApontamentoListResponse>)> {
    let filter = filter.into();
    let found = service
        .list(&user, &filter, &entry_page(page, filter.oldest_first)?)
        .await?;
    let body = ApontamentoListResponse::from(found);
    Ok((query.after(body.next_cursor()), ApiJson(body)))
}

/// Log hours
///
/// Creates a time entry on an open work item of an allowed type. The day must not be in the future and must
/// have room for the hours. The hours are then written to the work item in Azure DevOps; `sincronizacao`
/// tells how far that got. With `Idempotency-Key` the request can be sent again without logging the hours
/// twice.
#[utoipa::path(post, path = "/apontamentos", tag = APONTAMENTOS, params(IdempotencyKeyParam),
    request_body = ApontamentoCreate,
    responses(
        (status = 201, body = ApontamentoResponse, description = "The new time entry", headers(
            ("ETag" = String, description = "Version of the entry"),
            ("Location" = String, description = "Where the entry is"),
            ("Idempotency-Replayed" = String, description = "`true` when an earlier request of the same key logged it")
        )),
        Problems<(InvalidReference, NotFound, Idempotent, OtherType, MoreHours, ClosedWorkItem, InvalidBody, Protected)>
    ))]
async fn create_apontamento(
    user: CurrentUser,
    State(service): State<ApontamentoService>,
    IdempotencyKey(key): IdempotencyKey,
    ApiJson(body): ApiJson<ApontamentoCreate>,
) -> Result<Response> {
    let logged = service.create(&user, &body.into(), key.as_ref()).await?;
    let id = logged.objeto.id;
    Ok(created(
        "/apontamentos",
        id,
        tagged(logged.objeto),
        logged.replayed,
    ))
}

/// Get a time entry
///
/// Returns an entry of any person in the caller's organisations.
#[utoipa::path(get, path = "/apontamentos/{apontamento_id}", tag = APONTAMENTOS,
    params(ApontamentoIdParam, IfNoneMatchParam),
    responses(
        (status = 200, body = ApontamentoResponse, description = "The entry",
            headers(("ETag" = String, description = "Version of the entry"))),
        (status = 304, description = "The answer that `If-None-Match` names is still current"),
        Problems<(NotFound, InvalidInput, Protected)>
    ))]
async fn get_apontamento(
    user: CurrentUser,
    State(service): State<ApontamentoService>,
    ApiPath(id): ApiPath,
    known: IfNoneMatch,
) -> Result<Response> {
    Ok(tagged(service.get(&user, ApontamentoId(id)).await?).unless(&known))
}

/// Change a time entry
///
/// Applies only the keys that are present. Callers change their own entries, administrators those of anyone
/// in their organisations. Entries on a closed work item cannot be changed.
#[utoipa::path(put, path = "/apontamentos/{apontamento_id}", tag = APONTAMENTOS,
    params(ApontamentoIdParam, IfMatchParam), request_body = ApontamentoUpdate,
    responses(
        (status = 200, body = ApontamentoResponse, description = "The time entry after the change",
            headers(("ETag" = String, description = "Version of the entry"))),
        Problems<(InvalidReference, NotFound, Outdated, MoreHours, ClosedWorkItem, InvalidBody, Protected)>
    ))]
async fn update_apontamento(
    user: CurrentUser,
    State(service): State<ApontamentoService>,
    ApiPath(id): ApiPath,
    IfMatch(expected): IfMatch,
    ApiJson(body): ApiJson<ApontamentoUpdate>,
) -> Result<Tagged<ApontamentoResponse>> {
    let updated = service
        .update(&user, ApontamentoId(id), &body.into(), &expected)
        .await?;
    Ok(tagged(updated))
}

/// Change a time entry (PATCH)
///
/// Does the same as PUT, which is partial as well.
#[utoipa::path(patch, path = "/apontamentos/{apontamento_id}", tag = APONTAMENTOS,
    params(ApontamentoIdParam, IfMatchParam), request_body = ApontamentoUpdate,
    responses(
        (status = 200, body = ApontamentoResponse, description = "The time entry after the change",
            headers(("ETag" = String, description = "Version of the entry"))),
        Problems<(InvalidReference, NotFound, Outdated, MoreHours, ClosedWorkItem, InvalidBody, Protected)>
    ))]
async fn patch_apontamento(
    user: CurrentUser,
    service: State<ApontamentoService>,
    id: ApiPath,
    expected: IfMatch,
    body: ApiJson<ApontamentoUpdate>,
) -> Result<Tagged<ApontamentoResponse>> {
    update_apontamento(user, service, id, expected, body).await
}

/// Delete a time entry
///
/// Callers delete their own entries, administrators those of anyone in their organisations. Entries on a
/// closed work item cannot be deleted. The hours are removed from the work item in Azure DevOps as well.
#[utoipa::path(delete, path = "/apontamentos/{apontamento_id}", tag = APONTAMENTOS,
    params(DeletedApontamentoIdParam, IfMatchParam),
    responses(
        (status = 204, description = "The time entry is deleted"),
        Problems<(NotFound, Outdated, ClosedWorkItem, InvalidInput, Protected)>
    ))]
async fn delete_apontamento(
    user: CurrentUser,
    State(service): State<ApontamentoService>,
    ApiPath(id): ApiPath,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode> {
    service.delete(&user, ApontamentoId(id), &expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the time entries of a work item
///
/// Returns the entries of all people, the newest day first. The totals count all pages.
#[utoipa::path(get, path = "/apontamentos/work-item/{work_item_id}", tag = APONTAMENTOS,
    params(WorkItemIdParam, ProjectParams, CursorPageParams),
    responses(
        (status = 200, body = ApontamentoListResponse, description = "A page of entries"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn list_apontamentos_of_work_item(
    user: CurrentUser,
    State(service): State<ApontamentoService>,
    ApiWorkItemPath(id): ApiWorkItemPath,
    ApiQuery(of, page): ApiQuery<ProjectParams, CursorPageParams>,
    query: PageQuery,
) -> Result<(NextLink, ApiJson<ApontamentoListResponse>)> {
    let page = entry_page(page, false)?;
    let found = service.list_of_work_item(&user, &project(id, of), &page).await?;
    let body = ApontamentoListResponse::from(found);
    Ok((query.after(body.next_cursor()), ApiJson(body)))
}

/// Sum up the hours of a work item
///
/// Returns the sum of the hours as a whole, by activity and by person. The sums are zero when no hours were
/// logged.
#[utoipa::path(get, path = "/apontamentos/work-item/{work_item_id}/resumo", tag = APONTAMENTOS,
    params(WorkItemIdParam, ProjectParams),
    responses(
        (status = 200, body = ResumoResponse, description = "The sums"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn get_resumo_of_work_item(
    user: CurrentUser,
    State(service): State<ApontamentoService>,
    ApiWorkItemPath(id): ApiWorkItemPath,
    ApiQuery(of, _): ApiQuery<ProjectParams>,
) -> Result<ApiJson<ResumoResponse>> {
    Ok(ApiJson(service.resumo(&user, &project(id, of)).await?.into()))
}

/// Get the hours of a work item from Azure DevOps
///
/// Returns the hours as they stand in Azure DevOps now. A field that is empty there is null.
#[utoipa::path(get, path = "/apontamentos/work-item/{work_item_id}/azure-info", tag = APONTAMENTOS,
    params(WorkItemIdParam, ProjectParams),
    responses(
        (status = 200, body = AzureInfoResponse, description = "The hours"),
        Problems<(InvalidReference, NotFound, InvalidInput, Protected)>
    ))]
async fn get_azure_info(
    user: CurrentUser,
    State(service): State<ApontamentoService>,
    ApiWorkItemPath(id): ApiWorkItemPath,
    ApiQuery(of, _): ApiQuery<ProjectParams>,
) -> Result<ApiJson<AzureInfoResponse>> {
    let hours = service.azure_info(&user, &project(id, of)).await?;
    Ok(ApiJson(hours.into()))
}

fn project(work_item_id: i32, params: ProjectParams) -> DoWorkItem {
    DoWorkItem {
        organizacao: params.organization_name,
        work_item_id,
        projeto: params.project_id,
    }
}

/// Returns the page, whose cursor must be of a list in this order.
fn entry_page(page: CursorPageParams, oldest_first: bool) -> Result<KeysetPage<ApontamentoPosition>> {
    let page = page.keyset::<ApontamentoPosition>()?;
    match page.after {
        Some(after) if after.oldest_first != oldest_first => {
            Err(invalid_cursor("é de uma lista na outra ordem"))
        }
        _ => Ok(page),
    }
}

fn tagged(apontamento: Apontamento) -> Tagged<ApontamentoResponse> {
    let version = apontamento.atualizado_em;
    Tagged::new(apontamento.into(), version)
}
