//! Answers in the form that Azure DevOps gives them.

use std::str::FromStr;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// Names the part of a request that cannot be read.
#[derive(Debug)]
pub(crate) struct Malformed(String);

/// Holds an answer, or the reason why there is none.
pub(crate) type FakeResponse = Result<Response<Body>, Malformed>;

impl Malformed {
    pub(crate) fn new(part: impl Into<String>) -> Self {
        Self(part.into())
    }

    /// Returns the answer 400 that names the part.
    pub(crate) fn into_response(self) -> Response<Body> {
        let message = format!("The request cannot be read: {}", self.0);
        error(400, "VssPropertyValidationException", &message)
    }
}

/// Reads a number or an id of a request.
pub(crate) fn parsed<T: FromStr>(text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|_| Malformed::new(text))
}

/// Returns a text of a request's JSON.
pub(crate) fn text_of<'a>(body: &'a Value, key: &str) -> Result<&'a str, Malformed> {
    body[key].as_str().ok_or_else(|| Malformed::new(key))
}

/// Returns a list of a request's JSON.
pub(crate) fn list_of<'a>(body: &'a Value, key: &str) -> Result<&'a [Value], Malformed> {
    let list = body[key].as_array().ok_or_else(|| Malformed::new(key))?;
    Ok(list)
}

/// Reads the body of a request.
pub(crate) fn json_of(body: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(body).map_err(|error| Malformed::new(error.to_string()))
}

/// Returns an answer with a body of some type.
///
/// # Panics
/// When no such status exists.
pub(crate) fn plain(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = bare(status, body);
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Returns an answer without headers.
///
/// # Panics
/// When no such status exists.
pub(crate) fn bare(status: u16, body: impl Into<Body>) -> Response<Body> {
    let Ok(status) = StatusCode::from_u16(status) else {
        panic!("{status} is no status of HTTP")
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
}

/// Returns JSON as the service writes it: its version in the type, and a byte order mark at the start.
pub(crate) fn with_status(status: u16, body: &Value) -> Response<Body> {
    let text = format!("\u{feff}{body}");
    plain(status, "application/json; charset=utf-8; api-version=7.1", text)
}

/// Returns a list in its envelope.
pub(crate) fn list(value: &[Value]) -> Response<Body> {
    with_status(200, &json!({ "count": value.len(), "value": value }))
}

/// Returns an error with all members that Azure DevOps gives.
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

/// Returns the answer of an organisation that does not exist.
pub(crate) fn no_organization() -> Response<Body> {
    with_status(404, &json!({ "message": "The organisation does not exist" }))
}

/// Returns the answer about a project that does not exist.
pub(crate) fn no_project() -> Response<Body> {
    let message = "TF200016: The following project does not exist.";
    error(404, "ProjectDoesNotExistWithNameException", message)
}
