//! `Prefer: handling=strict` (RFC 7240): refuses query parameters that the operation does not have, which are
//! ignored otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use super::fields::unknown;
use crate::error::Error;
use crate::models::preference::is_strict;

/// Name of the request header.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Name of the response header that says which preference was honoured.
pub const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Names of the query parameters of each operation, by path and method.
#[derive(Debug, Clone)]
pub struct KnownParameters(Arc<HashMap<(String, Method), Vec<String>>>);

impl KnownParameters {
    /// Reads the parameters of all operations, before they become references.
    #[must_use]
    pub fn of(document: &OpenApi) -> Self {
        let mut known = HashMap::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ] {
                if let Some(operation) = operation {
                    known.insert((path.clone(), method), query_names(operation));
                }
            }
        }
        Self(Arc::new(known))
    }

    /// Returns the names of the operation of a request. Returns `None` if the request has no operation.
    fn of_request(&self, request: &Request) -> Option<&[String]> {
        let path = request.extensions().get::<MatchedPath>()?.as_str().to_owned();
        let method = match request.method() {
            &Method::HEAD => Method::GET,
            method => method.clone(),
        };
        self.0.get(&(path, method)).map(Vec::as_slice)
    }
}

fn query_names(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let names = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => Some(parameter.name.clone()),
        _ => None,
    });
    names.collect()
}

/// Refuses unknown query parameters if the request asks for it, and says so in the response.
pub async fn honour(State(known): State<KnownParameters>, request: Request, next: Next) -> Response {
    let lines = request.headers().get_all(PREFER).iter();
    let strict = is_strict(lines.filter_map(|line| line.to_str().ok()));
    let Some(names) = strict.then(|| known.of_request(&request)).flatten() else {
        return next.run(request).await;
    };
    let query = request.uri().query().unwrap_or_default();
    let failures = unknown(
        form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name),
        names,
    );
    let mut response = if failures.is_empty() {
        next.run(request).await
    } else {
        Error::Invalid(failures).into_response()
    };
    let applied = HeaderValue::from_static("handling=strict");
    response.headers_mut().insert(APPLIED, applied);
    response
}
