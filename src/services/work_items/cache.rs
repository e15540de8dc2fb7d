//! Caches of data about Azure DevOps' work items, with their lifetimes and the credentials that share them.
//! Concurrent requests for the same data are coalesced into one call.
//!
//! | Data | Lifetime | Shared by |
//! |---|---|---|
//! | types of a project (states, fields, icons) | 1 h, less for a state that is new | the organisation |
//! | work items, results of queries | 20 s | requests with the same credential |
//! | areas of teams | 5 min | requests with the same credential |
//! | hours just written | 1 min, over the above | the organisation |
//!
//! If Azure DevOps does not answer in time, reads for display get values that are up to 15 min older
//! (`stale.rs`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::future::Cache;
use tokio::time::timeout_at;

use super::Types;
use super::stale::{Delayed, Reading, StaleCache};
use crate::azure_devops::iterations::TeamAreas;
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Error, Fingerprint, Organizacao};
use crate::config::FreshTimes;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::work_item::Scheduling;
use crate::telemetry::request;

/// Interval between two refreshes of a project's types because of an unknown state.
const REFRESH: Duration = Duration::from_mins(1);
const WRITTEN_TTL: Duration = Duration::from_mins(1);
/// Lifetime of a coalesced read: just long enough for simultaneous requests.
const FLIGHT_TTL: Duration = Duration::from_millis(100);

const MOST_PROJECTS: u64 = 2_000;
const MOST_ITEMS: u64 = 50_000;
const MOST_QUERIES: u64 = 5_000;
pub(super) type ItemsById = HashMap<i32, Arc<WorkItem>>;
type ItemKey = (NomeOrganizacao, Fingerprint, i32);
type TypesKey = (NomeOrganizacao, String);

/// Cache key: credential and query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct QueryKey {
    organizacao: NomeOrganizacao,
    fingerprint: Fingerprint,
    project: Option<String>,
    wiql: String,
    most: Option<usize>,
}

/// Holds all caches of data about work items.
#[derive(Debug, Clone)]
pub(super) struct Caches {
    types: StaleCache<TypesKey, Arc<Types>>,
    /// Projects whose types were expired recently because of an unknown state.
    refreshed: Cache<TypesKey, ()>,
    /// Projects whose types were recently read in the background.
    refreshing: Cache<TypesKey, ()>,
    queries: StaleCache<QueryKey, Arc<Vec<i32>>>,
    /// Work items; `None` if the work item does not exist for this credential.
    pub(super) items: StaleCache<ItemKey, Option<Arc<WorkItem>>>,
    pub(super) flights: Cache<(NomeOrganizacao, Fingerprint, Vec<i32>), Arc<ItemsById>>,
    areas: StaleCache<(NomeOrganizacao, Fingerprint, String, String), Arc<TeamAreas>>,
    pub(super) delayed: Delayed,
    pub(super) written: Cache<(NomeOrganizacao, i32), (i32, Scheduling)>,
    /// Icons of types as `data:` URIs.
    pub(super) icons: Cache<super::icons::IconKey, Arc<str>>,
}

impl Caches {
    pub(super) fn new(fresh: FreshTimes) -> Self {
        Self {
            types: StaleCache::new(MOST_PROJECTS, fresh.types),
            refreshed: cache(MOST_PROJECTS, REFRESH),
            refreshing: cache(MOST_PROJECTS, REFRESH),
            queries: StaleCache::new(MOST_QUERIES, fresh.items),
            items: StaleCache::new(MOST_ITEMS, fresh.items),
            flights: cache(MOST_QUERIES, FLIGHT_TTL),
            areas: StaleCache::new(MOST_QUERIES, fresh.areas),
            delayed: Delayed::new(fresh.items),
            written: cache(MOST_ITEMS, WRITTEN_TTL),
            icons: cache(super::icons::MOST, super::icons::TTL),
        }
    }
}

pub(super) fn cache<K, V>(most: u64, ttl: Duration) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(most).time_to_live(ttl).build()
}

impl Caches {
    /// Returns the types of a project. If Azure DevOps does not answer in time, also reads the types in the
    /// background.
    pub(super) async fn types(&self, reading: Reading<'_>, project: &str) -> Result<Arc<Types>, Error> {
        let key = (reading.organizacao.nome().clone(), project.to_owned());
        let ask = || ask_types(reading, project);
        let found = self.types.get(reading, &self.delayed, key.clone(), ask).await;
        let is_late = match &found {
            Ok(_) => self.types.fresh(&key).await.is_none(),
            Err(error) => *error == Error::Timeout,
        };
        if is_late && !reading.organizacao.is_patient() {
            self.refresh_types(reading, project).await;
        }
        found
    }

