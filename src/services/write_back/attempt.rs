//! One attempt to bring a work item's hours to Azure DevOps, under a lease.
//!
//! What is about to be sent is stored first, with the revision that it is for, and stays the same until its fate is known.
//! The revision decides: still the same, and the very same change is sent again (whichever of the two comes first, the
//! other one fails the test); over, and the revision after it tells whether it was ours. So an unclear outcome can neither
//! lose an hour nor count one twice.

use std::fmt;
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::plan::Situation;
use super::{Inner, motivo};
use crate::azure_devops::work_items::{HoursPatch, REMAINING_WORK, WorkItem};
use crate::azure_devops::{Credential, Error as AzureError, Fingerprint, Organizacao};
use crate::db::DbError;
use crate::error::Error;
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::organizacao::{NomeOrganizacao, Scope};
use crate::models::write_back::{Alvo, Apontado, Intencao, Mode, Participacao, Tomado};
use crate::repositories::write_back::{self as repo, Settled};

/// Looks at one work item before giving up for now: each one that fails found it changed by somebody else.
const ROUNDS: u32 = 6;
/// Between two looks, up to.
const PAUSE: Duration = Duration::from_millis(50);

/// Why an attempt did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may go better later.
    Passing(AzureError),
    /// It will not, whatever the entries up to this state say; with a reason for people.
    Final { versao: i64, motivo: String },
    /// Somebody else holds the lease; they do it.
    LeaseLost,
    /// Nobody can write there.
    NoCredential,
    /// Our database.
    Own(Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(error) => error.fmt(f),
            Self::Final { motivo, .. } => f.write_str(motivo),
            Self::NoCredential => f.write_str("no credential to write with"),
            Self::LeaseLost => f.write_str("another process has the lease"),
            Self::Own(error) => error.fmt(f),
        }
    }
}

impl From<AzureError> for Failure {
    fn from(error: AzureError) -> Self {
        Self::Passing(error)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Own(error.into())
    }
}

/// What became of a change that was sent.
enum Fate {
    /// It was applied; the work item as it is now.
    Applied(Box<WorkItem>),
    /// It was not applied, because the work item has another revision.
    Stale,
    /// It was not applied, because a rule of the process refuses it.
    Refused { type_key: String, fields: Vec<String> },
    /// It was not applied for another reason.
    NotApplied(AzureError),
    /// Nothing tells; the next revision will.
    Unclear(AzureError),
}

