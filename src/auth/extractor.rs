//! Extractors: a handler requires a caller by a [`CurrentUser`] parameter, or an administrator by an
//! [`Admin`] parameter.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::{Admin, Authenticator, CurrentUser};
use crate::error::Error;
use crate::telemetry::request::{self, Caller};

/// Header with the caller's own Azure DevOps access token, in addition to the token in `Authorization`.
const ACCESS_TOKEN: &str = "x-azure-access-token";

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let authorization = text(&parts.headers, AUTHORIZATION.as_str());
        let access_token = text(&parts.headers, ACCESS_TOKEN).filter(|token| !token.trim().is_empty());
        let user = Authenticator::from_ref(state)
            .authenticate(authorization, access_token)
            .await?;
        request::name_caller(|| caller(&user));
        Ok(user)
    }
}

fn caller(user: &CurrentUser) -> Caller {
    let organizacoes: Vec<&str> = user
        .memberships()
        .iter()
        .map(|m| m.organizacao().nome().as_str())
        .collect();
    Caller {
        id: user.id.clone(),
        organizacoes: organizacoes.join(","),
        undecided: user.undecided_names(),
    }
}

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        CurrentUser::from_request_parts(parts, state).await?.into_admin()
    }
}

/// Returns the header's value. A value that is not text becomes an unusable credential, so that it does not
/// count as absent.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("Bearer \u{fffd}"))
}
