//! What is remembered of Azure DevOps' work items, how long, and for whom. Each question is asked once at a time.
//!
//! | What | How long | Shared by |
//! |---|---|---|
//! | types of a project (states, fields, icons) | 1 h, less for a state that is new | the organisation |
//! | work items, results of queries | 20 s | requests with the same credential |
//! | areas of teams | 5 min | requests with the same credential |
//! | hours just written | 1 min, over the above | the organisation |

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;

use super::Types;
use crate::azure_devops::iterations::TeamAreas;
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Credential, Error, Fingerprint, Organizacao};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::work_item::Scheduling;

const TYPES_TTL: Duration = Duration::from_hours(1);
const ITEMS_TTL: Duration = Duration::from_secs(20);
/// Between two refreshes of a project's types for a state that nobody knows.
const REFRESH: Duration = Duration::from_mins(1);
const WRITTEN_TTL: Duration = Duration::from_mins(1);
const AREAS_TTL: Duration = Duration::from_mins(5);
/// Just long enough for those who ask at the same moment.
const FLIGHT_TTL: Duration = Duration::from_millis(100);

const MOST_PROJECTS: u64 = 2_000;
const MOST_ITEMS: u64 = 100_000;
const MOST_QUERIES: u64 = 5_000;
/// Work items a call, and calls at once: others of the organisation want their turn, too.
const BATCH: usize = 200;
const AT_ONCE: usize = 4;

type ItemsById = HashMap<i32, Arc<WorkItem>>;
type ItemKey = (NomeOrganizacao, Fingerprint, i32);

/// Whose question, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct QueryKey {
    organizacao: NomeOrganizacao,
    fingerprint: Fingerprint,
    project: Option<String>,
    wiql: String,
    most: Option<usize>,
}

/// All of it.
#[derive(Debug, Clone)]
pub(super) struct Caches {
    types: Cache<(NomeOrganizacao, String), Arc<Types>>,
    /// Projects whose types were asked for again lately.
    refreshed: Cache<(NomeOrganizacao, String), ()>,
    queries: Cache<QueryKey, Arc<Vec<i32>>>,
    /// `None`: there is none for this credential.
    items: Cache<ItemKey, Option<Arc<WorkItem>>>,
    flights: Cache<(NomeOrganizacao, Fingerprint, Vec<i32>), Arc<ItemsById>>,
    areas: Cache<(NomeOrganizacao, Fingerprint, String, String), Arc<TeamAreas>>,
    written: Cache<(NomeOrganizacao, i32), (i32, Scheduling)>,
    /// Pictures of types as `data:` URIs.
    pub(super) icons: Cache<super::icons::IconKey, Arc<str>>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            types: cache(MOST_PROJECTS, TYPES_TTL),
            refreshed: cache(MOST_PROJECTS, REFRESH),
            queries: cache(MOST_QUERIES, ITEMS_TTL),
            items: cache(MOST_ITEMS, ITEMS_TTL),
            flights: cache(MOST_QUERIES, FLIGHT_TTL),
            areas: cache(MOST_QUERIES, AREAS_TTL),
            written: cache(MOST_ITEMS, WRITTEN_TTL),
            icons: cache(super::icons::MOST, super::icons::TTL),
        }
    }
}

fn cache<K, V>(most: u64, ttl: Duration) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(most).time_to_live(ttl).build()
}

impl Caches {
    /// The types of a project.
    pub(super) async fn types(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        project: &str,
    ) -> Result<Arc<Types>, Error> {
        let key = (organizacao.nome().clone(), project.to_owned());
        let ask = async {
            let types = organizacao.types(credential, project).await?;
            Ok::<_, Error>(Arc::new(Types::read(types)))
        };
        shared(self.types.try_get_with(key, ask).await)
    }

    /// They may have changed: they are asked for again, though not more than once a minute.
    pub(super) async fn forget_types(&self, organizacao: &Organizacao, project: &str) {
        let key = (organizacao.nome().clone(), project.to_owned());
        if self.refreshed.get(&key).await.is_none() {
            self.refreshed.insert(key.clone(), ()).await;
            self.types.invalidate(&key).await;
        }
    }

