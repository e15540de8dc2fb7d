//! Extractor of the organisation that a request names, with a check of the caller's membership.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::auth::{Authenticator, CurrentUser, Membership, not_configured};
use crate::edge::extract::ApiQuery;
use crate::edge::fields::{Optional, fields};
use crate::models::organizacao::NomeOrganizacao;

fields! {
    /// Names the organisation.
    pub(super) struct OrganizacaoParams {
        /// Azure DevOps organisation; without it the default one, or else the caller's first.
        organization_name: Optional<NomeOrganizacao> = "contoso",
    }
}

/// Extractor of the membership in the organisation of `organization_name`. Other callers get 403.
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
        if user.memberships().is_empty() && user.is_mock() {
            return Err(not_configured().into_response());
        }
        let found = match &params.0.organization_name {
            Some(nome) => user.member_of(nome),
            None => user.default_membership(),
        };
        found.cloned().map(Self).map_err(IntoResponse::into_response)
    }
}
