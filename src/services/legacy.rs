//! Takes over the database of the FastAPI service: projects, activities, time entries and the vault, each row under its own key, all
//! or nothing. `docs/import-legacy.md` tells operators what becomes of what.
//!
//! A row that is here already stays as it is, and one that was deleted here does not come back; so it may be repeated.

mod fernet;
mod map;
mod projetos;
mod report;
mod vault;

use std::collections::HashMap;

use chrono_tz::Tz;
use secrecy::SecretString;
use serde_json::json;

pub use self::report::{Counts, Finding, Report};
use self::report::{Findings, Tabela};
use crate::config::{Identifier, VaultConfig};
use crate::db::{Db, DbError, Tx};
use crate::models::auditoria::{Actor, NewRegistro};
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::organizacao::{Names, NomeOrganizacao, Scope};
use crate::repositories::legacy::entries::{self, Written};
use crate::repositories::legacy::source::{
    ApontamentoRow, AtividadeRow, ProjetoRow, Source, Unusable, VinculoRow,
};
use crate::repositories::legacy::target::{self, Outcome};
use crate::repositories::{auditoria, organizacoes};
use projetos::Projetos;

/// Work items that the outbox is told of at once.
const BATCH: usize = 1_000;

/// What to import, and how.
#[derive(Debug)]
pub struct Options {
    /// Address of the FastAPI service's database.
    pub from: SecretString,
    /// Its schema.
    pub schema: Identifier,
    /// Zone of that database's sessions: expiry of PATs is stored in it.
    pub timezone: Tz,
    /// Organisation of projects that name none.
    pub organizacao: Option<NomeOrganizacao>,
    /// What its vault is encrypted with; without it the vault stays where it is.
    pub legacy_key: Option<SecretString>,
    /// Minutes of a person's day above which somebody should have a look.
    pub max_minutes_per_day: u16,
    /// Do everything, keep nothing.
    pub dry_run: bool,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source is not there, or not what it should be.
    #[error("the database to import from: {0}")]
    Unusable(#[from] Unusable),
    /// It broke off while it was read.
    #[error("reading the database to import from")]
    Source(#[source] DbError),
    /// Ours did not take it.
    #[error("writing into our database")]
    Target(#[from] DbError),
    /// Hours that are just being written to Azure DevOps cannot be told apart from imported ones.
    #[error(
        "hours of {0} of the work items are being written to Azure DevOps at this moment; try again when nothing is pending"
    )]
    Busy(i64),
}

type Result<T> = std::result::Result<T, ImportError>;

/// Imports what `options` say, under the keys of `vault`; tells `found` of every row that did not come along as it was.
///
/// # Errors
/// As [`ImportError`] says; then nothing has changed.
pub async fn import(
    db: &Db,
    vault: &VaultConfig,
    options: &Options,
    found: &mut dyn FnMut(&Finding),
) -> Result<Report> {
    let source = Source::open(&options.from, &options.schema, options.timezone.name()).await?;
    let mut tx = db.begin(&Scope::Maintenance).await?;
    let names = Names::new(organizacoes::list(&mut tx).await?);
    let mut run = Run {
        source,
        tx,
        names,
        options,
        findings: Findings::new(found),
        projetos: Projetos::default(),
    };
    run.projetos().await?;
    run.atividades().await?;
    run.vinculos().await?;
    let work_items = run.apontamentos().await?;
    run.vault(vault).await?;
    let days_above = entries::days_above(&mut run.tx, options.max_minutes_per_day.into()).await?;
    let report = run.findings.report(work_items, days_above);
    run.source.close().await;
    if report.inserted() > 0 {
        record(&mut run.tx, options, &report).await?;
    }
    if options.dry_run {
        // Dropped, a transaction is rolled back.
        return Ok(report);
    }
    run.tx.commit().await?;
    Ok(report)
}

/// One import under way.
struct Run<'a> {
    source: Source,
    tx: Tx,
    names: Names,
    options: &'a Options,
    findings: Findings<'a>,
    projetos: Projetos,
}

