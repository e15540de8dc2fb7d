//! The vault of organisations' PATs: encrypted, masked, for administrators.
//!
//! Administrators of all organisations keep the PATs of all, also of those they are no members of: an
//! organisation whose PAT has expired can vouch for no app token, and an administrator must be able to enter
//! a new one. To an administrator of one organisation only its row exists.

pub(super) mod cipher;
mod upkeep;
mod validation;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use self::cipher::{Cipher, Sealed};
pub use self::validation::shown;
use self::validation::told;
use crate::auth::Admin;
use crate::azure_devops::{AzureDevOps, Error as AzureError};
use crate::config::VaultConfig;
use crate::db::{Db, OnConstraint, Tx};
use crate::error::{Error, Result};
use crate::models::auditoria::{Actor, NewRegistro};
use crate::models::ids::OrganizationPatId;
use crate::models::organization_pat::{
    MaskedPat, NewOrganizationPat, OrganizationPat, OrganizationPatChanges,
};
use crate::models::page::{Page, Paged};
use crate::repositories::{auditoria, organization_pats as repo};
use crate::services::auditoria::actor;

/// Use cases of `organization-pats`.
#[derive(Debug, Clone)]
pub struct OrganizationPatService {
    db: Db,
    azure: AzureDevOps,
    cipher: Option<Arc<Cipher>>,
    /// Held while the vault is read for use.
    refreshing: Arc<tokio::sync::Mutex<()>>,
    /// When an operator was last told about a PAT.
    warned: Arc<Mutex<HashMap<OrganizationPatId, Instant>>>,
}

impl OrganizationPatService {
    /// A vault in `db`, under the keys of `config`, for the use of `azure`.
    #[must_use]
    pub fn new(db: Db, azure: AzureDevOps, config: &VaultConfig) -> Self {
        Self {
            db,
            azure,
            cipher: Cipher::new(config).map(Arc::new),
            refreshing: Arc::default(),
            warned: Arc::default(),
        }
    }

    /// A page of PATs by organisation, masked.
    pub async fn list(&self, admin: &Admin, only_active: bool, page: Page) -> Result<Paged<MaskedPat>> {
        let cipher = self.cipher()?;
        let mut tx = self.db.begin_read(&admin.user().vault_scope()).await?;
        let items = repo::list(&mut tx, only_active, page).await?;
        let total = repo::count(&mut tx, only_active).await?;
        tx.end();
        let items = items.into_iter().map(|row| masked(cipher, row)).collect();
        Ok(Paged { items, total })
    }

    /// One PAT, masked.
    pub async fn get(&self, admin: &Admin, id: OrganizationPatId) -> Result<MaskedPat> {
        let cipher = self.cipher()?;
        let mut tx = self.db.begin_read(&admin.user().vault_scope()).await?;
        let row = known(repo::find(&mut tx, id).await?).map_err(|error| hidden(admin, error))?;
        tx.end();
        Ok(masked(cipher, row))
    }

    /// Stores a PAT; if asked for, only one that works.
    pub async fn create(
        &self,
        admin: &Admin,
        new: NewOrganizationPat,
        validate_first: bool,
    ) -> Result<MaskedPat> {
        let cipher = self.cipher()?;
        admin.user().require_administrator_of(&new.organizacao)?;
        if validate_first {
            let outcome = self.ask(&new.organizacao, new.pat.clone()).await;
            // Trouble there says nothing about the PAT.
            if let Err(error) = &outcome
                && matches!(
                    error,
                    AzureError::Unavailable { .. } | AzureError::Throttled { .. } | AzureError::Timeout
                )
            {
                return Err(error.clone().into());
            }
            let validation = told(&new.organizacao, outcome);
            if !validation.valid {
                return Err(Error::InvalidReference(format!(
                    "PAT inválido: {}",
                    validation.message
                )));
            }
        }
        let id = OrganizationPatId::generate();
        let organizacao = new.organizacao.as_str();
        let sealed = cipher
            .seal(&new.pat, &context(organizacao, id))
            .map_err(internal)?;
        let mut tx = self.db.begin(&admin.user().vault_scope()).await?;
        let row = repo::NewRow {
            id,
            organizacao,
            organization_url: &new
                .organization_url
                .unwrap_or_else(|| format!("https://dev.azure.com/{organizacao}")),
            pat_cifrado: &sealed.bytes,
            chave_id: &sealed.chave_id,
            descricao: new.descricao.as_deref(),
            expira_em: new.expira_em,
            ativo: new.ativo,
            validated: validate_first,
            criado_por: admin.user().signature(),
        };
        repo::insert(&mut tx, &row)
            .await
            .on_constraint(repo::ORGANIZACAO_KEY, || {
                Error::InvalidReference(format!(
                    "Já existe um PAT cadastrado para a organização '{organizacao}'"
                ))
            })?;
        let created = known(repo::find(&mut tx, id).await?)?;
        record(
            &mut tx,
            &actor(admin.user()),
            "criar",
            &created,
            None,
            Some(snapshot(&created, true)),
        )
        .await?;
        tx.commit().await?;
        self.refresh_after_change().await;
        Ok(masked(cipher, created))
    }

    /// Applies changes. A new PAT has not been validated.
    pub async fn update(
        &self,
        admin: &Admin,
        id: OrganizationPatId,
        changes: OrganizationPatChanges,
    ) -> Result<MaskedPat> {
        let cipher = self.cipher()?;
        let mut tx = self.db.begin(&admin.user().vault_scope()).await?;
        let before = locked(&mut tx, admin, id).await?;
        let mut row = before.clone();
        let new_pat = changes.pat.is_some();
        if let Some(pat) = &changes.pat {
            let sealed = cipher
                .seal(pat, &context(&row.organizacao, id))
                .map_err(internal)?;
            (row.pat_cifrado, row.chave_id, row.validado_em) = (sealed.bytes, sealed.chave_id, None);
        }
        row.organization_url = changes.organization_url.unwrap_or(row.organization_url);
        row.descricao = changes.descricao.unwrap_or(row.descricao);
        row.expira_em = changes.expira_em.unwrap_or(row.expira_em);
        row.ativo = changes.ativo.unwrap_or(row.ativo);
        self.store(tx, cipher, admin, "alterar", before, row, new_pat)
            .await
    }

