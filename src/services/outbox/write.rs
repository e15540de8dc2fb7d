//! Leases one work item, writes it and releases it with the outcome, for a request or for the background. The
//! steps of an attempt are in `attempt.rs`.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::attempt::{Access, Attempt, Failure, Step};
use super::planning::Facts;
use super::restored::is_last_write;
use super::{Inner, motivo};
use crate::azure_devops::work_items::WorkItem;
use crate::azure_devops::{Credential, Error as AzureError};
use crate::db::DbError;
use crate::models::organizacao::{ChaveOrganizacao, Scope};
use crate::models::outbox::{Claim, Coverage, Target};
use crate::repositories::outbox as rows;
use crate::repositories::outbox::claims as repo;
use crate::telemetry::metrics;

/// Duration of a lease on a work item, renewed with each patch: longer than the slowest call.
pub(super) const LEASE: Duration = Duration::from_secs(90);
/// Timeout of an attempt, which may make several slow calls.
const LONGEST_ATTEMPT: Duration = Duration::from_mins(3);
/// Interval between two polls whether another process has released a work item.
const POLL: Duration = Duration::from_millis(50);
/// First backoff after a failure, doubled with each further one up to `LONGEST_BACKOFF`; half of it is
/// random.
const BACKOFF: Duration = Duration::from_secs(2);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);
/// Maximum `Retry-After` that is honoured; Azure DevOps counts over five minutes.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(10);
/// Duration of a hold on an organisation that throttles without a `Retry-After`, or refuses our PAT.
const HOLD: Duration = Duration::from_secs(2);

/// Data gathered before the claim.
struct Prepared {
    access: Access,
    /// The work item that the caller has just read, with its facts.
    seen: Option<(WorkItem, Facts)>,
}

/// Outcome of requesting a lease.
enum Leased<'a> {
    /// The lease is acquired; with the first step, if it could be planned immediately.
    Attempt(Box<Attempt<'a>>, Result<Option<Step>, Failure>),
    /// Another attempt holds the lease.
    Busy,
    /// Nothing is to be written.
    Idle,
}

impl Inner {
    /// Leases the work item and writes it; while another process holds the lease, waits until `deadline`.
    /// Returns the coverage of the write, if anything was written.
    pub(super) async fn write(
        &self,
        target: &Target,
        seen: Option<WorkItem>,
        own: Option<Credential>,
        deadline: Instant,
    ) -> Option<Coverage> {
        if self.holds.is_held(&target.organizacao) {
            return None;
        }
        let prepared = match self.prepare(target, seen, own).await {
            Ok(prepared) => prepared,
            Err(failure) => {
                self.note_failure(target, failure).await;
                return None;
            }
        };
        let Prepared { access, seen } = &prepared;
        loop {
            match self.lease(target, access, seen.as_ref()).await {
                Ok(Leased::Attempt(attempt, first)) => {
                    let seen = seen.as_ref().map(|(item, _)| item.clone());
                    return self.carry_out(target, attempt, seen, first).await;
                }
                Ok(Leased::Busy) if Instant::now() + POLL < deadline => sleep(POLL).await,
                Ok(Leased::Busy | Leased::Idle) => return None,
                Err(error) => {
                    tracing::warn!(%error, "outbox: cannot claim a work item");
                    return None;
                }
            }
        }
    }

    /// Gathers the data that a plan needs before the lease, so that lease and plan are one transaction.
    async fn prepare(
        &self,
        target: &Target,
        seen: Option<WorkItem>,
        own: Option<Credential>,
    ) -> Result<Prepared, Failure> {
        let access = self.access(target, own).await?;
        let seen = match seen {
            Some(item) => {
                let facts = self.gather(&access, &item).await?;
                Some((item, facts))
            }
            None => None,
        };
        Ok(Prepared { access, seen })
    }

