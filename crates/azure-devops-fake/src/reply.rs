//! Responses in the form of Azure DevOps.

use std::str::FromStr;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// Error for a malformed request; contains the malformed part.
#[derive(Debug)]
pub(crate) struct Malformed(String);

/// Response, or the malformed part of the request.
pub(crate) type FakeResponse = Result<Response<Body>, Malformed>;

impl Malformed {
    pub(crate) fn new(part: impl Into<String>) -> Self {
        Self(part.into())
    }

    /// Returns a response with status 400 that names the malformed part.
    pub(crate) fn into_response(self) -> Response<Body> {
        let message = format!("The request cannot be read: {}", self.0);
        error(400, "VssPropertyValidationException", &message)
    }
}

/// Parses a number or an id of a request.
pub(crate) fn parsed<T: FromStr>(text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|_| Malformed::new(text))
}

/// Returns a text from the JSON of a request.
pub(crate) fn text_of<'a>(body: &'a Value, key: &str) -> Result<&'a str, Malformed> {
    body[key].as_str().ok_or_else(|| Malformed::new(key))
}

/// Returns a list from the JSON of a request.
pub(crate) fn list_of<'a>(body: &'a Value, key: &str) -> Result<&'a [Value], Malformed> {
    let list = body[key].as_array().ok_or_else(|| Malformed::new(key))?;
    Ok(list)
}

/// Parses the body of a request as JSON.
pub(crate) fn json_of(body: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(body).map_err(|error| Malformed::new(error.to_string()))
}

/// Returns a response with a body of this content type.
///
/// # Panics
/// Panics if `status` is no valid status.
pub(crate) fn plain(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = bare(status, body);
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Returns a response without headers.
///
/// # Panics
/// Panics if `status` is no valid status.
pub(crate) fn bare(status: u16, body: impl Into<Body>) -> Response<Body> {
    let Ok(status) = StatusCode::from_u16(status) else {
        panic!("{status} is no status of HTTP")
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}

/// Returns a JSON response as Azure DevOps sends it: with the API version in the content type and a byte
/// order mark.
pub(crate) fn with_status(status: u16, body: &Value) -> Response<Body> {
    let text = format!("\u{feff}{body}");
    plain(status, "application/json; charset=utf-8; api-version=7.1", text)
}

/// Returns a response with a list in its envelope.
pub(crate) fn list(value: &[Value]) -> Response<Body> {
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

/// Returns an error response with all members that Azure DevOps sends.
pub(crate) fn error(status: u16, type_key: &str, message: &str) -> Response<Body> {
    let body = json!({
        "$id": "1",
        "innerException": null,
        "message": message,
        "typeName": format!("Microsoft.TeamFoundation.Core.WebApi.{type_key}, Microsoft.TeamFoundation.Core.WebApi"),
        "typeKey": type_key,
        "errorCode": 0,
        "eventId": 3000
    });
    with_status(status, &body)
}

/// Returns the response for an organisation that does not exist.
pub(crate) fn no_organization() -> Response<Body> {
    with_status(404, &json!({ "message": "The organisation does not exist" }))
}

/// Returns the response for a project that does not exist.
pub(crate) fn no_project() -> Response<Body> {
    let message = "TF200016: The following project does not exist.";
    error(404, "ProjectDoesNotExistWithNameException", message)
}
