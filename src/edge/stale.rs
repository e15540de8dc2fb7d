//! `Aponta-Desatualizado`: organisations whose data in a response is stale, because Azure DevOps did not
//! answer in time. Without the header, old hours and states would look current.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use utoipa::openapi::OpenApi;

use super::partial::describe_header;

/// Name of the header.
pub const STALE: HeaderName = HeaderName::from_static("aponta-desatualizado");

/// Name of the header in the OpenAPI document.
const DOCUMENTED_NAME: &str = "Aponta-Desatualizado";

const DESCRIPTION: &str = "Organisations whose data in the answer is up to 15 minutes older than usual, because Azure \
                           DevOps gives no answer in time. Absent from answers with present data";

/// Parts of paths whose responses contain cached data of Azure DevOps.
const CACHED_PATHS: [&str; 3] = ["/timesheet", "/work-items", "/iterations"];

/// Sets the header with the organisations whose data is stale.
pub(super) fn mark(headers: &mut HeaderMap, organizacoes: &str) {
    if let Ok(value) = HeaderValue::from_str(organizacoes) {
        headers.insert(STALE, value);
    }
}

/// Adds the header to the description of the responses that can have it.
pub fn describe(document: &mut OpenApi) {
    let can_have_it = |path: &str| CACHED_PATHS.iter().any(|part| path.contains(part));
    describe_header(document, DOCUMENTED_NAME, DESCRIPTION, |path, _| {
        can_have_it(path)
    });
}