    /// Returns the organisation and the credential to write with.
    async fn access(&self, target: &Target, own: Option<Credential>) -> Result<Access, Failure> {
        let tenant = self.tenant(&target.organizacao);
        // A slow call does not count as failed here: the request waits only within its budget.
        let organizacao = tenant.as_ref().map(|tenant| tenant.organizacao.patient());
        let credential = tenant.and_then(|tenant| tenant.pat).or(own);
        let (Some(organizacao), Some(credential)) = (organizacao, credential) else {
            return Err(Failure::NoCredential);
        };
        // Another organisation may have taken over the name since the hours were logged.
        if self.tenants.verify(&organizacao, &credential).await? != target.organizacao {
            return Err(AzureError::Replaced.into());
        }
        Ok(Access {
            organizacao,
            credential,
        })
    }

    /// Leases a work item, and plans the first step in the same transaction if the work item was just read.
    async fn lease<'a>(
        &'a self,
        target: &'a Target,
        access: &'a Access,
        seen: Option<&(WorkItem, Facts)>,
    ) -> Result<Leased<'a>, DbError> {
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        let Some(claim) = repo::take(&mut tx, target, LEASE).await? else {
            let pending = rows::is_pending(&mut tx, target).await?;
            tx.commit().await?;
            return Ok(if pending { Leased::Busy } else { Leased::Idle });
        };
        let (writes, _) = repo::writes(&mut tx, target).await?;
        let fresh = seen.filter(|(item, _)| {
            let known = claim.pending.is_none() && item.rev >= claim.newest_rev();
            known && is_last_write(writes.first(), item)
        });
        let mut attempt = Box::new(Attempt::new(self, target, access, claim));
        let first = match fresh {
            Some((item, facts)) => attempt.plan(&mut tx, item, facts).await.map(Some),
            None => Ok(None),
        };
        tx.commit().await?;
        Ok(Leased::Attempt(attempt, first))
    }

    /// Writes a work item that the background leased, and releases the lease whatever the outcome.
    pub(super) async fn write_claimed(&self, target: &Target, claim: Claim) {
        match self.access(target, None).await {
            Ok(access) => {
                let attempt = Box::new(Attempt::new(self, target, &access, claim));
                self.carry_out(target, attempt, None, Ok(None)).await;
            }
            Err(failure) => self.conclude(target, &claim, Err(failure)).await,
        }
    }

    /// Leases a work item only to record why it cannot be written.
    async fn note_failure(&self, target: &Target, failure: Failure) {
        let lease = async {
            let mut tx = self.db.begin(&Scope::Maintenance).await?;
            let claim = repo::take(&mut tx, target, LEASE).await?;
            tx.commit().await?;
            Ok::<_, DbError>(claim)
        };
        match lease.await {
            Ok(Some(claim)) => self.conclude(target, &claim, Err(failure)).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "outbox: cannot claim a work item"),
        }
    }

    async fn carry_out(
        &self,
        target: &Target,
        mut attempt: Box<Attempt<'_>>,
        seen: Option<WorkItem>,
        first: Result<Option<Step>, Failure>,
    ) -> Option<Coverage> {
        let outcome = match first {
            Ok(first) => timeout(LONGEST_ATTEMPT, attempt.run(seen, first))
                .await
                .unwrap_or(Err(Failure::Retryable(AzureError::Timeout))),
            Err(failure) => Err(failure),
        };
        let written = outcome.as_ref().ok().copied();
        self.conclude(target, &attempt.claim, outcome).await;
        written
    }

    /// Counts and logs an outcome, and releases the lease if the attempt failed.
    async fn conclude(&self, target: &Target, claim: &Claim, outcome: Result<Coverage, Failure>) {
        metrics::outbox_attempt(match &outcome {
            Ok(_) => "written",
            Err(Failure::LeaseLost) => "lease_lost",
            Err(Failure::Final { .. }) => "failed",
            Err(_) => "postponed",
        });
        let Err(failure) = outcome else { return };
        tracing::info!(organizacao = %target.organizacao, work_item = target.work_item_id, %failure,
            "outbox: hours not written");
        if let Err(error) = self.give_back(target, claim, failure).await {
            tracing::warn!(%error, "outbox: cannot store the outcome; retried when the lease expires");
        }
    }

    async fn give_back(&self, target: &Target, claim: &Claim, failure: Failure) -> Result<(), DbError> {
        let behind = matches!(failure, Failure::Behind);
        let answered = match &failure {
            Failure::Refused(_) => true,
            Failure::Retryable(error) => error.was_not_applied(),
            _ => false,
        };
        let (wait, motivo, counts) = match failure {
            Failure::LeaseLost => return Ok(()),
            Failure::Final { versao, motivo } => {
                let mut tx = self.db.begin(&Scope::Maintenance).await?;
                let wait = pause(claim.attempts, None);
                repo::fail(&mut tx, target, claim.lease, versao, &motivo, wait).await?;
                return tx.commit().await;
            }
            Failure::NoCredential => (None, motivo::NO_CREDENTIAL.to_owned(), true),
            Failure::Own(_) => (None, motivo::OWN.to_owned(), true),
            Failure::Behind => (None, motivo::BEHIND.to_owned(), true),
            Failure::Refused(motivo) => (None, motivo, true),
            Failure::Retryable(error) => {
                let retry_after = error.retry_after().map(|wait| wait.min(LONGEST_RETRY_AFTER));
                self.hold_after(&target.organizacao, &error, retry_after);
                (retry_after, motivo::retryable(&error), error.was_sent())
            }
        };
        let setback = repo::Setback {
            wait: pause(claim.attempts, wait),
            motivo: &motivo,
            counts,
            behind,
            sent_ago: claim.sent_ago.filter(|_| answered),
            give_up: self.config.give_up,
        };
        let mut tx = self.db.begin(&Scope::Maintenance).await?;
        repo::postpone(&mut tx, target, claim.lease, setback).await?;
        tx.commit().await
    }

    /// Puts an organisation on hold if it asked for a pause, or if the failure is not specific to one work
    /// item.
    fn hold_after(&self, nome: &ChaveOrganizacao, error: &AzureError, retry_after: Option<Duration>) {
        match error {
            AzureError::Replaced => self.holds.hold(nome, HOLD),
            AzureError::Throttled { .. } => self.holds.hold(nome, retry_after.unwrap_or(HOLD)),
            AzureError::Unavailable { .. } => retry_after
                .into_iter()
                .for_each(|wait| self.holds.hold(nome, wait)),
            // A refused credential of one caller is no reason to delay other writes.
            AzureError::InvalidCredential { .. }
                if self.tenant(nome).is_some_and(|tenant| tenant.pat.is_some()) =>
            {
                self.holds.hold(nome, HOLD);
            }
            _ => {}
        }
    }
}

/// Returns the backoff after a failure. Its random part spreads the retries of attempts that failed together.
fn pause(failures_before: i32, retry_after: Option<Duration>) -> Duration {
    let doublings = u32::try_from(failures_before).unwrap_or_default().min(16);
    let longest = BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    let chance = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
    retry_after.map_or(chance, |retry_after| {
        retry_after + BACKOFF.mul_f64(fastrand::f64() / 4.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_respect_retry_after() {
        for _ in 0..100 {
            assert!((1.0..=2.0).contains(&pause(0, None).as_secs_f64()));
            assert!((4.0..=8.0).contains(&pause(2, None).as_secs_f64()));
            for many in [8, 1_000, i32::MAX] {
                assert!((150.0..=300.0).contains(&pause(many, None).as_secs_f64()));
            }
            let retry_after = pause(5, Some(Duration::from_secs(2))).as_secs_f64();
            assert!((2.0..=2.5).contains(&retry_after));
        }
    }
}
