//! `Aponta-Desatualizado`: which organisations an answer shows as they were a while ago, because Azure DevOps
//! gave no answer in time. Without it old hours and states would look like present ones.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use utoipa::openapi::OpenApi;

use super::partial::describe_header;

/// The header.
pub const STALE: HeaderName = HeaderName::from_static("aponta-desatualizado");

/// How the OpenAPI document spells it.
const SHOWN: &str = "Aponta-Desatualizado";

const DESCRIPTION: &str = "Organisations whose data in the answer is up to 15 minutes older than usual, because Azure \
                           DevOps gives no answer in time. Absent from answers with present data";

/// Parts of paths whose answers hold data of Azure DevOps that is kept.
const KEPT: [&str; 3] = ["/timesheet", "/work-items", "/iterations"];

/// Says in an answer whose data is stale.
pub(super) fn mark(headers: &mut HeaderMap, organizacoes: &str) {
    if let Ok(value) = HeaderValue::from_str(organizacoes) {
        headers.insert(STALE, value);
    }
}

/// Shows the header on the answers that can have it.
pub fn describe(document: &mut OpenApi) {
    let can_have_it = |path: &str| KEPT.iter().any(|part| path.contains(part));
    describe_header(document, SHOWN, DESCRIPTION, can_have_it);
}