/// A work item, taken, and the means to write it.
pub(super) struct Attempt<'a> {
    pub(super) inner: &'a Inner,
    pub(super) alvo: &'a Alvo,
    pub(super) organizacao: &'a Organizacao,
    pub(super) credential: &'a Credential,
    pub(super) mode: Mode,
    pub(super) lease: Uuid,
    pub(super) ours: Participacao,
    pub(super) rev_escrita: i32,
    pub(super) intencao: Option<Intencao>,
    /// Whether `intencao` was sent before with an outcome that is not known.
    pub(super) unclear: bool,
    /// Whether the type has `CompletedWork`, once that was looked at.
    pub(super) has_completed: Option<bool>,
    /// A process that refuses `RemainingWork` gets `CompletedWork` alone.
    pub(super) leave_remaining: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        alvo: &'a Alvo,
        organizacao: &'a Organizacao,
        credential: &'a Credential,
        tomado: &Tomado,
    ) -> Self {
        Self {
            inner,
            alvo,
            organizacao,
            credential,
            mode: inner.mode_in(&alvo.organizacao),
            lease: tomado.lease,
            ours: tomado.participacao,
            rev_escrita: tomado.rev_escrita,
            intencao: tomado.intencao,
            unclear: tomado.intencao.is_some(),
            has_completed: None,
            leave_remaining: false,
        }
    }

    /// Writes until there is nothing more to write. `seen`: the work item, if it was just read.
    pub(super) async fn run(&mut self, mut seen: Option<WorkItem>) -> Result<(), Failure> {
        for round in 0..ROUNDS {
            if round > 0 && seen.is_none() {
                sleep(PAUSE.mul_f64(fastrand::f64())).await;
            }
            let item = match seen.take().filter(|item| item.rev >= self.rev_escrita) {
                Some(item) => item,
                None => self.read().await?,
            };
            if item.rev < self.rev_escrita {
                // A part of Azure DevOps that has not heard of our own change yet.
                continue;
            }
            if let Some(old) = self.intencao.filter(|old| old.rev < item.rev)
                && !self.decide(old).await?
            {
                return Ok(());
            }
            let intencao = match self.intencao {
                Some(old) => self.take_over(old).await?,
                None => match self.intend(&item).await? {
                    Some(new) => new,
                    None => return Ok(()),
                },
            };
            match self.send(&intencao).await {
                Fate::Applied(after) => {
                    if !self.note_applied(&intencao, &after).await? {
                        return Ok(());
                    }
                    seen = Some(*after);
                }
                // The next look tells whether an earlier send was first.
                Fate::Stale if self.unclear => {}
                Fate::Stale => self.forget().await?,
                Fate::Refused { type_key, fields } => {
                    self.forget().await?;
                    if !self.may_go_without_remaining(&intencao, &fields) {
                        return Err(Failure::Final {
                            versao: intencao.versao,
                            motivo: motivo::refused(&type_key, &fields),
                        });
                    }
                    self.leave_remaining = true;
                    seen = Some(item);
                }
                Fate::NotApplied(error) => {
                    // An earlier send of the same change may still have been applied.
                    if !self.unclear {
                        self.forget().await?;
                    }
                    return Err(match error {
                        AzureError::NotFound => self.vanished(intencao.versao),
                        error => error.into(),
                    });
                }
                Fate::Unclear(error) => return Err(error.into()),
            }
        }
        Err(AzureError::Rejected {
            status: 412,
            type_key: String::new(),
            fields: Vec::new(),
        }
        .into())
    }

    /// Whether a refused change may pass when `RemainingWork` is left alone: the rule names that field, or none.
    fn may_go_without_remaining(&self, refused: &Intencao, fields: &[String]) -> bool {
        let concerns = fields.is_empty() || fields.iter().any(|field| field.starts_with(REMAINING_WORK));
        concerns && refused.remaining.is_some() && !self.leave_remaining
    }

    async fn read(&self) -> Result<WorkItem, Failure> {
        match self
            .organizacao
            .work_item(self.credential, self.alvo.work_item_id)
            .await
        {
            Ok(item) => Ok(item),
            Err(AzureError::NotFound) => Err(self.vanished(self.apontado().await?.versao)),
            Err(error) => Err(error.into()),
        }
    }

    fn vanished(&self, versao: i64) -> Failure {
        Failure::Final {
            versao,
            motivo: motivo::vanished(self.alvo.work_item_id),
        }
    }

    /// Whether what was intended for a revision that is over made the next one. `false`: it did, and there is nothing more.
    async fn decide(&mut self, old: Intencao) -> Result<bool, Failure> {
        let next = old.rev + 1;
        let after = self
            .organizacao
            .revision(self.credential, self.alvo.work_item_id, next)
            .await?;
        let same = |wanted: Option<Horas>, found| wanted.is_none() || wanted == found;
        let figures = same(old.completed, after.scheduling.completed_work)
            && same(old.remaining, after.scheduling.remaining_work);
        let author = old.por.is_none() || after.changed_by.is_none() || old.por == after.changed_by;
        if figures && author {
            let closed_before = self.closed_before(&after, old.depois).await;
            let settled = Settled {
                versao: old.versao,
                participacao: old.depois,
                rev: next,
                closed_before,
                has_completed: old.completed.map(|_| true),
            };
            return self.settle(settled).await;
        }
        self.forget().await?;
        Ok(true)
    }

    /// Stores what is to be sent for `item`; `None` when nothing is, and that is noted.
    async fn intend(&mut self, item: &WorkItem) -> Result<Option<Intencao>, Failure> {
        loop {
            let Apontado { versao, total } = self.apontado().await?;
            if item.completed_is_unreadable {
                return Err(Failure::Final {
                    versao,
                    motivo: motivo::UNREADABLE.to_owned(),
                });
            }
            let situation = self.situation(item, total).await?;
            self.has_completed = Some(situation.has_completed);
            let plan = situation.plan();
            if !plan.changes_something() {
                let settled = Settled {
                    versao,
                    participacao: plan.depois,
                    rev: self.rev_escrita,
                    closed_before: false,
                    has_completed: self.has_completed,
                };
                if self.settle(settled).await? {
                    continue;
                }
                return Ok(None);
            }
            let intencao = Intencao {
                rev: item.rev,
                versao,
                depois: plan.depois,
                completed: plan.completed,
                remaining: plan.remaining,
                por: self.inner.authors.get(&self.author_key()).await,
            };
            self.store(&intencao, item.project_id).await?;
            self.unclear = false;
            return Ok(Some(intencao));
        }
    }

    /// Stores a change before it is sent, and where the work item is.
    async fn store(&mut self, intencao: &Intencao, place: Option<Uuid>) -> Result<(), Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let ours = repo::intend(&mut tx, self.alvo, self.lease, intencao).await?;
        if let Some(guid) = place {
            repo::place_by_guid(&mut tx, self.alvo, guid).await?;
        }
        tx.commit().await?;
        if !ours {
            return Err(Failure::LeaseLost);
        }
        self.intencao = Some(*intencao);
        Ok(())
    }

    /// Takes over a stored change that another credential may have sent already: from now on it may turn up with
    /// either author, so the figures alone decide whether it was applied.
    async fn take_over(&mut self, old: Intencao) -> Result<Intencao, Failure> {
        let author = self.inner.authors.get(&self.author_key()).await;
        if old.por.is_none() || old.por == author {
            return Ok(old);
        }
        let either = Intencao { por: None, ..old };
        self.store(&either, None).await?;
        Ok(either)
    }

    fn author_key(&self) -> (NomeOrganizacao, Fingerprint) {
        (self.organizacao.nome().clone(), self.credential.fingerprint())
    }

    async fn situation(&self, item: &WorkItem, total: Total) -> Result<Situation, Failure> {
        let work_items = &self.inner.work_items;
        let tipo = work_items
            .work_item_type(self.organizacao, self.credential, item)
            .await?;
        let categoria = work_items
            .categoria(self.organizacao, self.credential, &item.project, item)
            .await?;
        Ok(Situation {
            mode: self.mode,
            total,
            ours: self.ours,
            upstream: item.scheduling,
            has_completed: tipo.has_completed,
            may_write_remaining: tipo.has_remaining && categoria.is_open() && !self.leave_remaining,
        })
    }

    async fn send(&self, intencao: &Intencao) -> Fate {
        let patch = HoursPatch {
            rev: intencao.rev,
            completed: intencao.completed,
            remaining: intencao.remaining,
        };
        let answer = self
            .organizacao
            .update_hours(self.credential, self.alvo.work_item_id, &patch)
            .await;
        match answer {
            Ok(after) => Fate::Applied(Box::new(after)),
            Err(error) if error.is_stale() => Fate::Stale,
            Err(error) if error.is_broken_rule() => match error {
                AzureError::Rejected { type_key, fields, .. } => Fate::Refused { type_key, fields },
                error => Fate::NotApplied(error),
            },
            Err(error) if error.was_not_applied() => Fate::NotApplied(error),
            Err(error) => Fate::Unclear(error),
        }
    }

    /// Notes a change that was applied, and how its author is told; whether there is more to write.
    async fn note_applied(&mut self, intencao: &Intencao, after: &WorkItem) -> Result<bool, Failure> {
        if let Some(author) = after.changed_by {
            self.inner.authors.insert(self.author_key(), author).await;
        }
        let nome = self.organizacao.nome();
        self.inner.work_items.note_written(nome, after).await;
        let settled = Settled {
            versao: intencao.versao,
            participacao: intencao.depois,
            rev: after.rev,
            closed_before: self.closed_before(after, intencao.depois).await,
            has_completed: self.has_completed,
        };
        self.settle(settled).await
    }

    async fn apontado(&self) -> Result<Apontado, Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let apontado = repo::apontado(&mut tx, self.alvo).await?;
        tx.commit().await?;
        Ok(apontado)
    }

    /// Notes what Azure DevOps knows now; whether there is more to write.
    async fn settle(&mut self, settled: Settled) -> Result<bool, Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let more = repo::settle(&mut tx, self.alvo, self.lease, &settled).await?;
        tx.commit().await?;
        (self.intencao, self.ours, self.rev_escrita) = (None, settled.participacao, settled.rev);
        self.unclear = false;
        more.ok_or(Failure::LeaseLost)
    }

    /// Whether the work item was open when new hours were logged, and is closed in the revision that has them. The
    /// hours stay, because they were worked; their owners are told.
    async fn closed_before(&self, after: &WorkItem, depois: Participacao) -> bool {
        if depois.considerado <= self.ours.considerado {
            return false;
        }
        let work_items = &self.inner.work_items;
        let categoria = work_items
            .categoria(self.organizacao, self.credential, &after.project, after)
            .await;
        categoria.is_ok_and(|categoria| !categoria.is_open())
    }

    async fn forget(&mut self) -> Result<(), Failure> {
        let mut tx = self.inner.db.begin(&Scope::Maintenance).await?;
        let ours = repo::forget_intention(&mut tx, self.alvo, self.lease).await?;
        tx.commit().await?;
        (self.intencao, self.unclear) = (None, false);
        if ours { Ok(()) } else { Err(Failure::LeaseLost) }
    }
}
