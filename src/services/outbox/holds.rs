//! Holds on organisations that throttle the service or refuse its PAT. Each process has its own holds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::models::organizacao::ChaveOrganizacao;

/// End of the hold of each organisation.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<HashMap<ChaveOrganizacao, Instant>>);

impl Holds {
    /// Holds writes to an organisation for at least `wait` from now on.
    pub(super) fn hold(&self, nome: &ChaveOrganizacao, wait: Duration) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = held.entry(nome.clone()).or_insert_with(Instant::now);
        *until = (*until).max(Instant::now() + wait);
    }

    /// Returns `true` while writes to an organisation are held.
    pub(super) fn is_held(&self, nome: &ChaveOrganizacao) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(nome).is_some_and(|until| *until > Instant::now())
    }
}
