//! `/atividades`: all callers may read activities; the role in `ACTIVITY_WRITE_ROLE` may write them.

mod dto;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::dto::AtividadeListResponse;
use self::dto::{
    AtividadeCreate, AtividadeFilterParams, AtividadeIdParam, AtividadeResponse, AtividadeUpdate,
    DeletedAtividadeIdParam,
};
use super::created::created;
use crate::auth::CurrentUser;
use crate::edge::conditional::{IfMatch, IfMatchParam, IfNoneMatch, IfNoneMatchParam, Tagged};
use crate::edge::extract::{ApiJson, ApiPath, ApiQuery};
use crate::edge::idempotency::{IdempotencyKey, IdempotencyKeyParam};
use crate::edge::openapi::ATIVIDADES;
use crate::edge::openapi::problems::{
    IdempotentObject, InUse, InvalidBody, InvalidInput, InvalidReference, NotFound, Outdated, Problems,
    Protected,
};
use crate::edge::pagination::{CursorPageParams, NextLink, PageQuery};
use crate::error::Result;
use crate::models::atividade::Atividade;
use crate::models::ids::AtividadeId;
use crate::services::atividades::AtividadeService;
use crate::state::AppState;

/// Returns the routes of activities.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_atividades, create_atividade))
        .routes(routes!(list_atividades_gestao))
        .routes(routes!(
            get_atividade,
            update_atividade,
            patch_atividade,
            delete_atividade
        ))
}

/// List activities
///
/// Returns the activities ordered by name without regard to case and accents, then by id. `order` is the
/// position in the whole list; `total` counts all matching activities.
#[utoipa::path(get, path = "/atividades", tag = ATIVIDADES, params(CursorPageParams, AtividadeFilterParams),
    responses(
        (status = 200, body = AtividadeListResponse, description = "A page of activities"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn list_atividades(
    user: CurrentUser,
    State(service): State<AtividadeService>,
    ApiQuery(page, filter): ApiQuery<CursorPageParams, AtividadeFilterParams>,
    query: PageQuery,
) -> Result<(NextLink, ApiJson<AtividadeListResponse>)> {
    list(&user, &service, page, filter, &query).await
}

/// List activities for management
///
/// Returns the same answer as `GET /atividades`.
#[utoipa::path(get, path = "/atividades/gestao", tag = ATIVIDADES, params(CursorPageParams, AtividadeFilterParams),
    responses(
        (status = 200, body = AtividadeListResponse, description = "A page of activities"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn list_atividades_gestao(
    user: CurrentUser,
    State(service): State<AtividadeService>,
    ApiQuery(page, filter): ApiQuery<CursorPageParams, AtividadeFilterParams>,
    query: PageQuery,
) -> Result<(NextLink, ApiJson<AtividadeListResponse>)> {
    list(&user, &service, page, filter, &query).await
}

async fn list(
    user: &CurrentUser,
    service: &AtividadeService,
    page: CursorPageParams,
    filter: AtividadeFilterParams,
    query: &PageQuery,
) -> Result<(NextLink, ApiJson<AtividadeListResponse>)> {
    let found = service.list(user, filter.into(), &page.keyset()?).await?;
    let body = AtividadeListResponse::from(found);
    Ok((query.after(body.next_cursor()), ApiJson(body)))
}

/// Create an activity
///
/// Links the activity to the projects of `ids_projetos`, or to that of `id_projeto`. A project is named by
/// its `id` or its Azure DevOps GUID. With `Idempotency-Key` the request can be sent again without making a
/// second activity.
#[utoipa::path(post, path = "/atividades", tag = ATIVIDADES, params(IdempotencyKeyParam),
    request_body = AtividadeCreate,
    responses(
        (status = 201, body = AtividadeResponse, description = "The new activity",
            headers(
                ("ETag" = String, description = "Version of the activity"),
                ("Location" = String, description = "Where the activity is"),
                ("Idempotency-Replayed" = String, description = "`true` for an object of an earlier request")
            )),
        Problems<(InvalidReference, IdempotentObject, InvalidBody, Protected)>
    ))]
async fn create_atividade(
    user: CurrentUser,
    State(service): State<AtividadeService>,
    IdempotencyKey(key): IdempotencyKey,
    ApiJson(body): ApiJson<AtividadeCreate>,
) -> Result<Response> {
    let new = body.into_new(user.signature());
    let made = service.create(&user, new, key.as_ref()).await?;
    let id = made.objeto.id;
    Ok(created("/atividades", id, tagged(made.objeto), made.replayed))
}

/// Get an activity
///
/// Returns the activity with its projects, in the order in which they were given.
#[utoipa::path(get, path = "/atividades/{atividade_id}", tag = ATIVIDADES, params(AtividadeIdParam, IfNoneMatchParam),
    responses(
        (status = 200, body = AtividadeResponse, description = "The activity",
            headers(("ETag" = String, description = "Version of the activity"))),
        (status = 304, description = "The answer that `If-None-Match` names is still current"),
        Problems<(NotFound, InvalidInput, Protected)>
    ))]
