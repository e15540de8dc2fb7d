//! Local ids of people that app tokens name by another id. A local id never changes, so
//! it is asked once.

use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;

use crate::models::organizacao::NomeOrganizacao;

/// Maximum number of ids remembered; about 150 bytes each.
const MOST: u64 = 20_000;
/// How long an id is remembered. Whether its person is an active member is asked as often as for every
/// caller.
const TTL: Duration = Duration::from_hours(24);

/// Local ids by the organisation and the id in app tokens.
#[derive(Debug, Clone)]
pub(super) struct LocalIds(Cache<(NomeOrganizacao, Uuid), Uuid>);

impl LocalIds {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(TTL).build())
    }

    /// Returns the id that the organisation has for `named`, else `named` itself.
    pub(super) async fn of(&self, nome: &NomeOrganizacao, named: Uuid) -> Uuid {
        self.0.get(&(nome.clone(), named)).await.unwrap_or(named)
    }

    /// Remembers that `named` is `local` in the organisation.
    pub(super) async fn learn(&self, nome: &NomeOrganizacao, named: Uuid, local: Uuid) {
        if named != local {
            self.0.insert((nome.clone(), named), local).await;
        }
    }
}
