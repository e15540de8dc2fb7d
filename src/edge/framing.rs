//! Refuses requests whose `Transfer-Encoding` or `Host` two servers could interpret differently.
//!
//! hyper checks only the last coding, so `gzip, chunked` and `chunked, chunked` would be accepted, and a
//! proxy in front could see another end of the request (RFC 9112, 6.1 and 11.2). The only accepted coding is
//! a single `chunked`. A request of HTTP/1.1 has exactly one valid `Host` (RFC 9112, 3.2). The connection is
//! closed, because its framing cannot be trusted.

use axum::extract::Request;
use axum::http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Responds with 400 and closes the connection if the length or the host of the request is ambiguous.
pub async fn refuse_ambiguous(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !is_ambiguous(headers) && has_host(headers, request.version()) {
        return next.run(request).await;
    }
    let close = [(CONNECTION, HeaderValue::from_static("close"))];
    (close, Problem::of_status(StatusCode::BAD_REQUEST)).into_response()
}

fn is_ambiguous(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => false,
        (Some(only), None) => !only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => true,
    }
}

/// Returns `true` for one valid `Host`, or for none where the version requires none.
fn has_host(headers: &HeaderMap, version: Version) -> bool {
    let mut lines = headers.get_all(HOST).iter();
    match (lines.next(), lines.next()) {
        (None, _) => version != Version::HTTP_11,
        (Some(only), None) => is_host(only.as_bytes().trim_ascii()),
        (Some(_), Some(_)) => false,
    }
}

/// Returns `true` for a host with or without a port, and for an empty value, which stands for no host.
fn is_host(value: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(value) else {
        return value.is_empty();
    };
    let port = authority.as_str().strip_prefix(authority.host());
    let is_digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let is_port = |port: &str| port.is_empty() || port.strip_prefix(':').is_some_and(is_digits);
    // Without the user, which `host` leaves out.
    port.is_some_and(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_a_name_or_an_address_with_a_port() {
        for host in [
            "api.example.com",
            "a_b:8000",
            "127.0.0.1",
            "[::1]:80",
            "[::1]",
            "a:",
            "",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a@b", "a:b@c", "a/b", "a b", "a:http", "a:80:80", "[::1", "é", "http://a",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn host_may_be_absent_outside_of_http_1_1() {
        let none = HeaderMap::new();
        assert!(!has_host(&none, Version::HTTP_11));
        assert!(has_host(&none, Version::HTTP_10) && has_host(&none, Version::HTTP_2));
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("a"));
        assert!(has_host(&two, Version::HTTP_11));
        two.append(HOST, HeaderValue::from_static("a"));
        assert!(!has_host(&two, Version::HTTP_11) && !has_host(&two, Version::HTTP_10));
    }

    #[test]
    fn only_one_chunked_is_unambiguous() {
        let is_refused = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_static(line));
            }
            is_ambiguous(&headers)
        };
        assert!(!is_refused(&[]) && !is_refused(&["chunked"]) && !is_refused(&["Chunked "]));
        let ambiguous: [&[&str]; 7] = [
            &["chunked, chunked"],
            &["gzip, chunked"],
            &["chunked", "chunked"],
            &["gzip", "chunked"],
            &["identity"],
            &["chunked;a=b"],
            &[", chunked"],
        ];
        for lines in ambiguous {
            assert!(is_refused(lines), "{lines:?}");
        }
    }
}
