//! The vault of the organisations' PATs: encrypted, masked, and reserved for administrators.
//!
//! Administrators of all organisations manage the PATs of all organisations, including those that they do not
//! belong to: an organisation whose PAT has expired cannot confirm any app token, and an administrator must
//! be able to enter a new PAT. An administrator of one organisation sees only the row of that organisation.

pub(super) mod cipher;
mod upkeep;
mod validation;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use self::cipher::{Cipher, Sealed};
pub use self::validation::listed_projects;
use crate::auth::Admin;
use crate::azure_devops::Error as AzureError;
use crate::config::VaultConfig;
use crate::db::{Db, Tx};
use crate::error::{Code, Error, FieldError, OnConstraint, Result};
use crate::models::auditoria::{Actor, NewRegistro};
use crate::models::idempotencia::{Chave, NewObjeto};
use crate::models::ids::OrganizationPatId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::organization_pat::{
    MaskedPat, NewOrganizationPat, OrganizationPat, OrganizationPatChanges, OrganizationUrl,
};
use crate::models::page::{Page, Paged};
use crate::repositories::{auditoria, clock, organization_pats as repo};
use crate::services::auditoria::actor;
use crate::services::idempotency::{Created, IdempotentRequest, deleted, part};
use crate::tenants::Tenants;

/// Use cases of `organization-pats`.
#[derive(Debug, Clone)]
pub struct OrganizationPatService {
    db: Db,
    tenants: Tenants,
    cipher: Option<Arc<Cipher>>,
    allow_plain_urls: bool,
    /// Held while the vault is read and passed to the Azure DevOps client.
    refreshing: Arc<tokio::sync::Mutex<()>>,
    /// Time of the last warning about each PAT.
    warned: Arc<Mutex<HashMap<OrganizationPatId, Instant>>>,
}

impl OrganizationPatService {
    /// Creates a vault in `db` with the keys of `config`; `tenants` use its PATs.
    #[must_use]
    pub fn new(db: Db, tenants: Tenants, config: &VaultConfig) -> Self {
        Self {
            db,
            tenants,
            cipher: Cipher::new(config).map(Arc::new),
            allow_plain_urls: config.allow_plain_urls,
            refreshing: Arc::default(),
            warned: Arc::default(),
        }
    }

    /// Returns a page of masked PATs, ordered by organisation.
    pub async fn list(&self, admin: &Admin, only_active: bool, page: Page) -> Result<Paged<MaskedPat>> {
        let cipher = self.cipher()?;
        let mut tx = self.db.begin_read(&admin.user().vault_scope()).await?;
        let items = repo::list(&mut tx, only_active, page).await?;
        let total = repo::count(&mut tx, only_active).await?;
        let items = items.into_iter().map(|row| masked(cipher, row)).collect();
        Ok(Paged { items, total })
    }

    /// Returns one masked PAT.
    pub async fn get(&self, admin: &Admin, id: OrganizationPatId) -> Result<MaskedPat> {
        let cipher = self.cipher()?;
        let mut tx = self.db.begin_read(&admin.user().vault_scope()).await?;
        let row = require_found(repo::find(&mut tx, id).await?).map_err(|error| not_visible(admin, error))?;
        Ok(masked(cipher, row))
    }

