//! Imports the database of the FastAPI service: projects, activities, time entries and the vault, each row
//! under its own key, all or nothing. `docs/import-legacy.md` describes for operators how each kind of row is
//! imported.
//!
//! The package `import-legacy` reads and maps the rows; this module stores them in one transaction. A row
//! that exists here stays unchanged, and a row that was deleted here is not restored, so that an import may
//! be repeated.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use import_legacy::{
    AtividadeRow, Entry, NewPat, Outcome, ProjetoRow, Source, StoredProjeto, Target, Unusable, VinculoRow,
    Written,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

pub use import_legacy::{Finding, ImportError, Options as Mapping, Report};

use crate::config::{Identifier, VaultConfig, postgres_url};
use crate::db::{Db, DbError, Tx};
use crate::models::auditoria::{Actor, NewRegistro};
use crate::models::ids::OrganizationPatId;
use crate::models::organizacao::{ChaveOrganizacao, Names, Scope};
use crate::repositories::legacy::{entries, target};
use crate::repositories::projetos::{self, Located};
use crate::repositories::{auditoria, organizacoes};
use crate::services::organization_pats::cipher::Cipher;
use crate::services::organization_pats::context;

/// Source and settings of an import.
#[derive(Debug)]
pub struct Options {
    /// Address of the FastAPI service's database.
    pub from: SecretString,
    /// Schema of that database.
    pub schema: Identifier,
    /// Time zone of the sessions of that database, in which the expiry of PATs is stored.
    pub timezone: Tz,
    /// Settings for mapping the rows.
    pub mapping: Mapping,
    /// `true` if the import is carried out and then rolled back.
    pub dry_run: bool,
}

/// Imports the rows that `options` describe and encrypts PATs with the keys of `vault`. Calls `found` for
/// each row that was not imported unchanged.
///
/// # Errors
/// Any [`ImportError`]; the database is then unchanged.
pub async fn import(
    db: &Db,
    vault: &VaultConfig,
    options: &Options,
    found: &mut dyn FnMut(&Finding),
) -> Result<Report, ImportError> {
    let address = postgres_url(options.from.expose_secret()).ok_or(Unusable::Address)?;
    let (schema, zone) = (options.schema.as_str(), options.timezone.name());
    let source = Source::open(&address.into(), schema, zone).await?;
    let mut tx = db.begin(&Scope::Maintenance).await?;
    let names = Names::new(organizacoes::list(&mut tx).await?);
    let cipher = Cipher::new(vault);
    let mut tables = Tables { tx, cipher };
    let report = import_legacy::import(source, &mut tables, names, &options.mapping, found).await?;
    let Tables { mut tx, .. } = tables;
    if report.inserted() > 0 {
        record(&mut tx, options, &report).await?;
    }
    if options.dry_run {
        // Dropping the transaction rolls it back.
        return Ok(report);
    }
    tx.commit().await?;
    Ok(report)
}

/// Our tables, written in one transaction.
struct Tables {
    tx: Tx,
    cipher: Option<Cipher>,
}

impl Tables {
    /// Returns the key of a project that imported entries name. A project without an organisation is assigned
    /// to `organizacao`.
    async fn claimed(
        &mut self,
        organizacao: &ChaveOrganizacao,
        found: Option<Located>,
    ) -> Result<Option<Uuid>, DbError> {
        let Some(projeto) = found else {
            return Ok(None);
        };
        if projeto.unassigned {
            projetos::claim(&mut self.tx, organizacao, projeto.id).await?;
        }
        Ok(Some(projeto.id.0))
    }
}

impl Target for Tables {
    async fn store_projetos(&mut self, rows: &[(ProjetoRow, String)]) -> Result<Vec<StoredProjeto>, DbError> {
        target::projetos(&mut self.tx, rows).await
    }

    async fn store_atividades(&mut self, rows: &[AtividadeRow]) -> Result<Vec<(Uuid, Outcome)>, DbError> {
        target::atividades(&mut self.tx, rows).await
    }

    async fn store_vinculos(&mut self, rows: &[VinculoRow]) -> Result<Vec<Outcome>, DbError> {
        target::vinculos(&mut self.tx, rows).await
    }

    // Projects without an organisation are included: they date from before there were several organisations.
    async fn projeto_by_name(
        &mut self,
        organizacao: &ChaveOrganizacao,
        nome: &str,
    ) -> Result<Option<Uuid>, DbError> {
        let found = projetos::locate_by_name(&mut self.tx, organizacao, true, nome).await?;
        self.claimed(organizacao, found).await
    }

    async fn projeto_by_id(
        &mut self,
        organizacao: &ChaveOrganizacao,
        id: Uuid,
    ) -> Result<Option<Uuid>, DbError> {
        let found = projetos::locate_by_id(&mut self.tx, organizacao, true, id).await?;
        self.claimed(organizacao, found).await
    }

    async fn has_projeto(&mut self, id: Uuid) -> Result<bool, DbError> {
        let found = projetos::resolve(&mut self.tx, &[id]).await?;
        Ok(found.iter().any(|found| found.projeto.is_some()))
    }

    async fn lock_hours(&mut self) -> Result<(), DbError> {
        entries::lock(&mut self.tx).await
    }

    async fn store_apontamentos(&mut self, rows: &[Entry]) -> Result<Vec<(Uuid, Outcome)>, DbError> {
        entries::insert(&mut self.tx, rows).await
    }

    async fn adopt_written(&mut self, rows: &[Written]) -> Result<i64, DbError> {
        entries::adopt_written(&mut self.tx, rows).await
    }

    async fn pat_outcome(
        &mut self,
        id: Uuid,
        organizacao: &ChaveOrganizacao,
        atualizado_em: DateTime<Utc>,
    ) -> Result<Option<Outcome>, DbError> {
        target::pat_state(&mut self.tx, id, organizacao.as_str(), atualizado_em).await
    }

    fn has_vault_key(&self) -> bool {
        self.cipher.is_some()
    }

    async fn store_pat(&mut self, pat: &NewPat<'_>) -> Result<bool, DbError> {
        let place = context(pat.organizacao, OrganizationPatId(pat.id));
        let sealed = self.cipher.as_ref().map(|cipher| cipher.seal(pat.pat, &place));
        let Some(Ok(sealed)) = sealed else {
            return Ok(false);
        };
        target::insert_pat(&mut self.tx, pat, &sealed.bytes, &sealed.chave_id).await?;
        Ok(true)
    }

    async fn days_above(&mut self, minutes: i32) -> Result<i64, DbError> {
        entries::days_above(&mut self.tx, minutes).await
    }
}

/// Writes one row to the audit trail: one row per imported row would be too many.
async fn record(tx: &mut Tx, options: &Options, report: &Report) -> Result<(), DbError> {
    let inserted: serde_json::Map<String, serde_json::Value> = report
        .tables
        .iter()
        .map(|(table, counts)| ((*table).to_owned(), json!(counts.inserted)))
        .collect();
    let new = NewRegistro {
        actor: &Actor::sistema(),
        organizacao: None,
        acao: "importar",
        objeto_tipo: "banco_legado",
        objeto_id: Some(options.schema.to_string()),
        antes: None,
        depois: Some(json!(inserted).to_string()),
    };
    auditoria::insert(tx, &new).await
}