    /// Returns the types of a project for decoration: cached types of any age, or else types that arrive
    /// before `until`.
    pub(super) async fn types_until(
        &self,
        reading: Reading<'_>,
        project: &str,
        until: Instant,
    ) -> Option<Arc<Types>> {
        let key = (reading.organizacao.nome().clone(), project.to_owned());
        if let Some(fresh) = self.types.fresh(&key).await {
            return Some(fresh);
        }
        let known = self.types.stale(&key).await;
        if known.is_none()
            && let Ok(found) = timeout_at(until.into(), self.types(reading, project)).await
        {
            return found.ok();
        }
        self.refresh_types(reading, project).await;
        known
    }

    /// Reads the types of a project in the background, where Azure DevOps may delay the call: a later request
    /// finds them. This is worth a call, because the whole organisation shares the types and gets no
    /// timesheet without them.
    async fn refresh_types(&self, reading: Reading<'_>, project: &str) {
        let key = (reading.organizacao.nome().clone(), project.to_owned());
        if !self.refreshing.entry(key.clone()).or_insert(()).await.is_fresh() {
            return;
        }
        let (caches, credential) = (self.clone(), reading.credential.clone());
        let (organizacao, project) = (reading.organizacao.patient(), project.to_owned());
        tokio::spawn(request::inherit(async move {
            let reading = Reading::strict(&organizacao, &credential);
            let ask = || ask_types(reading, &project);
            // A failure is recorded where the call ends.
            let _ = caches.types.get(reading, &caches.delayed, key, ask).await;
        }));
    }

    /// Expires the types of a project, which may have changed, at most once a minute.
    pub(super) async fn forget_types(&self, organizacao: &Organizacao, project: &str) {
        let key = (organizacao.nome().clone(), project.to_owned());
        if self.refreshed.get(&key).await.is_none() {
            self.refreshed.insert(key.clone(), ()).await;
            self.types.expire(&key).await;
        }
    }

    /// Returns the ids that a query selects.
    pub(super) async fn query(
        &self,
        reading: Reading<'_>,
        project: Option<&str>,
        wiql: &str,
        most: Option<usize>,
    ) -> Result<Arc<Vec<i32>>, Error> {
        let (organizacao, fingerprint) = reading.key();
        let key = QueryKey {
            organizacao,
            fingerprint,
            project: project.map(str::to_owned),
            wiql: wiql.to_owned(),
            most,
        };
        let ask = || async {
            let found = reading
                .organizacao
                .query_work_items(reading.credential, project, wiql, most)
                .await;
            found.map(Arc::new)
        };
        self.queries.get(reading, &self.delayed, key, ask).await
    }

    /// Returns the ids of the work items of an iteration.
    pub(super) async fn iteration_work_items(
        &self,
        reading: Reading<'_>,
        project: &str,
        team: Option<&str>,
        iteration: &str,
    ) -> Result<Arc<Vec<i32>>, Error> {
        let (organizacao, fingerprint) = reading.key();
        let key = QueryKey {
            organizacao,
            fingerprint,
            project: Some(project.to_owned()),
            // No query has this form.
            wiql: format!("{}/{iteration}", team.unwrap_or_default()),
            most: None,
        };
        let ask = || async {
            let found = reading
                .organizacao
                .iteration_work_items(reading.credential, project, team, iteration)
                .await;
            found.map(Arc::new)
        };
        self.queries.get(reading, &self.delayed, key, ask).await
    }

    /// Returns the areas of a team.
    pub(super) async fn team_areas(
        &self,
        reading: Reading<'_>,
        project: &str,
        team: &str,
    ) -> Result<Arc<TeamAreas>, Error> {
        let (nome, fingerprint) = reading.key();
        let key = (nome, fingerprint, project.to_owned(), team.to_owned());
        let ask = || async {
            let areas = reading.organizacao.team_areas(reading.credential, project, team);
            areas.await.map(Arc::new)
        };
        self.areas.get(reading, &self.delayed, key, ask).await
    }
}

async fn ask_types(reading: Reading<'_>, project: &str) -> Result<Arc<Types>, Error> {
    let types = reading.organizacao.types(reading.credential, project).await?;
    Ok(Arc::new(Types::read(types)))
}
