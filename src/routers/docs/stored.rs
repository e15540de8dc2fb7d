//! A documentation file, compressed and tagged before the first request.
//!
//! All connections share the same bytes, so that a client that never reads its response holds a pointer and
//! not a copy.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, VARY,
};
use axum::http::{Response, StatusCode};
use flate2::{Compression, GzBuilder};

use crate::edge::conditional::{IfNoneMatch, etag_of};

/// Response headers of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) content_type: &'a str,
    pub(super) cache: &'static str,
    /// Content-Security-Policy of a page.
    pub(super) policy: Option<&'static str>,
}

/// A file with its prepared responses.
#[derive(Debug)]
pub(super) struct Stored {
    gzipped: Variant,
    /// Uncompressed form; `None` for a vendored bundle, which is stored only compressed.
    plain: Option<Variant>,
}

impl Stored {
    /// Compresses a file and stores both forms.
    ///
    /// # Errors
    /// When the compression fails.
    pub(super) fn compress(about: About<'_>, plain: Bytes) -> io::Result<Self> {
        // Without a timestamp in the header, result and tag are the same in every process.
        let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
        encoder.write_all(&plain)?;
        let gzipped = Variant::gzipped(about, encoder.finish()?.into());
        Ok(Self {
            gzipped,
            plain: Some(Variant::new(about, plain)),
        })
    }

    /// Stores a file that is already compressed, without an uncompressed form, because every browser supports
    /// gzip.
    pub(super) fn compressed(about: About<'_>, gzipped: Bytes) -> Self {
        Self {
            gzipped: Variant::gzipped(about, gzipped),
            plain: None,
        }
    }

    /// Returns the response to a request with these headers: 304 if the client has the file.
    pub(super) fn answer(&self, request: &HeaderMap, known: &IfNoneMatch) -> Response<Body> {
        let variant = match &self.plain {
            Some(plain) if !accepts_gzip(request) => plain,
            _ => &self.gzipped,
        };
        variant.answer(known)
    }
}

/// One form of a file. Each form has a tag of its own, because a strong tag denotes exact bytes.
#[derive(Debug)]
struct Variant {
    etag: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Variant {
    fn new(about: About<'_>, body: Bytes) -> Self {
        let etag = etag_of(&body);
        let mut headers = HeaderMap::new();
        let texts = [(CONTENT_TYPE, about.content_type), (ETAG, &etag)];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(about.cache));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(policy) = about.policy {
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        Self { etag, headers, body }
    }

    fn gzipped(about: About<'_>, body: Bytes) -> Self {
        let mut variant = Self::new(about, body);
        let headers = &mut variant.headers;
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        variant
    }

    fn answer(&self, known: &IfNoneMatch) -> Response<Body> {
        let has = known.has(&self.etag);
        let body = if has { Bytes::new() } else { self.body.clone() };
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = self.headers.clone();
        if has {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            let headers = response.headers_mut();
            headers.remove(CONTENT_TYPE);
            headers.remove(CONTENT_ENCODING);
        }
        response
    }
}

/// Returns `true` if the client accepts gzip (RFC 9110, 12.5.3). An explicit entry takes precedence over `*`.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    let entries = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let mut any = false;
    for entry in entries {
        let mut parts = entry.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let accepted = !parts.any(is_zero_weight);
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            return accepted;
        }
        any |= coding == "*" && accepted;
    }
    any
}

/// Returns `true` for `q=0`, `q=0.0` and equivalent weights.
fn is_zero_weight(parameter: &str) -> bool {
    let Some((name, weight)) = parameter.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("q") && weight.trim().parse().is_ok_and(|weight: f32| weight <= 0.0)
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequestParts;
    use axum::http::Request;
    use futures_util::FutureExt;

    use super::*;

    fn accepts(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, line.parse().unwrap());
        }
        accepts_gzip(&headers)
    }

    #[test]
    fn gzip_is_accepted_when_named_or_covered_by_a_star() {
        for lines in [
            &["gzip"][..],
            &["x-gzip"],
            &["br, GZIP ; Q=0.5"],
            &["br", "deflate, gzip"],
            &["*"],
            &["identity;q=0, *;q=0.1"],
        ] {
            assert!(accepts(lines), "{lines:?}");
        }
    }

    #[test]
    fn gzip_is_refused_when_absent_or_of_weight_zero() {
        for lines in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip; q=0.000, br"],
            &["*;q=0"],
            &["*, gzip;q=0"],
        ] {
            assert!(!accepts(lines), "{lines:?}");
        }
    }

    #[test]
    fn answers_share_the_bytes_of_the_file() {
        let about = About {
            content_type: "text/plain",
            cache: "no-cache",
            policy: None,
        };
        let stored = Stored::compress(about, Bytes::from_static(b"text")).unwrap();
        let mut parts = Request::new(()).into_parts().0;
        let known = IfNoneMatch::from_request_parts(&mut parts, &()).now_or_never();
        let known = known.unwrap().unwrap();
        let body = || {
            let body = stored.answer(&HeaderMap::new(), &known).into_body();
            let read = axum::body::to_bytes(body, 100).now_or_never();
            read.unwrap().unwrap()
        };
        assert_eq!(body().as_ptr(), body().as_ptr());
    }
}
