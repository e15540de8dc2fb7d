//! Lets a handler demand a caller by naming [`CurrentUser`] among its arguments.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::{Authenticator, CurrentUser};
use crate::error::Error;

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Authenticator: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        // A header that is not text proves nobody; it must not count as absent either.
        let authorization = parts
            .headers
            .get(AUTHORIZATION)
            .map(|v| v.to_str().unwrap_or_default());
        Authenticator::from_ref(state).authenticate(authorization)
    }
}
