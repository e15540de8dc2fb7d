//! Reads a database of the FastAPI service ([`Source`]), maps its projects, activities, time entries and
//! PATs, and stores them in a [`Target`], each row under its own key. `docs/import-legacy.md` documents the
//! rules for operators.

mod fernet;
mod layout;
mod map;
mod projetos;
mod report;
mod source;
mod target;
mod vault;

use std::collections::HashMap;

use aponta_domain::duracao::Total;
use aponta_domain::horas::Horas;
use aponta_domain::organizacao::{Names, NomeOrganizacao};
use secrecy::SecretString;

pub use layout::NotLegacy;
use projetos::Projetos;
pub use report::{Counts, Finding, Report};
use report::{Findings, Tabela};
pub use source::{ApontamentoRow, AtividadeRow, PatRow, ProjetoRow, Source, Unusable, VinculoRow};
pub use target::{Entry, NewPat, Outcome, StoredProjeto, Target, Written};

/// Maximum number of work items that are passed to the outbox in one call.
const BATCH: usize = 1_000;

/// Options of an import.
#[derive(Debug)]
pub struct Options {
    /// Organisation of projects without one.
    pub organizacao: Option<NomeOrganizacao>,
    /// Key with which the vault of the FastAPI service is encrypted; without a key the vault is not imported.
    pub legacy_key: Option<SecretString>,
    /// Maximum minutes per person and day; the report counts the days above it.
    pub max_minutes_per_day: u16,
}

/// Reason why an import failed; nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source is missing or unsuitable.
    #[error("source database: {0}")]
    Unusable(#[from] Unusable),
    /// Reading the source failed.
    #[error("cannot read the source database")]
    Source(#[source] sqlx::Error),
    /// Writing to our database failed.
    #[error("cannot write to the target database")]
    Target(#[from] sqlx::Error),
    /// Hours are being written to Azure DevOps, and could not be distinguished from imported ones.
    #[error(
        "hours of {0} of the work items are being written to Azure DevOps at this moment; \
         try again when nothing is pending"
    )]
    Busy(i64),
}

type Result<T> = std::result::Result<T, ImportError>;

/// Reads the whole `source` and stores its rows in `target`, which the caller commits or rolls back. Reports
/// each row that was rejected or changed to `found`. `names` are the organisations of the target.
///
/// # Errors
/// Returns an [`ImportError`]; the caller must then roll back.
pub async fn import(
    source: Source,
    target: &mut impl Target,
    names: Names,
    options: &Options,
    found: &mut dyn FnMut(&Finding),
) -> Result<Report> {
    let mut run = Run {
        source,
        target,
        names,
        options,
        findings: Findings::new(found),
        projetos: Projetos::default(),
    };
    run.projetos().await?;
    run.atividades().await?;
    run.vinculos().await?;
    let work_items = run.apontamentos().await?;
    run.vault().await?;
    let days_above = run.target.days_above(options.max_minutes_per_day.into()).await?;
    let report = run.findings.report(work_items, days_above);
    run.source.close().await;
    Ok(report)
}

/// Import in progress.
struct Run<'a, T> {
    source: Source,
    target: &'a mut T,
    names: Names,
    options: &'a Options,
    findings: Findings<'a>,
    projetos: Projetos,
}

impl<T: Target> Run<'_, T> {
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
            for stored in self.target.store_projetos(&rows).await? {
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
            for (_, outcome) in self.target.store_atividades(&page).await? {
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
            let outcomes = self.target.store_vinculos(&page).await?;
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

    /// Imports the time entries. Returns the number of work items whose imported hours Azure DevOps already
    /// has.
    async fn apontamentos(&mut self) -> Result<usize> {
        self.target.lock_hours().await?;
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
            let outcomes: HashMap<_, _> = self.target.store_apontamentos(&rows).await?.into_iter().collect();
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
            let busy = self.target.adopt_written(batch).await?;
            if busy > 0 {
                return Err(ImportError::Busy(busy));
            }
        }
        Ok(work_items)
    }

    /// Maps an entry to our form. The inner error is the reason why the entry is rejected.
    async fn entry(&mut self, row: ApontamentoRow) -> Result<std::result::Result<Entry, String>> {
        let mapped = match map::apontamento(&self.names, row) {
            Ok(mapped) => mapped,
            Err(why) => return Ok(Err(why)),
        };
        let found = self
            .projetos
            .find(self.target, &mapped.organizacao, &mapped.project_id)
            .await?;
        Ok(found.map(|id_projeto| mapped.in_projeto(id_projeto)))
    }
}

/// Returns the hours as the FastAPI service wrote them: a float converted from the minutes without rounding.
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
