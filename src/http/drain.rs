//! Reads what is left of a request's body before an error is answered.
//!
//! A server that answers and closes while the client still sends makes the client's system throw the answer away
//! (RFC 9112, 9.6): the client would see a broken pipe instead of the 413 that explains it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::future::{BoxFuture, Either, MapOk, TryFutureExt};
use http_body::{Frame, SizeHint};
use tower::{Layer, Service};

/// Longest that a refused client may go on sending.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes that are thrown away; whoever sends more is cut off.
const MOST_BYTES: usize = 16 << 20;

/// The layer; outside everything that may refuse a request without reading its body.
#[derive(Debug, Clone, Copy)]
pub struct DrainLayer;

impl<S> Layer<S> for DrainLayer {
    type Service = Drain<S>;

    fn layer(&self, inner: S) -> Drain<S> {
        Drain(inner)
    }
}

/// A service whose refused requests are read to their end.
#[derive(Debug, Clone, Copy)]
pub struct Drain<S>(S);

/// What a service without a body to be read does, as it is.
type Undrained<S> = MapOk<<S as Service<Request>>::Future, fn(<S as Service<Request>>::Response) -> Response>;

// Not `middleware::from_fn`: it copies all that is below it with every request.
impl<S> Service<Request> for Drain<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Undrained<S>, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.body().is_end_stream() {
            return Either::Left(self.0.call(request).map_ok(IntoResponse::into_response));
        }
        let (parts, body) = request.into_parts();
        let shared = SharedBody(Arc::new(Mutex::new(body)));
        let work = self.0.call(Request::from_parts(parts, Body::new(shared.clone())));
        Either::Right(Box::pin(async move {
            let Ok(response) = work.await;
            let response = response.into_response();
            if response.status().is_client_error() || response.status().is_server_error() {
                // Out of patience or over the limit: the connection closes, as it would have anyway.
                let _ = tokio::time::timeout(PATIENCE, throw_away(shared)).await;
            }
            Ok(response)
        }))
    }
}

async fn throw_away(mut body: SharedBody) {
    let mut seen = 0;
    while seen < MOST_BYTES {
        match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => seen += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => return,
        }
    }
}

/// A body that the handler reads and that can still be read when the handler is done.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Body>>);

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}
