//! The database that takes the rows: what an import asks of it, and the rows as it stores them.

use aponta_domain::organizacao::ChaveOrganizacao;
use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use uuid::Uuid;

use crate::source::{AtividadeRow, ProjetoRow, VinculoRow};

type Result<T> = std::result::Result<T, sqlx::Error>;

/// One transaction on the tables of the service. Rows that are there stay as they are.
#[expect(
    async_fn_in_trait,
    reason = "an import is one task; nothing needs its futures to be Send"
)]
pub trait Target {
    /// Stores projects with the key of their organisation, which is empty for none.
    async fn store_projetos(&mut self, rows: &[(ProjetoRow, String)]) -> Result<Vec<StoredProjeto>>;

    /// Stores activities. What was deleted stays deleted.
    async fn store_atividades(&mut self, rows: &[AtividadeRow]) -> Result<Vec<(Uuid, Outcome)>>;

    /// Stores which activities belong to which projects; returns the outcomes in the order of `rows`.
    async fn store_vinculos(&mut self, rows: &[VinculoRow]) -> Result<Vec<Outcome>>;

    /// Returns the key of a project of this organisation by its name. A project without an organisation is
    /// given this one.
    async fn projeto_by_name(&mut self, organizacao: &ChaveOrganizacao, nome: &str) -> Result<Option<Uuid>>;

    /// Returns the key of a project of this organisation by key or Azure DevOps GUID, likewise.
    async fn projeto_by_id(&mut self, organizacao: &ChaveOrganizacao, id: Uuid) -> Result<Option<Uuid>>;

    /// Returns `true` if any organisation has this project.
    async fn has_projeto(&mut self, id: Uuid) -> Result<bool>;

    /// Keeps other transactions from changing hours that are written back, until this one ends.
    async fn lock_hours(&mut self) -> Result<()>;

    /// Stores time entries. What was deleted stays deleted.
    async fn store_apontamentos(&mut self, rows: &[Entry]) -> Result<Vec<(Uuid, Outcome)>>;

    /// Marks hours as written to Azure DevOps already; returns the number of work items being written at this
    /// moment.
    async fn adopt_written(&mut self, rows: &[Written]) -> Result<i64>;

    /// Returns the outcome for a PAT whose organisation has one, or that was deleted.
    async fn pat_outcome(
        &mut self,
        id: Uuid,
        organizacao: &ChaveOrganizacao,
        atualizado_em: DateTime<Utc>,
    ) -> Result<Option<Outcome>>;

    /// Returns `true` if the vault has a key to encrypt PATs with.
    fn has_vault_key(&self) -> bool;

    /// Encrypts and stores a PAT; returns `false` if it cannot be encrypted.
    async fn store_pat(&mut self, pat: &NewPat<'_>) -> Result<bool>;

    /// Returns how many days of a person hold more than so many minutes.
    async fn days_above(&mut self, minutes: i32) -> Result<i64>;
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored.
    Inserted,
    /// Here already, the same.
    Unchanged,
    /// Here already, and changed on one side since.
    Differs,
    /// Was here, and was deleted.
    Deleted,
    /// Names a project that is not here.
    NoProjeto,
    /// Names an activity that is not here.
    NoAtividade,
}

/// What became of a project.
#[derive(Debug)]
pub struct StoredProjeto {
    /// Its key there.
    pub id: Uuid,
    /// What became of it.
    pub outcome: Outcome,
    /// The same project of Azure DevOps, here under another key.
    pub twin: Option<Uuid>,
}

/// A time entry as we store it.
#[derive(Debug)]
pub struct Entry {
    /// Key.
    pub id: Uuid,
    /// Organisation, in canonical form.
    pub organizacao: String,
    /// Project's key here.
    pub id_projeto: Uuid,
    /// Work item.
    pub work_item_id: i32,
    /// Day.
    pub data: NaiveDate,
    /// How long.
    pub minutos: i32,
    /// At what.
    pub id_atividade: Uuid,
    /// Free text.
    pub comentario: Option<String>,
    /// Owner of the hours.
    pub usuario_id: String,
    /// Their name then.
    pub usuario_nome: String,
    /// Their e-mail.
    pub usuario_email: Option<String>,
    /// When it was made.
    pub criado_em: DateTime<Utc>,
    /// When it last changed.
    pub atualizado_em: DateTime<Utc>,
}

/// Hours of a work item that Azure DevOps has, though not from us.
#[derive(Debug, Clone)]
pub struct Written {
    /// Organisation.
    pub organizacao: String,
    /// Work item.
    pub work_item_id: i32,
    /// Its project's key here.
    pub id_projeto: Uuid,
    /// Millionths of an hour.
    pub horas: i64,
}

/// A PAT to encrypt and store.
#[derive(Debug)]
pub struct NewPat<'a> {
    /// Key.
    pub id: Uuid,
    /// Organisation.
    pub organizacao: &'a ChaveOrganizacao,
    /// Address for people.
    pub organization_url: &'a str,
    /// The PAT.
    pub pat: &'a SecretString,
    /// Notes.
    pub descricao: Option<&'a str>,
    /// When it stops being used.
    pub expira_em: Option<DateTime<Utc>>,
    /// Whether it is used.
    pub ativo: bool,
    /// Person that entered it.
    pub criado_por: Option<&'a str>,
    /// When it was made.
    pub criado_em: DateTime<Utc>,
    /// When it last changed.
    pub atualizado_em: DateTime<Utc>,
}