    /// Stores a PAT. With `validate_first`, only a PAT that Azure DevOps accepts is stored.
    pub async fn create(
        &self,
        admin: &Admin,
        new: NewOrganizationPat,
        validate_first: bool,
        key: Option<&Chave>,
    ) -> Result<Created<MaskedPat>> {
        let cipher = self.cipher()?;
        self.check_url(new.organization_url.as_ref())?;
        admin.user().require_administrator_named(&new.organizacao)?;
        if validate_first {
            self.require_valid(&new.organizacao, &new.pat).await?;
        }
        let id = OrganizationPatId::generate();
        // The validation, if there was one, has recorded the name.
        let chave = self.tenants.names().chave_of(&new.organizacao);
        let organizacao = &chave.ok_or_else(|| Error::from(AzureError::Replaced))?;
        let sealed = cipher
            .seal(&new.pat, &context(organizacao, id))
            .map_err(internal)?;
        let mut tx = self.db.begin(&admin.user().vault_scope()).await?;
        let usuario = admin.user().pessoa_in(organizacao).id;
        let content = content(&new);
        let idempotent = key.map(|key| IdempotentRequest::new(organizacao, &usuario, key, &content));
        if let Some(idempotent) = &idempotent
            && let Some(id) = idempotent.acquire(&mut tx).await?
        {
            let earlier = repo::find(&mut tx, OrganizationPatId(id)).await?;
            let earlier = earlier.ok_or_else(|| deleted(Code::ObjetoExcluido))?;
            return Ok(Created::earlier(masked(cipher, earlier)));
        }
        let row = repo::NewRow {
            id,
            organizacao,
            organization_url: &new.organization_url.as_ref().map_or_else(
                || format!("https://dev.azure.com/{}", new.organizacao),
                |url| url.as_str().to_owned(),
            ),
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
                    "Já existe um PAT cadastrado para a organização '{}'",
                    new.organizacao
                ))
            })?;
        let created = require_found(repo::find(&mut tx, id).await?)?;
        record(
            &mut tx,
            &actor(admin.user()),
            "criar",
            &created,
            None,
            Some(snapshot(&created, true)),
        )
        .await?;
        if let Some(idempotent) = &idempotent {
            idempotent.store(&mut tx, NewObjeto::OrganizationPat(id)).await?;
        }
        tx.commit().await?;
        self.refresh_after_change().await;
        Ok(Created::now(masked(cipher, created)))
    }

    /// Applies changes. With `validate_first`, a new PAT is stored only if Azure DevOps accepts it.
    pub async fn update(
        &self,
        admin: &Admin,
        id: OrganizationPatId,
        changes: OrganizationPatChanges,
        validate_first: bool,
    ) -> Result<MaskedPat> {
        let cipher = self.cipher()?;
        self.check_url(changes.organization_url.as_ref())?;
        let proved = match &changes.pat {
            Some(pat) if validate_first => Some(self.require_valid_for(admin, id, pat).await?),
            _ => None,
        };
        let mut tx = self.db.begin(&admin.user().vault_scope()).await?;
        let before = locked(&mut tx, admin, id).await?;
        // Azure DevOps was called outside a transaction: the row may belong to another organisation by now.
        if proved.as_ref().is_some_and(|chave| *chave != before.organizacao) {
            return Err(not_found());
        }
        let mut row = before.clone();
        let new_pat = changes.pat.is_some();
        if let Some(pat) = &changes.pat {
            let sealed = cipher
                .seal(pat, &context(&row.organizacao, id))
                .map_err(internal)?;
            (row.pat_cifrado, row.chave_id) = (sealed.bytes, sealed.chave_id);
            row.validado_em = match proved {
                Some(_) => Some(clock::now(&mut tx).await?),
                None => None,
            };
        }
        if let Some(url) = changes.organization_url {
            url.as_str().clone_into(&mut row.organization_url);
        }
        row.descricao = changes.descricao.unwrap_or(row.descricao);
        row.expira_em = changes.expira_em.unwrap_or(row.expira_em);
        row.ativo = changes.ativo.unwrap_or(row.ativo);
        self.store(tx, cipher, admin, "alterar", before, row, new_pat)
            .await
    }

    /// Switches the use of a PAT on or off.
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

    /// Deletes a PAT.
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

    /// Refuses an address without HTTPS unless the installation allows such addresses.
    fn check_url(&self, url: Option<&OrganizationUrl>) -> Result<()> {
        match url {
            Some(url) if !url.is_https() && !self.allow_plain_urls => Err(Error::Invalid(vec![FieldError {
                loc: vec!["body".into(), "organization_url".into()],
                kind: "value_error",
                message: "deve começar com https://".to_owned(),
            }])),
            _ => Ok(()),
        }
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
        let after = require_found(repo::find(&mut tx, row.id).await?)?;
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
    require_found(repo::lock(tx, id).await?).map_err(|error| not_visible(admin, error))
}

