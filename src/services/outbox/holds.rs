//! Organisations that are to be left alone for a while, because they throttle us or refuse our PAT. Each
//! process remembers its own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::models::organizacao::ChaveOrganizacao;

/// Until when each is left alone.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<HashMap<ChaveOrganizacao, Instant>>);

impl Holds {
    /// Leaves an organisation alone for at least so long from now on.
    pub(super) fn hold(&self, nome: &ChaveOrganizacao, wait: Duration) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = held.entry(nome.clone()).or_insert_with(Instant::now);
        *until = (*until).max(Instant::now() + wait);
    }

    /// Whether an organisation is to be left alone still.
    pub(super) fn is_held(&self, nome: &ChaveOrganizacao) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(nome).is_some_and(|until| *until > Instant::now())
    }
}
