//! `Aponta-Desatualizado`: which organisations an answer shows as they were a while ago, because Azure DevOps
//! gave no answer in time. Without it old hours and states would look like present ones.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use utoipa::openapi::OpenApi;

use super::partial::describe_header;

/// The header.
pub const STALE: HeaderName = HeaderName::from_static("aponta-desatualizado");

/// Name of the header in the OpenAPI document.
const DOCUMENTED_NAME: &str = "Aponta-Desatualizado";

const DESCRIPTION: &str = "Organisations whose data in the answer is up to 15 minutes older than usual, because Azure \
                           DevOps gives no answer in time. Absent from answers with present data";

/// Parts of paths whose answers hold cached data of Azure DevOps.
const CACHED_PATHS: [&str; 3] = ["/timesheet", "/work-items", "/iterations"];

/// Says in an answer whose data is stale.
pub(super) fn mark(headers: &mut HeaderMap, organizacoes: &str) {
    if let Ok(value) = HeaderValue::from_str(organizacoes) {
        headers.insert(STALE, value);
    }
}

/// Shows the header on the answers that can have it.
pub fn describe(document: &mut OpenApi) {
    let can_have_it = |path: &str| CACHED_PATHS.iter().any(|part| path.contains(part));
    describe_header(document, DOCUMENTED_NAME, DESCRIPTION, can_have_it);
}
