//! Conditional requests (RFC 9110, 13): `ETag` on single objects, `If-None-Match` for reads, `If-Match` for
//! changes.
//!
//! A tag has two parts: the object's version and a hash of the response. A read compares the whole tag, so
//! that a browser sees every change of the response. A change compares only the version, because the
//! service's own notes on an object (the state of its write-back) are not an edit that a person could
//! overwrite.

use std::convert::Infallible;

use aws_lc_rs::digest;
use axum::extract::FromRequestParts;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::IntoParams;

use crate::error::Error;
use crate::models::precondition::Precondition;

/// Cacheable only by the client, with revalidation before each use.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// Number of hash bytes in a tag.
const HASH_BYTES: usize = 8;

/// Header of changes: precondition that the object was not changed meanwhile.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that IfMatch reads")]
pub struct IfMatchParam {
    /// `ETag` of the object as it was last read. The answer is 412 when the object was changed since.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

/// Header of reads: precondition that the response differs.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that IfNoneMatch reads")]
pub struct IfNoneMatchParam {
    /// `ETag` of an earlier answer. The answer is 304 when it would be the same.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

/// Precondition of the `If-Match` header.
#[derive(Debug)]
pub struct IfMatch(pub Precondition);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(tags) = tags(&parts.headers, &IF_MATCH) else {
            return Ok(Self(Precondition::None));
        };
        // Any version matches; whether the object exists is checked by the change itself.
        if tags.iter().any(|tag| tag == "*") {
            return Ok(Self(Precondition::None));
        }
        // A proxy that compresses makes our tags weak, but the version in them stays exact. They match,
        // although no weak tag does by RFC 9110 (13.1.1).
        let version = |tag: &String| {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            let (version, _) = tag.strip_prefix('"')?.split_once('-')?;
            // Same notation as in a tag: two's complement before 1970.
            u64::from_str_radix(version, 16).ok().map(u64::cast_signed)
        };
        Ok(Self(Precondition::Version(
            tags.iter().filter_map(version).collect(),
        )))
    }
}

/// Tags of the `If-None-Match` header.
#[derive(Debug)]
pub struct IfNoneMatch(Option<Vec<String>>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(tags(&parts.headers, &IF_NONE_MATCH)))
    }
}

impl IfNoneMatch {
    /// Returns `true` if the client has this response (weak comparison, because a proxy may have compressed
    /// it).
    #[must_use]
    pub fn has(&self, etag: &str) -> bool {
        let same = |tag: &String| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
        self.0.as_ref().is_some_and(|tags| tags.iter().any(same))
    }
}

/// Returns the tags of a header, including their quotes. Returns `None` if the header is absent.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let texts = values.filter_map(|value| value.to_str().ok());
    // Tags of this service contain no commas.
    let tags = texts.flat_map(|text| text.split(',')).map(str::trim);
    Some(tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect())
}

/// A response with a tag: a single object with its version, or a view without one.
#[derive(Debug)]
pub struct Tagged<T> {
    body: T,
    version: Option<DateTime<Utc>>,
}

impl<T: Serialize> Tagged<T> {
    /// Tags `body`, whose object last changed at `version`.
    pub fn new(body: T, version: DateTime<Utc>) -> Self {
        Self {
            body,
            version: Some(version),
        }
    }

    /// Tags `body`, which has no version because it is never changed by requests.
    pub fn view(body: T) -> Self {
        Self { body, version: None }
    }

    /// Returns the response to a read: 304 if the client has the present response.
    pub fn unless(self, known: &IfNoneMatch) -> Response {
        match self.write() {
            Ok((bytes, etag)) if !known.has(&etag) => with_tag(bytes, &etag),
            Ok((_, etag)) => {
                let mut response = with_tag(Vec::new(), &etag);
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response.headers_mut().remove(CONTENT_TYPE);
                response
            }
            Err(error) => error.into_response(),
        }
    }

