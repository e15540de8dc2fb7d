//! Reads what is left of a request's body before an error is answered.
//!
//! A server that answers and closes while the client still sends makes the client's system throw the answer away
//! (RFC 9112, 9.6): the client would see a broken pipe instead of the 413 that explains it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

/// Longest that a refused client may go on sending.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes that are thrown away; whoever sends more is cut off.
const MOST_BYTES: usize = 16 << 20;

/// Outside everything that may refuse a request without reading its body.
pub async fn drain(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let shared = SharedBody(Arc::new(Mutex::new(body)));
    let response = next
        .run(Request::from_parts(parts, Body::new(shared.clone())))
        .await;
    if response.status().is_client_error() || response.status().is_server_error() {
        // Out of patience or over the limit: the connection closes, as it would have anyway.
        let _ = tokio::time::timeout(PATIENCE, throw_away(shared)).await;
    }
    response
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
