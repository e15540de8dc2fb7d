//! HTTP interface: handlers extract and convert the input, call one service method and build the response.

pub mod apontamentos;
pub mod atividades;
pub mod auditoria;
mod created;
pub mod docs;
pub mod health;
pub mod integracao;
pub mod iterations;
pub mod organization_pats;
pub mod outbox;
mod project_params;
pub mod projetos;
pub mod teams;
mod tenant;
pub mod timesheet;
pub mod user;
pub mod work_items;

use utoipa_axum::router::OpenApiRouter;

use crate::state::{API_PREFIX, AppState};

/// Returns the routes with a rate limit per caller.
#[must_use]
pub fn limited() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .nest(
            API_PREFIX,
            OpenApiRouter::new()
                .merge(apontamentos::router())
                .merge(atividades::router())
                .merge(projetos::router())
                .merge(integracao::router())
                .merge(auditoria::router())
                .merge(organization_pats::router())
                .merge(iterations::router())
                .merge(teams::router())
                .merge(timesheet::router())
                .merge(user::router())
                .merge(work_items::router())
                .merge(outbox::router()),
        )
        .merge(health::info_router())
}

/// Returns the routes without a limit per caller, because probes and people must always be able to reach
/// them.
#[must_use]
pub fn unlimited() -> OpenApiRouter<AppState> {
    health::probe_router()
}
