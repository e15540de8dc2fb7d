//! One work item is taken, written, and given back with what came of it, by a request or by the background. What an attempt does
//! is `attempt.rs`'s business.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::attempt::{Attempt, Failure};
use super::{Inner, motivo};
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Credential, Error as AzureError};
use crate::db::DbError;
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::models::outbox::{Claim, Target};
use crate::repositories::outbox as repo;
use crate::telemetry::metrics;

/// How long a work item is one attempt's alone. An attempt ends before, so that nobody writes under a lease that is over.
pub(super) const LEASE: Duration = Duration::from_mins(1);
const LONGEST_ATTEMPT: Duration = Duration::from_secs(45);
/// Between two looks whether another process has given a work item back.
const POLL: Duration = Duration::from_millis(50);
/// First pause after a failure, doubled with each up to the longest; half of it is chance.
const BACKOFF: Duration = Duration::from_secs(2);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);
/// Longest `Retry-After` that counts; Azure DevOps counts over five minutes.
const LONGEST_ASKED: Duration = Duration::from_mins(10);
/// How long an organisation is left alone that throttles without saying for how long, or refuses our PAT.
const HOLD: Duration = Duration::from_secs(2);

impl Inner {
    /// Takes the work item and writes it; while another process has it, waits for it until `deadline`.
    pub(super) async fn write(
        &self,
        target: &Target,
        seen: Option<WorkItem>,
        own: Option<Credential>,
        deadline: Instant,
    ) {
        if self.holds.is_held(&target.organizacao) {
            return;
        }
        loop {
            match self.take(target).await {
                Ok(Some(claim)) => return self.write_taken(target, &claim, seen, own).await,
                Ok(None) if Instant::now() + POLL < deadline => {}
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "the write-back cannot take a work item");
                    return;
                }
            }
            if !self.is_pending(target).await.unwrap_or_default() {
                return;
            }
            sleep(POLL).await;
        }
    }

    async fn take(&self, target: &Target) -> Result<Option<Claim>, DbError> {
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        let taken = repo::take(&mut tx, target, LEASE).await?;
        tx.commit().await?;
        Ok(taken)
    }

    async fn is_pending(&self, target: &Target) -> Result<bool, DbError> {
        let mut tx = self.db.begin_read(&Scope::Maintenance).await?;
        let pending = repo::is_pending(&mut tx, target).await?;
        tx.end();
        Ok(pending)
    }

    /// Writes a work item that was taken and gives it back, whatever comes of it.
    pub(super) async fn write_taken(
        &self,
        target: &Target,
        claim: &Claim,
        seen: Option<WorkItem>,
        own: Option<Credential>,
    ) {
        let outcome = timeout(LONGEST_ATTEMPT, self.attempt(target, claim, seen, own)).await;
        let outcome = outcome.unwrap_or(Err(Failure::Passing(AzureError::Timeout)));
        metrics::outbox_attempt(match &outcome {
            Ok(()) => "written",
            Err(Failure::LeaseLost) => "lease_lost",
            Err(Failure::Final { .. }) => "failed",
            Err(_) => "postponed",
        });
        if let Err(failure) = &outcome {
            tracing::info!(organizacao = %target.organizacao, work_item = target.work_item_id, %failure, "hours not written");
        }
        if let Err(error) = self.give_back(target, claim, outcome).await {
            tracing::warn!(%error, "the write-back cannot note an outcome; its lease runs out");
        }
    }

    async fn attempt(
        &self,
        target: &Target,
        claim: &Claim,
        seen: Option<WorkItem>,
        own: Option<Credential>,
    ) -> Result<(), Failure> {
        let tenant = self.tenant(&target.organizacao);
        let organizacao = tenant.as_ref().map(|tenant| tenant.organizacao.clone());
        let credential = tenant.and_then(|tenant| tenant.pat).or(own);
        let (Some(organizacao), Some(credential)) = (organizacao, credential) else {
            return Err(Failure::NoCredential);
        };
        // The name may have been taken over by strangers since the hours were logged.
        if self.tenants.verify(&organizacao, &credential).await? != target.organizacao {
            return Err(AzureError::Replaced.into());
        }
        Attempt::new(self, target, &organizacao, &credential, claim)
            .run(seen)
            .await
    }

    async fn give_back(
        &self,
        target: &Target,
        claim: &Claim,
        outcome: Result<(), Failure>,
    ) -> Result<(), DbError> {
        let (wait, motivo, counts) = match outcome {
            Ok(()) | Err(Failure::LeaseLost) => return Ok(()),
            Err(Failure::Final { versao, motivo }) => {
                let mut tx = self.db.begin(&Scope::Maintenance).await?;
                let wait = pause(claim.tentativas, None);
                repo::fail(&mut tx, target, claim.lease, versao, &motivo, wait).await?;
                return tx.commit().await;
            }
            Err(Failure::NoCredential) => (None, motivo::NO_CREDENTIAL.to_owned(), true),
            Err(Failure::Own(_)) => (None, motivo::OWN.to_owned(), true),
            Err(Failure::Passing(error)) => {
                let asked = error.retry_after().map(|wait| wait.min(LONGEST_ASKED));
                self.hold_after(&target.organizacao, &error, asked);
                (asked, motivo::passing(&error), error.was_sent())
            }
        };
        let setback = repo::Setback {
            wait: pause(claim.tentativas, wait),
            motivo: &motivo,
            counts,
            give_up: self.config.give_up,
        };
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        repo::postpone(&mut tx, target, claim.lease, setback).await?;
        tx.commit().await
    }

    /// Leaves an organisation alone that said so, or whose trouble is not that of one work item.
    fn hold_after(&self, nome: &ChaveOrganizacao, error: &AzureError, asked: Option<Duration>) {
        match error {
            AzureError::Replaced => self.holds.hold(nome, HOLD),
            AzureError::Throttled { .. } => self.holds.hold(nome, asked.unwrap_or(HOLD)),
            AzureError::Unavailable { .. } => asked.into_iter().for_each(|wait| self.holds.hold(nome, wait)),
            // A caller's own credential that is refused is no reason to let others wait.
            AzureError::InvalidCredential { .. }
                if self.tenant(nome).is_some_and(|tenant| tenant.pat.is_some()) =>
            {
                self.holds.hold(nome, HOLD);
            }
            _ => {}
        }
    }
}

/// How long to wait after a failure; those that failed together do not come back together.
fn pause(failures_before: i32, retry_after: Option<Duration>) -> Duration {
    let doublings = u32::try_from(failures_before).unwrap_or_default().min(16);
    let longest = BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    let chance = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
    retry_after.map_or(chance, |asked| asked + BACKOFF.mul_f64(fastrand::f64() / 4.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_what_is_asked_for_is_kept() {
        for _ in 0..100 {
            assert!((1.0..=2.0).contains(&pause(0, None).as_secs_f64()));
            assert!((4.0..=8.0).contains(&pause(2, None).as_secs_f64()));
            for many in [8, 1_000, i32::MAX] {
                assert!((150.0..=300.0).contains(&pause(many, None).as_secs_f64()));
            }
            let asked = pause(5, Some(Duration::from_secs(2))).as_secs_f64();
            assert!((2.0..=2.5).contains(&asked));
        }
    }
}
