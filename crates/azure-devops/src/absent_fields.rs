//! Fields that a collection does not have. A read that names one of them is refused as a whole (TF51535), so
//! they are left out of reads.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::Error;
use super::organizacao::Organizacao;
use super::response::ApiResponse;
use super::work_items::{COMPLETED_WORK, FIELDS, ORIGINAL_ESTIMATE, PARENT, REMAINING_WORK};

/// An administrator may add a field; then reads should soon bring it.
const TTL: Duration = Duration::from_hours(1);

/// Fields that a work item can do without, and that old servers and small processes lack.
const OPTIONAL: [&str; 4] = [PARENT, ORIGINAL_ESTIMATE, REMAINING_WORK, COMPLETED_WORK];

/// What is known of the fields of a collection.
#[derive(Debug, Default)]
pub(super) struct AbsentFields {
    /// When each absent field was found to be absent.
    found: Mutex<HashMap<&'static str, Instant>>,
    /// One read at a time finds out which fields are absent; the others wait for what it finds.
    finding: tokio::sync::Mutex<()>,
}

impl AbsentFields {
    fn found(&self) -> MutexGuard<'_, HashMap<&'static str, Instant>> {
        // A panic cannot leave the map half-written.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, field: &str) -> bool {
        self.found().get(field).is_some_and(|at| at.elapsed() < TTL)
    }

    fn remember(&self, field: &'static str) {
        self.found().insert(field, Instant::now());
    }
}

impl Organizacao {
    /// Reference names of the fields that reads leave out, because the collection does not have them.
    #[must_use]
    pub fn absent_fields(&self) -> Vec<&'static str> {
        let absent = self.known_fields();
        OPTIONAL.into_iter().filter(|field| absent.has(field)).collect()
    }

    fn present_fields(&self) -> Vec<&'static str> {
        let absent = self.known_fields();
        FIELDS.into_iter().filter(|field| !absent.has(field)).collect()
    }

    /// The answer to `ask` for the fields that the collection has. The refusal does not say in a form that is
    /// fit for programs which field is absent, so each optional field is asked for alone, once an hour.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) async fn with_present_fields<F>(
        &self,
        ask: impl Fn(Vec<&'static str>) -> F,
    ) -> Result<ApiResponse, Error>
    where
        F: Future<Output = Result<ApiResponse, Error>>,
    {
        let present = self.present_fields();
        let refusal = match ask(present.clone()).await {
            Err(error) if is_about_a_field(&error) => error,
            answer => return answer,
        };
        let turn = self.known_fields().finding.lock().await;
        let known = self.present_fields();
        if known != present {
            drop(turn);
            return ask(known).await;
        }
        let mut absent = Vec::new();
        for field in OPTIONAL.into_iter().filter(|field| present.contains(field)) {
            match ask(vec![field]).await {
                Ok(_) => {}
                Err(error) if is_about_a_field(&error) => absent.push(field),
                Err(error) => return Err(error),
            }
        }
        if absent.is_empty() {
            return Err(refusal);
        }
        let rest = present.into_iter().filter(|field| !absent.contains(field));
        // Only an answer shows that the absent fields were the trouble.
        let answer = ask(rest.collect()).await?;
        for field in absent {
            self.leave_out(field);
        }
        Ok(answer)
    }

    fn leave_out(&self, field: &'static str) {
        self.known_fields().remember(field);
        let organizacao = self.nome();
        tracing::warn!(target: target!(), %organizacao, field, "collection lacks this field: omitted from reads for an hour");
    }
}

/// Returns `true` if a read may have been refused because of a field that it names. Not every server tells
/// which kind of refusal it is.
fn is_about_a_field(error: &Error) -> bool {
    let names_a_field = |type_key: &str| type_key.is_empty() || type_key.contains("Field");
    matches!(error, Error::Rejected { status: 400, type_key, .. } if names_a_field(type_key))
}