    fn write(&self) -> Result<(Vec<u8>, String), Error> {
        let bytes = serde_json::to_vec(&self.body).map_err(|error| Error::Internal(Box::new(error)))?;
        let etag = match self.version {
            Some(version) => format!("\"{:x}-{:016x}\"", version.timestamp_micros(), hash(&bytes)),
            None => etag_of(&bytes),
        };
        Ok((bytes, etag))
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        match self.write() {
            Ok((bytes, etag)) => with_tag(bytes, &etag),
            Err(error) => error.into_response(),
        }
    }
}

/// Returns the strong tag of a response without a version: equal bytes have the same tag in every process.
#[must_use]
pub fn etag_of(bytes: &[u8]) -> String {
    format!("\"{:016x}\"", hash(bytes))
}

fn hash(bytes: &[u8]) -> u64 {
    let hash = digest::digest(&digest::SHA256, bytes);
    let hash = hash.as_ref().iter().take(HASH_BYTES);
    hash.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn with_tag(bytes: Vec<u8>, etag: &str) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, REVALIDATE);
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn parts(name: &HeaderName, values: &[&[u8]]) -> Parts {
        let mut request = Request::new(());
        for value in values {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(name, value);
        }
        request.into_parts().0
    }

    fn if_match(values: &[&[u8]]) -> Precondition {
        let mut parts = parts(&IF_MATCH, values);
        let read = IfMatch::from_request_parts(&mut parts, &());
        read.now_or_never().unwrap().unwrap().0
    }

    fn if_none_match(values: &[&[u8]]) -> IfNoneMatch {
        let mut parts = parts(&IF_NONE_MATCH, values);
        let read = IfNoneMatch::from_request_parts(&mut parts, &());
        read.now_or_never().unwrap().unwrap()
    }

    /// Generates moments in the years 1 to 9999.
    fn moment() -> impl Strategy<Value = DateTime<Utc>> {
        let micros = -62_135_596_800_000_000_i64..253_402_300_800_000_000;
        micros.prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
    }

    proptest! {
        #[test]
        fn tag_of_a_version_allows_that_version_alone(
            body in arbitrary::text(), at in moment(), other in moment(), before in "(W/)?\"[a-f0-9-]{0,9}\"",
        ) {
            let (_, etag) = Tagged::new(body, at).write().unwrap();
            let list = format!("{before},{etag} ,");
            for header in [&[etag.as_bytes()][..], &[list.as_bytes()], &[before.as_bytes(), etag.as_bytes()]] {
                let precondition = if_match(header);
                prop_assert!(precondition.allows(at), "{}", etag);
                prop_assert!(other == at || !precondition.allows(other) || before.contains('-'));
                prop_assert!(if_none_match(header).has(&etag));
            }
            // A proxy that compresses makes the tag weak.
            let weak = format!("W/{etag}");
            prop_assert!(if_match(&[weak.as_bytes()]).allows(at));
            prop_assert!(if_none_match(&[weak.as_bytes()]).has(&etag));
        }

        #[test]
        fn any_if_match_is_a_condition(header in arbitrary::header_bytes(), at in moment()) {
            let text = String::from_utf8_lossy(&header);
            let any = text.split(',').any(|tag| tag.trim() == "*");
            match if_match(&[&header]) {
                Precondition::None => prop_assert!(any),
                condition @ Precondition::Version(_) => {
                    let version = format!("{:x}-", at.timestamp_micros());
                    prop_assert!(!condition.allows(at) || text.contains(&version), "{}", text);
                }
            }
            let tag = "\"0123456789abcdef\"";
            prop_assert!(!if_none_match(&[&header]).has(tag) || any);
        }
    }

    #[test]
    fn moments_before_1970_have_tags_that_match() {
        let at: DateTime<Utc> = "1969-12-31T23:59:59Z".parse().unwrap();
        let (_, etag) = Tagged::new("x", at).write().unwrap();
        assert!(if_match(&[etag.as_bytes()]).allows(at), "{etag}");
    }
}
