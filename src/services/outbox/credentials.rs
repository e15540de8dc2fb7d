//! Remembers the PAT of the last writes to each organisation, so that a new one is noticed: from the vault,
//! from the environment after a restart, or stored by another process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Inner;
use crate::azure_devops::Fingerprint;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::outbox::Mode;

/// PAT that this process used last in each organisation.
#[derive(Debug, Default)]
pub(super) struct SeenCredentials(Mutex<HashMap<ChaveOrganizacao, Fingerprint>>);

impl SeenCredentials {
    pub(super) fn store(&self, organizacao: ChaveOrganizacao, pat: Fingerprint) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(organizacao, pat);
    }

    fn is_new(&self, organizacao: &ChaveOrganizacao, pat: Fingerprint) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(organizacao) != Some(&pat)
    }
}

impl Inner {
    /// Returns the organisations that are written to with a PAT that this process has not used there yet.
    pub(super) fn unseen_credentials(&self) -> Vec<(ChaveOrganizacao, Fingerprint)> {
        let of = |chave: ChaveOrganizacao| {
            let pat = self.tenant(&chave)?.pat?.fingerprint();
            self.seen_credentials.is_new(&chave, pat).then_some((chave, pat))
        };
        let written = self.served().filter(|chave| self.mode_in(chave) != Mode::Off);
        written.filter_map(of).collect()
    }
}
