//! `Aponta-Parcial`: which organisations an answer lacks, because they could not say whether they know the
//! caller. Without it lists and totals would be too small and look whole.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{Header, ObjectBuilder, OpenApi, Ref, RefOr, Type};

/// The header.
pub const PARTIAL: HeaderName = HeaderName::from_static("aponta-parcial");

/// Name of the header in the OpenAPI document.
const DOCUMENTED_NAME: &str = "Aponta-Parcial";

/// Parameter by which a request says that it is about one organisation.
const ORGANIZATION: &str = "organization_name";

const DESCRIPTION: &str = "Organisations that the answer lacks, because they cannot say at the moment whether they know \
                           the caller; `*` stands for those that never said so. Absent from whole answers";

/// Returns `true` if the query is about one organisation. Such an answer is whole or an error.
pub(super) fn is_about_one_organization(query: Option<&str>) -> bool {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.any(|(name, value)| name == ORGANIZATION && !value.trim().is_empty())
}

/// Says in an answer which organisations it lacks.
pub(super) fn mark(headers: &mut HeaderMap, undecided: &str) {
    if let Ok(value) = HeaderValue::from_str(undecided) {
        headers.insert(PARTIAL, value);
    }
}

/// Shows the header on every answer that depends on the caller.
pub fn describe(document: &mut OpenApi) {
    describe_header(document, DOCUMENTED_NAME, DESCRIPTION, |_| true);
}

/// Shows a header on every answer that depends on the caller, of the paths that are `wanted`.
pub(super) fn describe_header(
    document: &mut OpenApi,
    documented: &str,
    description: &str,
    wanted: impl Fn(&str) -> bool,
) {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    let mut header = Header::new(schema);
    header.description = Some(description.to_owned());
    let components = document.components.get_or_insert_default();
    components.headers.insert(documented.to_owned(), RefOr::T(header));
    let paths = document.paths.paths.iter_mut().filter(|(path, _)| wanted(path));
    for operation in paths.flat_map(|(_, path)| operations(path)) {
        // Only open operations say themselves what security they have.
        if operation.security.is_some() {
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
