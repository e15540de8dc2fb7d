//! Refuses requests whose `Transfer-Encoding` two servers could interpret differently.
//!
//! hyper checks only the last coding, so `gzip, chunked` and `chunked, chunked` would be accepted, and a
//! proxy in front could see another end of the request (RFC 9112, 6.1 and 11.2). The only accepted coding is
//! a single `chunked`. The connection is closed, because its framing cannot be trusted.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Responds with 400 and closes the connection if the length of the request is ambiguous.
pub async fn refuse_ambiguous(request: Request, next: Next) -> Response {
    if !is_ambiguous(request.headers()) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
