//! Conditional requests (RFC 9110, 13): `ETag` on single objects, `If-None-Match` for reads, `If-Match` for
//! changes.
//!
//! A tag has two parts: the object's version, and a hash of the answer. A read compares the whole, so a
//! browser sees every change of the answer. A change compares the version alone: what the service itself
//! notes about an object (how far its hours are on their way) is no edit that a person could overwrite.

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

/// Kept by the caller alone, and asked about before it is used again.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// Bytes of the hash that go into a tag.
const HASH_BYTES: usize = 8;

/// For changes: only if the object was not changed meanwhile.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that IfMatch reads")]
pub struct IfMatchParam {
    /// `ETag` of the object as it was last read. The answer is 412 when the object was changed since.
    #[param(rename = "If-Match", example = "\"63f1c0e2a5b40-1f0d9be1a0019d26\"")]
    if_match: Option<String>,
}

/// For reads: only if the answer is another one.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that IfNoneMatch reads")]
pub struct IfNoneMatchParam {
    /// `ETag` of an earlier answer. The answer is 304 when it would be the same.
    #[param(rename = "If-None-Match", example = "\"63f1c0e2a5b40-1f0d9be1a0019d26\"")]
    if_none_match: Option<String>,
}

/// What `If-Match` demands.
#[derive(Debug)]
pub struct IfMatch(pub Precondition);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(tags) = tags(&parts.headers, &IF_MATCH) else {
            return Ok(Self(Precondition::None));
        };
        // Any version will do; whether there is an object, the change itself finds out.
        if tags.iter().any(|tag| tag == "*") {
            return Ok(Self(Precondition::None));
        }
        // A weak tag matches nothing here (RFC 9110, 13.1.1).
        let version = |tag: &String| {
            let (version, _) = tag.strip_prefix('"')?.split_once('-')?;
            // As a tag writes it: in two's complement before 1970.
            u64::from_str_radix(version, 16).ok().map(u64::cast_signed)
        };
        Ok(Self(Precondition::Version(
            tags.iter().filter_map(version).collect(),
        )))
    }
}

/// What `If-None-Match` names.
#[derive(Debug)]
pub struct IfNoneMatch(Option<Vec<String>>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(tags(&parts.headers, &IF_NONE_MATCH)))
    }
}

impl IfNoneMatch {
    /// Whether the client has this answer (weak comparison: a proxy may have compressed it).
    #[must_use]
    pub fn has(&self, etag: &str) -> bool {
        let same = |tag: &String| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
        self.0.as_ref().is_some_and(|tags| tags.iter().any(same))
    }
}

/// The tags of a header, quotes included; `None` without it.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let texts = values.filter_map(|value| value.to_str().ok());
    // Our tags hold no commas.
    let tags = texts.flat_map(|text| text.split(',')).map(str::trim);
    Some(tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect())
}

/// An answer with a tag: a single object with its version, or something that only is what it is.
#[derive(Debug)]
pub struct Tagged<T> {
    body: T,
    version: Option<DateTime<Utc>>,
}

impl<T: Serialize> Tagged<T> {
    /// `body`, whose object last changed at `version`.
    pub fn new(body: T, version: DateTime<Utc>) -> Self {
        Self {
            body,
            version: Some(version),
        }
    }

    /// Tags `body`, which has no version because it is never changed.
    pub fn view(body: T) -> Self {
        Self { body, version: None }
    }

    /// The answer to a read: 304 when the client has it.
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

/// The strong tag of an answer that has no version: the same bytes have the same tag in every process.
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

    /// Years 1 to 9999.
    fn moment() -> impl Strategy<Value = DateTime<Utc>> {
        let micros = -62_135_596_800_000_000_i64..253_402_300_800_000_000;
        micros.prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
    }

    proptest! {
        #[test]
        fn the_tag_of_a_version_allows_that_version_alone(
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
            // Weak: good enough for a read, not for a change (RFC 9110, 13.1.1).
            let weak = format!("W/{etag}");
            prop_assert!(!if_match(&[weak.as_bytes()]).allows(at));
            prop_assert!(if_none_match(&[weak.as_bytes()]).has(&etag));
        }

        #[test]
        fn whatever_if_match_holds_it_is_a_condition(header in arbitrary::header_bytes(), at in moment()) {
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
