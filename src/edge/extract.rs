//! Extractors whose rejections are the service's own errors. Handlers use these extractors instead of axum's.
#![expect(clippy::disallowed_types, reason = "this is where axum's Path is wrapped")]

use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::{self, BodyMemory};
use super::fields::{self, FieldType, Fields, Reader, WorkItemId};
use super::problem::Problem;
use crate::error::{Error, FieldError, Segment};

/// A JSON body. As an argument: a missing `Content-Type` counts as JSON, any other type is 415, and all
/// failures are reported together. As a response: serialized into one buffer.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

/// Initial buffer size of a response, in bytes; most responses fit, larger ones double it.
const ANSWER_BYTES: usize = 8 * 1024;

impl<T: Serialize> IntoResponse for ApiJson<T> {
    fn into_response(self) -> Response {
        let mut bytes = Vec::with_capacity(ANSWER_BYTES);
        match serde_json::to_writer(&mut bytes, &self.0) {
            Ok(()) => (
                [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
                bytes,
            )
                .into_response(),
            Err(error) => Error::Internal(Box::new(error)).into_response(),
        }
    }
}

impl<S, T> FromRequest<S> for ApiJson<T>
where
    S: Send + Sync,
    BodyMemory: FromRef<S>,
    T: Fields,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(unsupported(request.headers()));
        }
        let body = body::read(request.into_body(), &BodyMemory::from_ref(state)).await?;
        let value =
            body::parse_json(&body.bytes, T::NAMES).map_err(|failure| Error::Invalid(vec![failure]))?;
        Ok(Self(fields::read("body", &value).map_err(Error::Invalid)?))
    }
}

/// Returns 415 that says whether the encoding or the type of the body is wrong.
fn unsupported(headers: &HeaderMap) -> Problem {
    if is_encoded(headers) {
        return Problem::encoded_body();
    }
    Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

/// Returns `true` for a compressed body, which the service does not decompress.
fn is_encoded(headers: &HeaderMap) -> bool {
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
}

/// Returns `true` for `application/json`, `application/*+json`, or no type, unless the body is compressed.
fn is_json(request: &Request) -> bool {
    if is_encoded(request.headers()) {
        return false;
    }
    let Some(value) = request.headers().get(CONTENT_TYPE) else {
        return true;
    };
    let Ok(value) = value.to_str() else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = essence.split_once('/') else {
        return essence.is_empty();
    };
    let subtype = subtype.to_ascii_lowercase();
    kind.eq_ignore_ascii_case("application") && (subtype == "json" || subtype.ends_with("+json"))
}

/// The query, as one or two request structs that share it. Unknown keys are ignored, a repeated known key is
/// refused.
#[derive(Debug)]
pub struct ApiQuery<A, B = NoFields>(pub A, pub B);

/// The empty second struct of an [`ApiQuery`] with only one.
#[derive(Debug)]
pub struct NoFields;

impl Fields for NoFields {
    const NAMES: &'static [&'static str] = &[];

    fn read(_: &mut Reader<'_>) -> Option<Self> {
        Some(Self)
    }
}

impl<S, A, B> FromRequestParts<S> for ApiQuery<A, B>
where
    S: Send + Sync,
    A: Fields,
    B: Fields,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        let query = parts.uri.query().unwrap_or_default();
        let value = parse_query(query, &[A::NAMES, B::NAMES].concat()).map_err(Error::Invalid)?;
        match (fields::read("query", &value), fields::read("query", &value)) {
            (Ok(a), Ok(b)) => Ok(Self(a, b)),
            (a, b) => {
                let a = a.err().unwrap_or_default();
                Err(Error::Invalid(
                    a.into_iter().chain(b.err().unwrap_or_default()).collect(),
                ))
            }
        }
    }
}

/// Returns the known keys of a query; a repeated key is a failure.
fn parse_query(query: &str, known: &[&str]) -> Result<Value, Vec<FieldError>> {
    let mut object = Map::new();
    let mut repeated: Vec<String> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&name.as_ref()) {
            continue;
        }
        let again = object
            .insert(name.to_string(), Value::String(value.into_owned()))
            .is_some();
        if again && !repeated.iter().any(|seen| *seen == name) {
            repeated.push(name.into_owned());
        }
    }
    if repeated.is_empty() {
        return Ok(Value::Object(object));
    }
    let failure = |name: String| FieldError {
        loc: vec!["query".into(), name.as_str().into()],
        kind: "value_error",
        message: "foi informado mais de uma vez".to_owned(),
    };
    Err(repeated.into_iter().map(failure).collect())
}

