//! Request ids: the caller's id if it is safe for log lines, else a new one. The response contains the id,
//! too.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use tower::util::MapRequestLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use uuid::Uuid;

/// Name of the header with the request id, in requests and responses.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

type Layers = (
    MapRequestLayer<fn(Request) -> Request>,
    SetRequestIdLayer<NewId>,
    PropagateRequestIdLayer,
);

/// Returns the layers that assign an id to every request and copy it to the response.
#[must_use]
pub fn layers() -> Layers {
    (
        MapRequestLayer::new(drop_malformed),
        SetRequestIdLayer::new(REQUEST_ID, NewId),
        PropagateRequestIdLayer::new(REQUEST_ID),
    )
}

/// Removes an id from the request unless it consists of 1 to 64 letters, digits, `.`, `_` and `-`.
fn drop_malformed(mut request: Request) -> Request {
    let id = request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes);
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    if !id.is_some_and(|id| (1..=64).contains(&id.len()) && id.iter().all(allowed)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// Creates ids for requests without one.
#[derive(Debug, Clone, Copy)]
pub struct NewId;

impl MakeRequestId for NewId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let id = HeaderValue::try_from(Uuid::now_v7().to_string());
        id.ok().map(RequestId::new)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn id_left(id: &[u8]) -> Option<HeaderValue> {
        let mut request = Request::new(Body::empty());
        request
            .headers_mut()
            .insert(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        drop_malformed(request).headers().get(REQUEST_ID).cloned()
    }

    #[test]
    fn request_id_stays_only_if_well_formed() {
        assert_eq!(id_left(b"ci-run_42.a").unwrap(), "ci-run_42.a");
        for bad in ["", "a b", "x\"y", "{}", &"a".repeat(65)] {
            assert_eq!(id_left(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn new_id_is_a_uuid() {
        let id = NewId.make_request_id(&Request::new(())).unwrap();
        let id = id.header_value().to_str().unwrap();
        assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7);
    }

    proptest! {
        #[test]
        fn accepted_id_is_safe_in_a_log_line(header in arbitrary::header_bytes()) {
            if let Some(id) = id_left(&header) {
                prop_assert!((1..=64).contains(&id.len()));
                prop_assert!(id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b)));
                prop_assert!(id.as_bytes() == header);
            }
        }
    }
}
