//! Cached work items: read in batches, and returned with hours that were just written.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::cache::{Caches, ItemsById};
use super::stale::Reading;
use crate::azure_devops::Error;
use crate::azure_devops::work_items::WorkItem;
use crate::models::organizacao::NomeOrganizacao;

/// Number of work items per call, and of concurrent calls: other requests of the organisation need calls,
/// too.
const BATCH: usize = 200;
const AT_ONCE: usize = 4;

impl Caches {
    /// Returns those of `ids` that exist, in the requested order. Work items that are not cached are read
    /// concurrently, 200 per call.
    pub(super) async fn items(&self, reading: Reading<'_>, ids: &[i32]) -> Result<Vec<WorkItem>, Error> {
        let (nome, fingerprint) = &reading.key();
        let key = |id: i32| (nome.clone(), *fingerprint, id);
        let mut known: HashMap<i32, Option<Arc<WorkItem>>> = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match self.items.fresh(&key(*id)).await {
                Some(item) => {
                    known.insert(*id, item);
                }
                None => missing.push(*id),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            known.extend(Box::pin(self.fresh_or_stale(reading, missing)).await?);
        }
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(Some(item)) = known.get(id) {
                items.push(self.with_written(nome, item).await);
            }
        }
        Ok(items)
    }

    async fn fresh_or_stale(
        &self,
        reading: Reading<'_>,
        missing: Vec<i32>,
    ) -> Result<HashMap<i32, Option<Arc<WorkItem>>>, Error> {
        if reading.is_delayed(&self.delayed)
            && let Some(stale) = self.stale_items(reading, &missing).await
        {
            return Ok(stale);
        }
        let (nome, fingerprint) = reading.key();
        let flight = (nome, fingerprint, missing.clone());
        let read = self.flights.try_get_with(flight, self.read(reading, &missing));
        match shared(read.await) {
            // The result of the read is used, whether or not the cache had room for it.
            Ok(read) => Ok(missing
                .into_iter()
                .map(|id| (id, read.get(&id).cloned()))
                .collect()),
            Err(error) if reading.accepts_stale_after(&error, &self.delayed).await => {
                let stale = self.stale_items(reading, &missing).await;
                stale.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the stale values of all `ids`, or `None` if one is missing: an incomplete result would look
    /// complete.
    async fn stale_items(
        &self,
        reading: Reading<'_>,
        ids: &[i32],
    ) -> Option<HashMap<i32, Option<Arc<WorkItem>>>> {
        let (nome, fingerprint) = reading.key();
        let mut stale = HashMap::with_capacity(ids.len());
        for id in ids {
            let item = self.items.stale(&(nome.clone(), fingerprint, *id)).await?;
            stale.insert(*id, item);
        }
        reading.mark_stale();
        Some(stale)
    }

    async fn read(&self, reading: Reading<'_>, ids: &[i32]) -> Result<Arc<ItemsById>, Error> {
        let calls: Vec<_> = ids
            .chunks(BATCH)
            .map(|ids| reading.organizacao.work_items(reading.credential, ids))
            .collect();
        let batches: Vec<Vec<WorkItem>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
        let found: ItemsById = batches
            .into_iter()
            .flatten()
            .map(|item| (item.id, Arc::new(item)))
            .collect();
        let (nome, fingerprint) = reading.key();
        for id in ids {
            let key = (nome.clone(), fingerprint, *id);
            self.items.insert(key, found.get(id).cloned()).await;
        }
        Ok(Arc::new(found))
    }

    /// Returns the work item with the hours that were just written, if these are newer than the cached
    /// revision.
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

/// Returns the answer of a coalesced call with its shared error cloned.
fn shared<T>(answer: Result<T, Arc<Error>>) -> Result<T, Error> {
    answer.map_err(|error| Error::clone(&error))
}
