//! 201 with `Location` (RFC 9110, 15.3.2).

use std::fmt::Display;

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::state::API_PREFIX;

/// Returns 201 with the address of the new object: `path` below the API's prefix, then the id.
pub(super) fn created(path: &str, id: impl Display, body: impl IntoResponse) -> Response {
    let mut response = (StatusCode::CREATED, body).into_response();
    let location = HeaderValue::try_from(format!("{API_PREFIX}{path}/{id}"));
    response
        .headers_mut()
        .extend(location.ok().map(|location| (LOCATION, location)));
    response
}