impl Run<'_> {
    async fn projetos(&mut self) -> Result<()> {
        let cursor = self.source.projetos().await.map_err(ImportError::Source)?;
        loop {
            let page: Vec<ProjetoRow> = self.source.page(&cursor).await.map_err(ImportError::Source)?;
            if page.is_empty() {
                return Ok(());
            }
            let mut rows = Vec::with_capacity(page.len());
            for row in page {
                match map::organizacao_of(
                    &self.names,
                    row.organizacao.as_deref(),
                    self.options.organizacao.as_ref(),
                ) {
                    Ok(organizacao) => rows.push((row, organizacao)),
                    Err(why) => self.findings.refused(Tabela::Projetos, row.id, why),
                }
            }
            for stored in target::projetos(&mut self.tx, &rows).await? {
                self.findings.outcome(Tabela::Projetos, stored.outcome);
                if let Some(here) = stored.twin {
                    self.projetos.alias(stored.id, here);
                    let text =
                        format!("is here under the key {here}, which everything imported refers to now");
                    self.findings.changed(Tabela::Projetos, stored.id, text);
                }
            }
        }
    }

    async fn atividades(&mut self) -> Result<()> {
        let cursor = self.source.atividades().await.map_err(ImportError::Source)?;
        loop {
            let mut page: Vec<AtividadeRow> = self.source.page(&cursor).await.map_err(ImportError::Source)?;
            if page.is_empty() {
                return Ok(());
            }
            for row in &mut page {
                let nome = map::nome_da_atividade(&row.nome);
                if nome != row.nome {
                    let text = format!("its name {:?} became {nome:?}", row.nome);
                    self.findings.changed(Tabela::Atividades, row.id, text);
                    row.nome = nome;
                }
            }
            for (_, outcome) in target::atividades(&mut self.tx, &page).await? {
                self.findings.outcome(Tabela::Atividades, outcome);
            }
        }
    }

    async fn vinculos(&mut self) -> Result<()> {
        let cursor = self.source.vinculos().await.map_err(ImportError::Source)?;
        loop {
            let mut page: Vec<VinculoRow> = self.source.page(&cursor).await.map_err(ImportError::Source)?;
            if page.is_empty() {
                return Ok(());
            }
            for row in &mut page {
                row.id_projeto = self.projetos.aliased(row.id_projeto);
            }
            let outcomes = target::vinculos(&mut self.tx, &page).await?;
            for (row, outcome) in page.iter().zip(outcomes) {
                let why = match outcome {
                    Outcome::NoProjeto => format!("project {} is not here", row.id_projeto),
                    Outcome::NoAtividade => "its activity is not here".to_owned(),
                    _ => {
                        self.findings.outcome(Tabela::Vinculos, outcome);
                        continue;
                    }
                };
                self.findings.refused(Tabela::Vinculos, row.id_atividade, why);
            }
        }
    }

    /// Returns how many work items have hours that are Azure DevOps' already.
    async fn apontamentos(&mut self) -> Result<usize> {
        entries::lock(&mut self.tx).await?;
        let mut written: HashMap<(String, i32), (i64, uuid::Uuid)> = HashMap::new();
        let cursor = self.source.apontamentos().await.map_err(ImportError::Source)?;
        loop {
            let page: Vec<ApontamentoRow> = self.source.page(&cursor).await.map_err(ImportError::Source)?;
            if page.is_empty() {
                break;
            }
            let mut rows = Vec::with_capacity(page.len());
            for row in page {
                let id = row.id;
                match self.entry(row).await? {
                    Ok(entry) => rows.push(entry),
                    Err(why) => self.findings.refused(Tabela::Apontamentos, id, why),
                }
            }
            let outcomes: HashMap<_, _> = entries::insert(&mut self.tx, &rows).await?.into_iter().collect();
            for row in rows {
                match outcomes.get(&row.id).copied() {
                    Some(Outcome::NoAtividade) => {
                        let why = format!("activity {} is not here", row.id_atividade);
                        self.findings.refused(Tabela::Apontamentos, row.id, why);
                    }
                    Some(outcome) => {
                        self.findings.outcome(Tabela::Apontamentos, outcome);
                        if outcome == Outcome::Inserted {
                            let key = (row.organizacao, row.work_item_id);
                            let sum = written.entry(key).or_insert((0, row.id_projeto));
                            *sum = (sum.0 + i64::from(row.minutos), row.id_projeto);
                        }
                    }
                    None => {}
                }
            }
        }
        let work_items = written.len();
        let rows: Vec<Written> = written.into_iter().map(as_written).collect();
        for batch in rows.chunks(BATCH) {
            let busy = entries::adopt_written(&mut self.tx, batch).await?;
            if busy > 0 {
                return Err(ImportError::Busy(busy));
            }
        }
        Ok(work_items)
    }

    /// An entry as we store it, or why we cannot.
    async fn entry(&mut self, row: ApontamentoRow) -> Result<std::result::Result<entries::Entry, String>> {
        let mapped = match map::apontamento(&self.names, row) {
            Ok(mapped) => mapped,
            Err(why) => return Ok(Err(why)),
        };
        let found = self
            .projetos
            .find(&mut self.tx, &mapped.organizacao, &mapped.project_id)
            .await?;
        Ok(found.map(|id_projeto| mapped.in_projeto(id_projeto)))
    }
}

/// What the FastAPI service wrote: hours as a float of unrounded minutes.
fn as_written(
    ((organizacao, work_item_id), (minutos, id_projeto)): ((String, i32), (i64, uuid::Uuid)),
) -> Written {
    let horas = Horas::from_f64(Total(minutos).hours()).unwrap_or_default();
    Written {
        organizacao,
        work_item_id,
        id_projeto,
        horas: horas.millionths(),
    }
}

/// Leaves one row in the audit trail: what an import brought is too much for a row each.
async fn record(tx: &mut Tx, options: &Options, report: &Report) -> Result<()> {
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
    Ok(auditoria::insert(tx, &new).await?)
}
