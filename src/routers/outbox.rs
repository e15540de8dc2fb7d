//! `/integracao/sincronizacao` and `/integracao/reconciliar`: write-back of logged hours to Azure DevOps.

mod dto;

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::dto::{
    AndamentoResponse, ReconciliacaoResponse, ReconciliarRequest, RepetirRequest, RepetirResponse,
};
use crate::auth::{Admin, CurrentUser};
use crate::edge::extract::ApiJson;
use crate::edge::openapi::INTEGRACAO;
use crate::edge::openapi::problems::{
    InvalidBody, InvalidInput, InvalidReference, Problems, Protected, SwitchedOff,
};
use crate::error::Result;
use crate::services::outbox::OutboxService;
use crate::state::AppState;

/// Returns the routes of the write-back.
#[must_use]
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_sincronizacao))
        .routes(routes!(repetir_sincronizacao))
        .routes(routes!(reconciliar))
}

/// Get the state of the write-back
///
/// Returns how many work items of the caller's organisations have hours that Azure DevOps does not have yet,
/// for how long, and which ones Azure DevOps refuses.
#[utoipa::path(get, path = "/integracao/sincronizacao", tag = INTEGRACAO,
    responses(
        (status = 200, body = AndamentoResponse, description = "The state"),
        Problems<(InvalidInput, Protected)>
    ))]
async fn get_sincronizacao(
    user: CurrentUser,
    State(service): State<OutboxService>,
) -> Result<ApiJson<AndamentoResponse>> {
    Ok(ApiJson(service.status(&user).await?.into()))
}

/// Try failed write-backs again
///
/// Schedules the failed work items again; the background writes them within seconds. Only administrators may
/// call this operation.
#[utoipa::path(post, path = "/integracao/sincronizacao/repetir", tag = INTEGRACAO, request_body = RepetirRequest,
    responses(
        (status = 200, body = RepetirResponse, description = "Number of work items that are tried again"),
        Problems<(InvalidBody, Protected)>
    ))]
async fn repetir_sincronizacao(
    admin: Admin,
    State(service): State<OutboxService>,
    ApiJson(body): ApiJson<RepetirRequest>,
) -> Result<ApiJson<RepetirResponse>> {
    let organizacao = body.organization_name;
    let work_item = body.work_item_id;
    let repetidos = service.retry(&admin, organizacao.as_ref(), work_item).await?;
    Ok(ApiJson(RepetirResponse { repetidos }))
}

/// Compare with Azure DevOps
///
/// Compares the hours logged in this service with `CompletedWork` of one work item or of the work items of a
/// project, and writes the hours that are missing. Hours that people typed into Azure DevOps are no
/// difference, unless the organisation is written in `absolute` mode. Only administrators may call this
/// operation.
#[utoipa::path(post, path = "/integracao/reconciliar", tag = INTEGRACAO, request_body = ReconciliarRequest,
    responses(
        (status = 200, body = ReconciliacaoResponse, description = "Result of the comparison"),
        Problems<(InvalidReference, SwitchedOff, InvalidBody, Protected)>
    ))]
async fn reconciliar(
    admin: Admin,
    State(service): State<OutboxService>,
    ApiJson(body): ApiJson<ReconciliarRequest>,
) -> Result<ApiJson<ReconciliacaoResponse>> {
    let done = service.reconcile(&admin, &body.into_selection()?).await?;
    Ok(ApiJson(done.into()))
}
