//! Maintenance of the vault: passes PATs to the Azure DevOps client, warns of PATs that expire soon, and
//! replaces keys.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{OrganizationPatService, context, internal, open, record};
use crate::error::Result;
use crate::models::auditoria::Actor;
use crate::models::organizacao::{NomeOrganizacao, Scope};
use crate::models::organization_pat::OrganizationPat;
use crate::models::page::Page;
use crate::repositories::organization_pats as repo;

/// Interval between two warnings about the same PAT.
const WARN_EVERY: Duration = Duration::from_hours(24);
/// Page that holds every organisation; its limit is the upper bound of organisations.
const EVERYTHING: Page = Page {
    skip: 0,
    limit: 10_000,
};

impl OrganizationPatService {
    /// Passes the organisations in use and their PATs to the Azure DevOps client. Warns of PATs that expire
    /// soon, have expired or cannot be decrypted.
    pub async fn refresh(&self) -> Result<()> {
        let Some(cipher) = &self.cipher else {
            return Ok(());
        };
        // Serialised, including the read: older rows must not replace newer ones.
        let _turn = self.refreshing.lock().await;
        let mut tx = self.db.begin_read(&Scope::Maintenance).await?;
        let rows = repo::list(&mut tx, true, EVERYTHING).await?;
        drop(tx);
        let mut organizacoes = Vec::with_capacity(rows.len());
        for row in rows {
            let pat = open(cipher, &row).ok();
            self.warn(&row, pat.is_none());
            match row.organizacao_nome.as_deref().map(NomeOrganizacao::parse) {
                Some(Ok(nome)) => organizacoes.push((nome, pat.filter(|_| !row.expirado))),
                // Its PAT must not be sent to the organisation that took over the name.
                _ => {
                    tracing::debug!(chave = %row.organizacao, "vault: no organisation is configured for this PAT");
                }
            }
        }
        self.tenants.azure().set_vault(organizacoes);
        Ok(())
    }

    /// Refreshes the Azure DevOps client after a change. A failure is only logged: the change is stored, and
    /// the background refreshes again soon.
    pub(super) async fn refresh_after_change(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "vault: cannot reload after a change");
        }
    }

    /// Encrypts every PAT with the first key. Safe while the service runs: a row is locked only during its
    /// own change. Returns the number of changed PATs and the number of unreadable PATs.
    pub async fn rotate(&self) -> Result<(usize, usize)> {
        let cipher = self.cipher()?;
        let mut tx = self.db.begin_read(&Scope::Maintenance).await?;
        let ids = repo::ids_not_under(&mut tx, cipher.current_key()).await?;
        drop(tx);
        let (mut rotated, mut unreadable) = (0, 0);
        for id in ids {
            let mut tx = self.db.begin(&Scope::Maintenance).await?;
            let Some(row) = repo::lock(&mut tx, id).await? else {
                continue;
            };
            let Ok(pat) = open(cipher, &row) else {
                unreadable += 1;
                continue;
            };
            let sealed = cipher
                .seal(&pat, &context(&row.organizacao, id))
                .map_err(internal)?;
            let row = OrganizationPat {
                pat_cifrado: sealed.bytes,
                chave_id: sealed.chave_id,
                ..row
            };
            repo::update(&mut tx, &row).await?;
            let depois = Some(json!({ "chave_id": row.chave_id }).to_string());
            record(&mut tx, &Actor::sistema(), "recifrar", &row, None, depois).await?;
            tx.commit().await?;
            rotated += 1;
        }
        Ok((rotated, unreadable))
    }

    fn warn(&self, row: &OrganizationPat, unreadable: bool) {
        if !unreadable && !row.expira_em_breve {
            return;
        }
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.get(&row.id).is_some_and(|at| at.elapsed() < WARN_EVERY) {
            return;
        }
        warned.insert(row.id, Instant::now());
        let (organizacao, expira_em) = (row.nome_or_chave(), row.expira_em);
        if unreadable {
            tracing::warn!(organizacao, chave_id = row.chave_id, "vault: cannot decrypt PAT");
        } else if row.expirado {
            tracing::warn!(organizacao, ?expira_em, "vault: PAT has expired");
        } else {
            tracing::warn!(organizacao, ?expira_em, "vault: PAT expires within a week");
        }
    }
}
