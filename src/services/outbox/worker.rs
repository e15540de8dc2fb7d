//! Background worker of the write-back: leases due work items and writes some of each organisation
//! concurrently. An organisation that requested a pause, or is down, is skipped while the others continue.
//! Any number of processes may run the worker.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::write::LEASE;
use super::{OutboxService, motivo};
use crate::db::DbError;
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::models::outbox::{Claim, Mode, Target};
use crate::repositories::outbox::{claims as repo, overview};

/// Interval between two polls for due work items.
const TICK: Duration = Duration::from_secs(1);
/// Interval between two sweeps for work items that no worker leases.
const SWEEP: Duration = Duration::from_mins(10);
/// Number of work items of one organisation that are written concurrently; its client allows twice as many
/// calls.
const EACH: i64 = 4;

impl OutboxService {
    /// Writes due work items until `stop`. Attempts in flight are then finished by [`finish`](Self::finish)
    /// or by another process.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweeps = interval(SWEEP);
        let mut running = JoinSet::new();
        let mut busy: HashMap<Id, ChaveOrganizacao> = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
                _ = sweeps.tick() => self.sweep().await,
                Some(done) = running.join_next_with_id(), if !running.is_empty() => {
                    // A panic frees its slot, too.
                    busy.remove(&done.map_or_else(|panic| panic.id(), |(id, ())| id));
                }
            }
            self.revive_for_new_credentials().await;
            match self.take_due(busy.values()).await {
                Ok(taken) => {
                    for (target, claim) in taken {
                        let (service, nome) = (self.clone(), target.organizacao.clone());
                        // Tracked, so that the end of the process waits for the attempt; joined, so that its
                        // slot is freed.
                        let attempt = self.0.tasks.track_future(async move {
                            service.0.write_claimed(&target, claim).await;
                        });
                        busy.insert(running.spawn(attempt).id(), nome);
                    }
                }
                Err(error) => tracing::warn!(%error, "outbox: cannot read pending patches"),
            }
        }
        running.detach_all();
    }

    /// Leases and writes the work items that are due now, once. Returns the number of leased work items.
    pub async fn write_due(&self) -> Result<usize, DbError> {
        self.revive_for_new_credentials().await;
        let taken = self.take_due(std::iter::empty()).await?;
        let writes = taken
            .iter()
            .map(|(target, claim)| self.0.write_claimed(target, claim.clone()));
        Ok(futures_util::future::join_all(writes).await.len())
    }

    /// Schedules another attempt for work items that failed because of their credential, in organisations
    /// whose PAT is new to this process.
    async fn revive_for_new_credentials(&self) {
        for (organizacao, pat) in self.0.unseen_credentials() {
            let revive = async {
                let mut tx = self.0.db.begin(&Scope::Maintenance).await?;
                let revived = overview::revive(&mut tx, &organizacao, &motivo::of_credentials()).await?;
                tx.commit().await?;
                Ok::<u64, DbError>(revived)
            };
            match revive.await {
                Ok(revived) => {
                    if revived > 0 {
                        tracing::info!(%organizacao, revived, "outbox: failed hours rescheduled after a new PAT");
                    }
                    self.0.seen_credentials.store(organizacao, pat);
                }
                Err(error) => tracing::warn!(%error, "outbox: cannot reschedule failed hours"),
            }
        }
    }

    /// Fails work items that have waited too long in organisations that are not written to.
    pub async fn sweep(&self) {
        let sweep = async {
            let mut tx = self.0.db.begin(&Scope::Maintenance).await?;
            let (written, give_up) = (self.0.written(), self.0.config.give_up);
            overview::fail_unserved(&mut tx, &written, give_up, motivo::NOT_WRITTEN).await?;
            tx.commit().await
        };
        if let Err(error) = sweep.await {
            tracing::warn!(%error, "outbox: cannot look for expired leases");
        }
    }

    /// Leases due work items, as many as each organisation has free places for; `busy` are the organisations
    /// of running attempts.
    async fn take_due(
        &self,
        busy: impl Iterator<Item = &ChaveOrganizacao>,
    ) -> Result<Vec<(Target, Claim)>, DbError> {
        let mut taken_places: HashMap<&ChaveOrganizacao, i64> = HashMap::new();
        for nome in busy {
            *taken_places.entry(nome).or_default() += 1;
        }
        let places: Vec<(ChaveOrganizacao, i64)> = self
            .0
            .served()
            .filter(|chave| self.0.mode_in(chave) != Mode::Off)
            .filter(|chave| !self.0.holds.is_held(chave))
            .map(|chave| {
                let taken = taken_places.get(&chave).copied().unwrap_or_default();
                (chave, EACH - taken)
            })
            .filter(|(_, places)| *places > 0)
            .collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.0.db.begin(&Scope::Maintenance).await?;
        let taken = repo::take_due(&mut tx, &places, LEASE).await?;
        tx.commit().await?;
        Ok(taken)
    }
}