/// The only path parameter: a UUID in any notation.
#[derive(Debug)]
pub struct ApiPath(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for ApiPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Percent-encoded bytes that are not UTF-8 cannot be extracted as text; they are not a UUID either.
        let Ok(Path(entries)) = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await else {
            return Err(not_a_uuid(vec!["path".into()]));
        };
        let Some((name, text)) = entries.into_iter().next() else {
            return Err(Problem::of_status(StatusCode::NOT_FOUND));
        };
        Uuid::parse_str(&text)
            .map(Self)
            .map_err(|_| not_a_uuid(vec!["path".into(), name.as_str().into()]))
    }
}

/// The only path parameter: the id of a work item.
#[derive(Debug)]
pub struct ApiWorkItemPath(pub i32);

impl<S: Send + Sync> FromRequestParts<S> for ApiWorkItemPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let entries = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let (name, text) = match entries.map(|entries| entries.0.into_iter().next()) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Err(Problem::of_status(StatusCode::NOT_FOUND)),
            Err(_) => ("work_item_id".to_owned(), String::new()),
        };
        let failure = match WorkItemId::read(&Value::String(text)) {
            Ok(id) => return Ok(Self(id)),
            Err(failures) => failures,
        };
        let errors = failure.into_iter().map(|failure| FieldError {
            loc: vec!["path".into(), name.as_str().into()],
            kind: failure.kind,
            message: failure.message,
        });
        Err(Error::Invalid(errors.collect()).into())
    }
}

fn not_a_uuid(loc: Vec<Segment>) -> Problem {
    let failure = FieldError {
        loc,
        kind: "uuid_parsing",
        message: "deve ser um UUID válido".to_owned(),
    };
    Error::Invalid(vec![failure]).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn query_holds_the_known_keys_each_once(query in arbitrary::text()) {
            let known = ["a", "skip", "0"];
            let pairs = || form_urlencoded::parse(query.as_bytes());
            let times = |name: &str| pairs().filter(|(key, _)| key == name).count();
            match parse_query(&query, &known) {
                Ok(value) => {
                    for (name, value) in value.as_object().unwrap() {
                        prop_assert!(known.contains(&name.as_str()));
                        prop_assert!(pairs().any(|(key, raw)| key == name.as_str() && value == raw.as_ref()));
                    }
                    prop_assert!(known.iter().all(|name| times(name) <= 1));
                }
                Err(failures) => {
                    prop_assert_eq!(failures.len(), known.iter().filter(|name| times(name) > 1).count());
                }
            }
        }

        #[test]
        fn any_text_arrives_through_a_query(texts in prop::collection::vec(arbitrary::text(), 3)) {
            let known = ["a", "b", "É&="];
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(known.iter().zip(&texts));
            let value = parse_query(&query.finish(), &known).unwrap();
            for (name, text) in known.iter().zip(&texts) {
                prop_assert_eq!(&value[*name], text);
            }
        }

        #[test]
        fn only_plain_json_is_taken_for_json(content_type in prop_oneof![
            arbitrary::header_bytes().boxed(),
            "(application|text|APPLICATION)/([a-z.]{0,8}\\+)?(json|JSON|xml)( ?; ?charset=utf-8)?"
                .prop_map(String::into_bytes).boxed(),
        ]) {
            let mut request = Request::new(axum::body::Body::empty());
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_bytes(&content_type).unwrap());
            let text = String::from_utf8_lossy(&content_type).to_ascii_lowercase();
            let essence = text.split(';').next().unwrap().trim();
            let expected = match essence.strip_prefix("application/") {
                Some(subtype) => subtype == "json" || subtype.ends_with("+json"),
                None => essence.is_empty(),
            };
            // A media type contains only ASCII.
            prop_assert_eq!(is_json(&request), expected && content_type.is_ascii());
        }
    }
}
