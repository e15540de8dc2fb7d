//! Reads request bodies in bounded memory (issue 21, field report 7.1).
//!
//! A body is refused while it is read: its length is limited by `API_MAX_BODY_BYTES`, and all large bodies in
//! flight share `API_BODY_MEMORY_BYTES`. `body/pruned.rs` bounds the memory of the parsed JSON.

mod pruned;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::error::{Code, FieldError};
use crate::telemetry::metrics;

/// Maximum size of a body that takes nothing from the budget, in bytes: a time entry has 300, an activity
/// with 400 projects 16,000. Large bodies therefore never block small ones.
const SMALL: usize = 16 * 1_024;

/// Unit in which a large body takes memory from the budget, in bytes.
const STEP: usize = 64 * 1_024;

/// `Retry-After` of a refused request. A body that arrives without delay is read within milliseconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Memory budget of large bodies while they are read and parsed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BodyMemory {
    free: Arc<Semaphore>,
    total: usize,
}

impl BodyMemory {
    /// Creates a budget of `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let total = bytes.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(total)),
            total,
        }
    }

    /// Extends `held` to cover a body with `length` bytes so far, at most to the whole budget.
    fn cover(&self, held: &mut Option<OwnedSemaphorePermit>, length: usize) -> Result<(), Problem> {
        let covered = held.as_ref().map_or(SMALL, OwnedSemaphorePermit::num_permits);
        if length <= covered.min(self.total) {
            return Ok(());
        }
        let wanted = length.next_multiple_of(STEP).min(self.total);
        let missing = wanted - held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let permits = u32::try_from(missing).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.free).try_acquire_many_owned(permits);
        let more = more.map_err(|_| {
            metrics::body_refused();
            Problem::of(Code::ServicoOcupado).retry_after(RETRY_AFTER)
        })?;
        match held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
        Ok(())
    }
}

/// A request body in memory.
#[derive(Debug)]
pub(super) struct ReadBody {
    pub(super) bytes: Vec<u8>,
    /// The body's share of the budget.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Reads a body to its end.
///
/// # Errors
/// 413 when the body exceeds the maximum length, 503 when the budget is exhausted, 400 when the body ends
/// early.
pub(super) async fn read(mut body: Body, memory: &BodyMemory) -> Result<ReadBody, Problem> {
    let mut held = None;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreadable(&error))?;
        let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
        // Counts received bytes, not the declared length: a client that sends slowly holds little.
        memory.cover(&mut held, bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(ReadBody { bytes, _permit: held })
}

fn unreadable(error: &axum::Error) -> Problem {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE);
        }
        cause = error.source();
    }
    Problem::of_status(StatusCode::BAD_REQUEST)
}

/// Returns the values of the `known` keys of a JSON object; see `body/pruned.rs`.
///
/// # Errors
/// `missing` for an empty body, else `json_invalid` with line and column; the body is not quoted.
pub(super) fn parse_json(bytes: &[u8], known: &'static [&'static str]) -> Result<Value, FieldError> {
    // RFC 8259, 8.1: a byte order mark may be ignored.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(FieldError {
            loc: vec!["body".into()],
            kind: "missing",
            message: "o corpo é obrigatório".to_owned(),
        });
    }
    pruned::from_slice(bytes, known).map_err(|error| FieldError {
        loc: vec!["body".into()],
        kind: "json_invalid",
        message: format!(
            "JSON inválido (linha {}, coluna {})",
            error.line(),
            error.column()
        ),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary;

    proptest! {
        #[test]
        fn body_is_json_or_refused_without_being_quoted(body in arbitrary::body(&json!({"canary": ["c4n4ry"]}))) {
            let bare = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
            match (parse_json(&body, &["canary"]), serde_json::from_slice::<Value>(bare)) {
                (Ok(_), Ok(_)) => {}
                (Err(failure), Err(_)) => {
                    prop_assert!(["missing", "json_invalid"].contains(&failure.kind));
                    prop_assert!(!failure.message.contains("c4n4ry"));
                }
                (found, _) => prop_assert!(false, "{:?}", found),
            }
        }
    }

    const KIB: usize = 1_024;

    fn chunks(n: usize) -> Body {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; KIB]));
        Body::from_stream(futures_util::stream::iter((0..n).map(move |_| chunk())))
    }

    #[tokio::test]
    async fn large_bodies_share_the_budget_and_small_ones_need_none() {
        let memory = BodyMemory::new(100 * KIB);
        let first = read(Body::from(vec![b' '; 60 * KIB]), &memory).await.unwrap();
        assert_eq!(memory.free.available_permits(), 36 * KIB);
        let refused = read(Body::from(vec![b' '; 60 * KIB]), &memory).await.unwrap_err();
        assert_eq!(refused.code, Code::ServicoOcupado);
        let small = read(Body::from(vec![b' '; SMALL]), &memory).await.unwrap();
        assert_eq!(small.bytes.len(), SMALL);
        drop(first);
        assert!(read(Body::from(vec![b' '; 60 * KIB]), &memory).await.is_ok());
        assert_eq!(memory.free.available_permits(), 100 * KIB);
    }

    #[tokio::test]
    async fn body_takes_from_the_budget_as_it_arrives() {
        let memory = BodyMemory::new(256 * KIB);
        let small = read(chunks(16), &memory).await.unwrap();
        assert_eq!(
            (small.bytes.len(), memory.free.available_permits()),
            (SMALL, 256 * KIB)
        );
        let large = read(chunks(65), &memory).await.unwrap();
        assert_eq!(memory.free.available_permits(), 128 * KIB);
        assert_eq!(
            read(chunks(129), &memory).await.unwrap_err().code,
            Code::ServicoOcupado
        );
        assert_eq!(
            memory.free.available_permits(),
            128 * KIB,
            "a refused body gives back what it held"
        );
        drop(large);
        assert!(
            read(chunks(300), &memory).await.is_ok(),
            "one body may have all of it"
        );
    }

    #[tokio::test]
    async fn body_beyond_the_limit_is_413_and_one_cut_short_400() {
        let memory = BodyMemory::new(KIB);
        let limited = http_body_util::Limited::new(Body::from(vec![b' '; 3 * KIB]), KIB);
        let refused = read(Body::new(limited), &memory).await.unwrap_err();
        assert_eq!(refused.code, Code::CorpoGrandeDemais);
        let cut =
            futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut"))]);
        let refused = read(Body::from_stream(cut), &memory).await.unwrap_err();
        assert_eq!(refused.code, Code::RequisicaoInvalida);
    }
}
