//! The organisation that a request names: proved to be the caller's before a handler runs.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use crate::auth::{Authenticator, CurrentUser, Membership, not_configured};
use crate::edge::extract::ApiQuery;
use crate::edge::fields::Field;
use crate::fields;
use crate::models::organizacao::NomeOrganizacao;

/// Which organisation.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OrganizacaoParams {
    /// Azure DevOps organisation; the default one, or the caller's first, without it.
    #[param(value_type = Option<String>, nullable = false, min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]]([A-Za-z0-9À-ÖØ-öø-ÿ()\[\]_. -]*[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]])?$", example = "contoso")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
}
fields!(OrganizacaoParams { organization_name });

/// As an argument: the membership in the organisation of `organization_name`. Whoever is no member gets 403.
#[derive(Debug)]
pub(super) struct Tenant(pub(super) Membership);

impl<S> FromRequestParts<S> for Tenant
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let user = CurrentUser::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let params = ApiQuery::<OrganizacaoParams>::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        if user.memberships().is_empty() && user.is_everybody() {
            return Err(not_configured().into_response());
        }
        let found = match params.0.organization_name.as_value() {
            Some(nome) => user.member_of(nome),
            None => user.default_membership(),
        };
        found.cloned().map(Self).map_err(IntoResponse::into_response)
    }
}
