//! Local ids of people for whom app tokens contain another id. A local id never changes, so each one is read
//! once.

use std::time::Duration;

use moka::future::Cache;
use uuid::Uuid;

use crate::models::organizacao::NomeOrganizacao;

/// Maximum number of cached ids; about 150 bytes each.
const MOST: u64 = 20_000;
/// Lifetime of a cached id. Whether its person is an active member is verified as often as for every caller.
const TTL: Duration = Duration::from_hours(24);

/// Cache of local ids. Key: organisation and id in app tokens.
#[derive(Debug, Clone)]
pub(super) struct LocalIds(Cache<(NomeOrganizacao, Uuid), Uuid>);

impl LocalIds {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(TTL).build())
    }

    /// Returns the local id of `named` in the organisation, or `named` itself if none is cached.
    pub(super) async fn of(&self, nome: &NomeOrganizacao, named: Uuid) -> Uuid {
        self.0.get(&(nome.clone(), named)).await.unwrap_or(named)
    }

    /// Caches `local` as the organisation's id of `named`.
    pub(super) async fn learn(&self, nome: &NomeOrganizacao, named: Uuid, local: Uuid) {
        if named != local {
            self.0.insert((nome.clone(), named), local).await;
        }
    }
}