    /// Uses an unused PAT again, or stops using it.
    pub async fn toggle_active(&self, admin: &Admin, id: OrganizationPatId) -> Result<MaskedPat> {
        let cipher = self.cipher()?;
        let mut tx = self.db.begin(&admin.user().vault_scope()).await?;
        let before = locked(&mut tx, admin, id).await?;
        let row = OrganizationPat {
            ativo: !before.ativo,
            ..before.clone()
        };
        let acao = if row.ativo { "ativar" } else { "desativar" };
        self.store(tx, cipher, admin, acao, before, row, false).await
    }

    /// Forgets a PAT.
    pub async fn delete(&self, admin: &Admin, id: OrganizationPatId) -> Result<()> {
        self.cipher()?;
        let mut tx = self.db.begin(&admin.user().vault_scope()).await?;
        let before = locked(&mut tx, admin, id).await?;
        repo::delete(&mut tx, id).await?;
        record(
            &mut tx,
            &actor(admin.user()),
            "excluir",
            &before,
            Some(snapshot(&before, false)),
            None,
        )
        .await?;
        tx.commit().await?;
        self.refresh_after_change().await;
        Ok(())
    }

    fn cipher(&self) -> Result<&Cipher> {
        self.cipher.as_deref().ok_or_else(no_vault)
    }

    #[expect(clippy::too_many_arguments, reason = "one change, seen from both sides")]
    async fn store(
        &self,
        mut tx: Tx,
        cipher: &Cipher,
        admin: &Admin,
        acao: &'static str,
        before: OrganizationPat,
        row: OrganizationPat,
        new_pat: bool,
    ) -> Result<MaskedPat> {
        repo::update(&mut tx, &row).await?;
        let after = known(repo::find(&mut tx, row.id).await?)?;
        let (antes, depois) = (snapshot(&before, false), snapshot(&after, new_pat));
        record(
            &mut tx,
            &actor(admin.user()),
            acao,
            &after,
            Some(antes),
            Some(depois),
        )
        .await?;
        tx.commit().await?;
        self.refresh_after_change().await;
        Ok(masked(cipher, after))
    }
}

async fn locked(tx: &mut Tx, admin: &Admin, id: OrganizationPatId) -> Result<OrganizationPat> {
    known(repo::lock(tx, id).await?).map_err(|error| hidden(admin, error))
}

/// Returns the error for a row that the caller does not see: `error`, unless it cannot be told whether the
/// caller administers more.
fn hidden(admin: &Admin, error: Error) -> Error {
    admin.user().unless_administrator(None, error)
}

fn known(found: Option<OrganizationPat>) -> Result<OrganizationPat> {
    found.ok_or_else(|| Error::NotFound("PAT não encontrado".to_owned()))
}

fn open(cipher: &Cipher, row: &OrganizationPat) -> Result<SecretString, cipher::Unreadable> {
    let sealed = Sealed {
        bytes: row.pat_cifrado.clone(),
        chave_id: row.chave_id.clone(),
    };
    cipher.open(&sealed, &context(&row.organizacao, row.id))
}

/// What a ciphertext is bound to: moved to another row, it is worth nothing.
pub(super) fn context(organizacao: &str, id: OrganizationPatId) -> String {
    format!("{organizacao}:{id}")
}

fn masked(cipher: &Cipher, row: OrganizationPat) -> MaskedPat {
    let pat_masked = open(cipher, &row).ok().map(|pat| mask(pat.expose_secret()));
    MaskedPat { row, pat_masked }
}

/// Up to 10 characters all hidden, else all but the first and the last four.
fn mask(pat: &str) -> String {
    let length = pat.chars().count();
    let shown = if length <= 10 { 0 } else { 4 };
    let hide = |(n, c): (usize, char)| if n < shown || n >= length - shown { c } else { '*' };
    pat.chars().enumerate().map(hide).collect()
}

async fn record(
    tx: &mut Tx,
    actor: &Actor,
    acao: &'static str,
    row: &OrganizationPat,
    antes: Option<String>,
    depois: Option<String>,
) -> Result<()> {
    let new = NewRegistro {
        actor,
        organizacao: Some(&row.organizacao),
        acao,
        objeto_tipo: "organization_pat",
        objeto_id: Some(row.id.to_string()),
        antes,
        depois,
    };
    Ok(auditoria::insert(tx, &new).await?)
}

/// Without the PAT, in whatever form.
fn snapshot(row: &OrganizationPat, new_pat: bool) -> String {
    json!({
        "organization_name": row.organizacao, "organization_url": row.organization_url, "descricao": row.descricao,
        "expira_em": row.expira_em, "ativo": row.ativo, "pat_novo": new_pat
    })
    .to_string()
}

fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Internal(error.into())
}

/// What an administrator learns where there is no key.
#[must_use]
pub fn no_vault() -> Error {
    Error::NotConfigured {
        code: "cofre_nao_configurado",
        detail: "O cofre de PATs não está configurado: defina PAT_ENCRYPTION_KEYS no servidor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_the_ends_of_long_pats_only() {
        assert_eq!(mask("0123456789"), "**********");
        assert_eq!(mask("0123456789a"), "0123***789a");
        assert_eq!(mask(""), "");
    }
}