    /// Ids that a query selects.
    pub(super) async fn query(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        project: Option<&str>,
        wiql: &str,
        most: Option<usize>,
    ) -> Result<Arc<Vec<i32>>, Error> {
        let key = QueryKey {
            organizacao: organizacao.nome().clone(),
            fingerprint: credential.fingerprint(),
            project: project.map(str::to_owned),
            wiql: wiql.to_owned(),
            most,
        };
        let ask = async {
            let found = organizacao
                .query_work_items(credential, project, wiql, most)
                .await;
            found.map(Arc::new)
        };
        shared(self.queries.try_get_with(key, ask).await)
    }

    /// Ids of the work items of an iteration.
    pub(super) async fn iteration_work_items(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        project: &str,
        team: Option<&str>,
        iteration: &str,
    ) -> Result<Arc<Vec<i32>>, Error> {
        let key = QueryKey {
            organizacao: organizacao.nome().clone(),
            fingerprint: credential.fingerprint(),
            project: Some(project.to_owned()),
            // No query looks like this.
            wiql: format!("{}/{iteration}", team.unwrap_or_default()),
            most: None,
        };
        let ask = async {
            let found = organizacao
                .iteration_work_items(credential, project, team, iteration)
                .await;
            found.map(Arc::new)
        };
        shared(self.queries.try_get_with(key, ask).await)
    }

    /// Those of `ids` that exist, in the order asked; what is not remembered is read, 200 a call, at once.
    pub(super) async fn items(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        ids: &[i32],
    ) -> Result<Vec<WorkItem>, Error> {
        let (nome, fingerprint) = (organizacao.nome(), credential.fingerprint());
        let key = |id: i32| (nome.clone(), fingerprint, id);
        let mut known: HashMap<i32, Option<Arc<WorkItem>>> = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match self.items.get(&key(*id)).await {
                Some(item) => {
                    known.insert(*id, item);
                }
                None => missing.push(*id),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            let flight = (nome.clone(), fingerprint, missing.clone());
            let read = self.read(organizacao, credential, &missing);
            // What was read counts, whether or not there was room to remember it.
            let read = shared(self.flights.try_get_with(flight, read).await)?;
            for id in missing {
                known.insert(id, read.get(&id).cloned());
            }
        }
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(Some(item)) = known.get(id) {
                items.push(self.with_written(nome, item).await);
            }
        }
        Ok(items)
    }

    async fn read(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        ids: &[i32],
    ) -> Result<Arc<ItemsById>, Error> {
        let calls: Vec<_> = ids
            .chunks(BATCH)
            .map(|ids| organizacao.work_items(credential, ids))
            .collect();
        let batches: Vec<Vec<WorkItem>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
        let found: ItemsById = batches
            .into_iter()
            .flatten()
            .map(|item| (item.id, Arc::new(item)))
            .collect();
        for id in ids {
            let key = (organizacao.nome().clone(), credential.fingerprint(), *id);
            self.items.insert(key, found.get(id).cloned()).await;
        }
        Ok(Arc::new(found))
    }

    /// Areas of a team.
    pub(super) async fn team_areas(
        &self,
        organizacao: &Organizacao,
        credential: &Credential,
        project: &str,
        team: &str,
    ) -> Result<Arc<TeamAreas>, Error> {
        let key = (
            organizacao.nome().clone(),
            credential.fingerprint(),
            project.to_owned(),
            team.to_owned(),
        );
        let ask = async {
            organizacao
                .team_areas(credential, project, team)
                .await
                .map(Arc::new)
        };
        shared(self.areas.try_get_with(key, ask).await)
    }

    /// What was just written is newer than what is remembered.
    async fn with_written(&self, nome: &NomeOrganizacao, item: &WorkItem) -> WorkItem {
        let mut item = item.clone();
        if let Some((rev, scheduling)) = self.written.get(&(nome.clone(), item.id)).await
            && rev > item.rev
        {
            item.scheduling = scheduling;
            item.rev = rev;
        }
        item
    }

    pub(super) async fn note_written(&self, nome: &NomeOrganizacao, item: &WorkItem) {
        self.written
            .insert((nome.clone(), item.id), (item.rev, item.scheduling))
            .await;
    }
}

/// The error of a question that several asked together.
fn shared<T>(answer: Result<T, Arc<Error>>) -> Result<T, Error> {
    answer.map_err(|error| Error::clone(&error))
}