/// Returns the error for a row that the caller does not see: `error`, unless the extent of the caller's
/// administrator role cannot be determined at the moment.
fn not_visible(admin: &Admin, error: Error) -> Error {
    admin.user().unless_administrator(None, error)
}

fn require_found(found: Option<OrganizationPat>) -> Result<OrganizationPat> {
    found.ok_or_else(not_found)
}

fn not_found() -> Error {
    Error::NotFound("PAT não encontrado".to_owned())
}

fn open(cipher: &Cipher, row: &OrganizationPat) -> Result<SecretString, cipher::Unreadable> {
    let sealed = Sealed {
        bytes: row.pat_cifrado.clone(),
        chave_id: row.chave_id.clone(),
    };
    cipher.open(&sealed, &context(&row.organizacao, row.id))
}

/// Returns a PAT encrypted for the row with this id, and the id of its key. Used for rows that are inserted
/// without a request; returns `None` without a vault.
#[must_use]
pub fn seal(
    config: &VaultConfig,
    organizacao: &ChaveOrganizacao,
    id: OrganizationPatId,
    pat: &SecretString,
) -> Option<(Vec<u8>, String)> {
    let sealed = Cipher::new(config)?.seal(pat, &context(organizacao, id)).ok()?;
    Some((sealed.bytes, sealed.chave_id))
}

/// Returns the content of a request. Only its hash is stored, from which no PAT can be guessed.
fn content(new: &NewOrganizationPat) -> [String; 7] {
    [
        "organization-pat".to_owned(),
        new.organizacao.to_string().to_lowercase(),
        new.pat.expose_secret().to_owned(),
        part(new.organization_url.as_ref().map(OrganizationUrl::as_str)),
        part(new.descricao.as_ref()),
        part(new.expira_em),
        new.ativo.to_string(),
    ]
}

/// Returns the context that binds a ciphertext to its row: moved to another row, the ciphertext cannot be
/// decrypted.
pub(super) fn context(organizacao: &ChaveOrganizacao, id: OrganizationPatId) -> String {
    format!("{organizacao}:{id}")
}

fn masked(cipher: &Cipher, row: OrganizationPat) -> MaskedPat {
    let pat_masked = open(cipher, &row).ok().map(|pat| mask(pat.expose_secret()));
    MaskedPat { row, pat_masked }
}

/// Masks a PAT: up to 10 characters are all hidden, otherwise all but the first four and the last four.
fn mask(pat: &str) -> String {
    let length = pat.chars().count();
    let visible = if length <= 10 { 0 } else { 4 };
    let hide = |(n, c): (usize, char)| {
        if n < visible || n >= length - visible {
            c
        } else {
            '*'
        }
    };
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

/// Returns the audit snapshot of a row, without the PAT in any form.
fn snapshot(row: &OrganizationPat, new_pat: bool) -> String {
    json!({
        "organization_name": row.organizacao_nome, "organization_url": row.organization_url, "descricao": row.descricao,
        "expira_em": row.expira_em, "ativo": row.ativo, "pat_novo": new_pat
    })
    .to_string()
}

fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Internal(error.into())
}

/// Returns the error for a vault without an encryption key.
#[must_use]
pub fn no_vault() -> Error {
    Error::NotConfigured(Code::CofreNaoConfigurado)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_shows_the_ends_of_long_pats_only() {
        assert_eq!(mask("0123456789"), "**********");
        assert_eq!(mask("0123456789a"), "0123***789a");
        assert_eq!(mask(""), "");
    }
}
