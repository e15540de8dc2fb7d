//! `Aponta-Parcial`: organisations that are missing from a response, because they could not decide whether
//! the caller is a member. Without the header, incomplete lists and totals would look complete.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{Header, ObjectBuilder, OpenApi, Ref, RefOr, Type};

/// Name of the header.
pub const PARTIAL: HeaderName = HeaderName::from_static("aponta-parcial");

/// Name of the header in the OpenAPI document.
const DOCUMENTED_NAME: &str = "Aponta-Parcial";

/// Parameter that restricts a request to one organisation.
const ORGANIZATION: &str = "organization_name";

const DESCRIPTION: &str = "Organisations that the answer lacks, because they cannot say at the moment whether they \
                           know the caller; `*` stands for those that never said so. Absent from whole answers";

/// Returns `true` if the query is restricted to one organisation. The response to such a request is complete
/// or an error.
pub(super) fn is_about_one_organization(query: Option<&str>) -> bool {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.any(|(name, value)| name == ORGANIZATION && !value.trim().is_empty())
}

/// Sets the header with the organisations that are missing from the response.
pub(super) fn mark(headers: &mut HeaderMap, undecided: &str) {
    if let Ok(value) = HeaderValue::from_str(undecided) {
        headers.insert(PARTIAL, value);
    }
}

/// Adds the header to the description of every response that depends on the caller.
pub fn describe(document: &mut OpenApi) {
    describe_header(document, DOCUMENTED_NAME, DESCRIPTION, |_, _| true);
}

/// Adds a header to the description of every response that depends on the caller, for paths and operations
/// that satisfy `wanted`.
pub(in crate::edge) fn describe_header(
    document: &mut OpenApi,
    documented: &str,
    description: &str,
    wanted: impl Fn(&str, &Operation) -> bool,
) {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    let mut header = Header::new(schema);
    header.description = Some(description.to_owned());
    let components = document.components.get_or_insert_default();
    components.headers.insert(documented.to_owned(), RefOr::T(header));
    let paths = document.paths.paths.iter_mut();
    for (path, operation) in paths.flat_map(|(path, item)| operations(item).map(move |found| (path, found))) {
        // Only operations without authentication declare their own security.
        if operation.security.is_some() || !wanted(path, operation) {
            continue;
        }
        let responses = &mut operation.responses.responses;
        for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
            if let RefOr::T(response) = response {
                let shared = Ref::new(format!("#/components/headers/{documented}"));
                response.headers.insert(documented.to_owned(), RefOr::Ref(shared));
            }
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [
        &mut path.get,
        &mut path.put,
        &mut path.post,
        &mut path.delete,
        &mut path.patch,
    ];
    all.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organization_parameter_is_read_like_routes_read_it() {
        for query in [
            "organization_name=contoso",
            "a=b&organization%5Fname=x",
            "organization_name=%20c",
        ] {
            assert!(is_about_one_organization(Some(query)), "{query}");
        }
        for query in [
            "",
            "organization_name=",
            "organization_name=%20",
            "x=organization_name",
        ] {
            assert!(!is_about_one_organization(Some(query)), "{query}");
        }
        assert!(!is_about_one_organization(None));
    }
}
