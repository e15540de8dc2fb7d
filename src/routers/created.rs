//! 201 with `Location` (RFC 9110, 15.3.2), marked when an earlier request with the same key created the
//! object.

use std::fmt::Display;

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::edge::idempotency::REPLAYED;
use crate::state::API_PREFIX;

/// Returns 201 with the address of the object: `path` below the API's prefix, then the id.
pub(super) fn created(path: &str, id: impl Display, body: impl IntoResponse, replayed: bool) -> Response {
    let mut response = (StatusCode::CREATED, body).into_response();
    let location = HeaderValue::try_from(format!("{API_PREFIX}{path}/{id}"));
    let headers = response.headers_mut();
    headers.extend(location.ok().map(|location| (LOCATION, location)));
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
