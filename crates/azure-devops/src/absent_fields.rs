//! Fields that a collection does not have. Azure DevOps rejects the whole read if it names an absent field
//! (TF51535), so reads leave such fields out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::Error;
use super::organizacao::Organizacao;
use super::response::ApiResponse;
use super::work_items::{COMPLETED_WORK, FIELDS, ORIGINAL_ESTIMATE, PARENT, REMAINING_WORK};

/// Time for which a field counts as absent; short, because an administrator may add the field.
const TTL: Duration = Duration::from_hours(1);

/// Fields without which a work item can be used, and which old servers and small processes lack.
const OPTIONAL: [&str; 4] = [PARENT, ORIGINAL_ESTIMATE, REMAINING_WORK, COMPLETED_WORK];

/// Cache of the absent fields of a collection.
#[derive(Debug, Default)]
pub(super) struct AbsentFields {
    /// Time when each absent field was found to be absent.
    found: Mutex<HashMap<&'static str, Instant>>,
    /// Lets one read at a time find the absent fields; other reads wait for its result.
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
    /// Returns the reference names of the fields that reads leave out because the collection lacks them.
    #[must_use]
    pub fn absent_fields(&self) -> Vec<&'static str> {
        let absent = self.known_fields();
        OPTIONAL.into_iter().filter(|field| absent.has(field)).collect()
    }

    fn present_fields(&self) -> Vec<&'static str> {
        let absent = self.known_fields();
        FIELDS.into_iter().filter(|field| !absent.has(field)).collect()
    }

    /// Calls `ask` with the fields that the collection has and returns its response. The error does not name
    /// the absent field in a machine-readable form, so each optional field is requested alone, once an hour.
    ///
    /// # Errors
    /// Returns the errors of `ask`.
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
        // Only a successful response proves that the absent fields were the cause.
        let answer = ask(rest.collect()).await?;
        for field in absent {
            self.leave_out(field);
        }
        Ok(answer)
    }

    fn leave_out(&self, field: &'static str) {
        self.known_fields().remember(field);
        let organizacao = self.nome();
        tracing::warn!(target: target!(), %organizacao, field,
            "collection lacks this field: omitted from reads for an hour");
    }
}

/// Returns `true` if a read may have been rejected because of a field that it names. An empty `type_key`
/// counts, too, because not every server reports the kind of the error.
fn is_about_a_field(error: &Error) -> bool {
    let names_a_field = |type_key: &str| type_key.is_empty() || type_key.contains("Field");
    matches!(error, Error::Rejected { status: 400, type_key, .. } if names_a_field(type_key))
}
