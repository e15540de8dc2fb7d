//! Refuses requests whose `Transfer-Encoding` two servers could read differently.
//!
//! hyper looks at the last coding only, so `gzip, chunked` and `chunked, chunked` would get through, and a proxy in
//! front that reads them otherwise would see another end of the request (RFC 9112, 6.1 and 11.2). The only coding
//! that is understood here is `chunked`, once. The connection closes, because its framing cannot be trusted.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, MapOk, Ready, TryFutureExt, ready};
use tower::{Layer, Service};

use super::problem::Problem;

/// The layer; inside the one that gives errors their bodies.
#[derive(Debug, Clone, Copy)]
pub struct FramingLayer;

impl<S> Layer<S> for FramingLayer {
    type Service = Framing<S>;

    fn layer(&self, inner: S) -> Framing<S> {
        Framing(inner)
    }
}

/// A service that gets only requests whose length is beyond doubt.
#[derive(Debug, Clone, Copy)]
pub struct Framing<S>(S);

type Passed<S> = MapOk<<S as Service<Request>>::Future, fn(<S as Service<Request>>::Response) -> Response>;

// Not `middleware::from_fn`: it copies all that is below it with every request.
impl<S> Service<Request> for Framing<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, Passed<S>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if is_ambiguous(request.headers()) {
            let mut response = Problem::of_status(StatusCode::BAD_REQUEST).into_response();
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
            return Either::Left(ready(Ok(response)));
        }
        Either::Right(self.0.call(request).map_ok(IntoResponse::into_response))
    }
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
        let told = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_static(line));
            }
            is_ambiguous(&headers)
        };
        assert!(!told(&[]) && !told(&["chunked"]) && !told(&["Chunked "]));
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
            assert!(told(lines), "{lines:?}");
        }
    }
}