async fn get_atividade(
    user: CurrentUser,
    State(service): State<AtividadeService>,
    ApiPath(id): ApiPath,
    known: IfNoneMatch,
) -> Result<Response> {
    Ok(tagged(service.get(&user, AtividadeId(id)).await?).unless(&known))
}

/// Change an activity
///
/// Applies only the keys that are present. `descricao: null` clears the text; `ids_projetos` replaces the
/// whole set of projects.
#[utoipa::path(put, path = "/atividades/{atividade_id}", tag = ATIVIDADES,
    params(AtividadeIdParam, IfMatchParam), request_body = AtividadeUpdate,
    responses(
        (status = 200, body = AtividadeResponse, description = "The activity after the change",
            headers(("ETag" = String, description = "Version of the activity"))),
        Problems<(InvalidReference, NotFound, Outdated, InvalidBody, Protected)>
    ))]
async fn update_atividade(
    user: CurrentUser,
    State(service): State<AtividadeService>,
    ApiPath(id): ApiPath,
    IfMatch(expected): IfMatch,
    ApiJson(body): ApiJson<AtividadeUpdate>,
) -> Result<Tagged<AtividadeResponse>> {
    let updated = service
        .update(&user, AtividadeId(id), body.into(), &expected)
        .await?;
    Ok(tagged(updated))
}

/// Change an activity (PATCH)
///
/// Does the same as PUT, which is partial as well.
#[utoipa::path(patch, path = "/atividades/{atividade_id}", tag = ATIVIDADES,
    params(AtividadeIdParam, IfMatchParam), request_body = AtividadeUpdate,
    responses(
        (status = 200, body = AtividadeResponse, description = "The activity after the change",
            headers(("ETag" = String, description = "Version of the activity"))),
        Problems<(InvalidReference, NotFound, Outdated, InvalidBody, Protected)>
    ))]
async fn patch_atividade(
    user: CurrentUser,
    service: State<AtividadeService>,
    id: ApiPath,
    expected: IfMatch,
    body: ApiJson<AtividadeUpdate>,
) -> Result<Tagged<AtividadeResponse>> {
    update_atividade(user, service, id, expected, body).await
}

/// Delete an activity
///
/// Is refused while a time entry uses the activity. Set `ativo` to false instead.
#[utoipa::path(delete, path = "/atividades/{atividade_id}", tag = ATIVIDADES,
    params(DeletedAtividadeIdParam, IfMatchParam),
    responses(
        (status = 204, description = "The activity is deleted"),
        Problems<(NotFound, InUse, Outdated, InvalidInput, Protected)>
    ))]
async fn delete_atividade(
    user: CurrentUser,
    State(service): State<AtividadeService>,
    ApiPath(id): ApiPath,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode> {
    service.delete(&user, AtividadeId(id), &expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn tagged(atividade: Atividade) -> Tagged<AtividadeResponse> {
    let version = atividade.atualizado_em;
    Tagged::new(atividade.into(), version)
}
