//! The database that receives the rows: the operations that an import needs, and the rows in our form.

use aponta_domain::organizacao::ChaveOrganizacao;
use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use uuid::Uuid;

use crate::source::{AtividadeRow, ProjetoRow, VinculoRow};

type Result<T> = std::result::Result<T, sqlx::Error>;

/// One transaction on the tables of the service. Existing rows are not changed.
#[expect(
    async_fn_in_trait,
    reason = "an import is one task; nothing needs its futures to be Send"
)]
pub trait Target {
    /// Stores projects, each with the key of its organisation; an empty key stands for none.
    async fn store_projetos(&mut self, rows: &[(ProjetoRow, String)]) -> Result<Vec<StoredProjeto>>;

    /// Stores activities. Deleted activities stay deleted.
    async fn store_atividades(&mut self, rows: &[AtividadeRow]) -> Result<Vec<(Uuid, Outcome)>>;

    /// Stores the pairs of activities and projects. Returns the outcomes in the order of `rows`.
    async fn store_vinculos(&mut self, rows: &[VinculoRow]) -> Result<Vec<Outcome>>;

    /// Returns the key of a project of this organisation by its name. Assigns the organisation to a project
    /// without one.
    async fn projeto_by_name(&mut self, organizacao: &ChaveOrganizacao, nome: &str) -> Result<Option<Uuid>>;

    /// Returns the key of a project of this organisation by our key or the Azure DevOps GUID. Assigns the
    /// organisation to a project without one.
    async fn projeto_by_id(&mut self, organizacao: &ChaveOrganizacao, id: Uuid) -> Result<Option<Uuid>>;

    /// Returns `true` if the project exists in any organisation.
    async fn has_projeto(&mut self, id: Uuid) -> Result<bool>;

    /// Locks the hours that are written back against changes of other transactions, until this one ends.
    async fn lock_hours(&mut self) -> Result<()>;

    /// Stores time entries. Deleted entries stay deleted.
    async fn store_apontamentos(&mut self, rows: &[Entry]) -> Result<Vec<(Uuid, Outcome)>>;

    /// Marks hours as already written to Azure DevOps. Returns the number of work items with a write in
    /// flight.
    async fn adopt_written(&mut self, rows: &[Written]) -> Result<i64>;

    /// Returns the outcome for a PAT that was deleted, or whose organisation has a PAT. Returns `None` for
    /// any other PAT.
    async fn pat_outcome(
        &mut self,
        id: Uuid,
        organizacao: &ChaveOrganizacao,
        atualizado_em: DateTime<Utc>,
    ) -> Result<Option<Outcome>>;

    /// Returns `true` if the vault has a key for the encryption of PATs.
    fn has_vault_key(&self) -> bool;

    /// Encrypts and stores a PAT. Returns `false` if it cannot be encrypted.
    async fn store_pat(&mut self, pat: &NewPat<'_>) -> Result<bool>;

    /// Returns the number of days of a person with more than `minutes` minutes.
    async fn days_above(&mut self, minutes: i32) -> Result<i64>;
}

/// Outcome of storing a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Inserted.
    Inserted,
    /// Already exists and is equal.
    Unchanged,
    /// Already exists and was changed on one side since.
    Differs,
    /// Was deleted here.
    Deleted,
    /// Refers to a project that does not exist here.
    NoProjeto,
    /// Refers to an activity that does not exist here.
    NoAtividade,
}

/// Outcome of storing a project.
#[derive(Debug)]
pub struct StoredProjeto {
    /// Key of the project in the source.
    pub id: Uuid,
    /// Outcome.
    pub outcome: Outcome,
    /// Our key of the same Azure DevOps project, if it differs from `id`.
    pub twin: Option<Uuid>,
}

/// Time entry in our form.
#[derive(Debug)]
pub struct Entry {
    /// Key.
    pub id: Uuid,
    /// Organisation, in canonical form.
    pub organizacao: String,
    /// Our key of the project.
    pub id_projeto: Uuid,
    /// Work item.
    pub work_item_id: i32,
    /// Day.
    pub data: NaiveDate,
    /// Duration in minutes.
    pub minutos: i32,
    /// Activity.
    pub id_atividade: Uuid,
    /// Free text.
    pub comentario: Option<String>,
    /// Owner of the hours.
    pub usuario_id: String,
    /// Name of the owner at that time.
    pub usuario_nome: String,
    /// E-mail of the owner.
    pub usuario_email: Option<String>,
    /// Time of creation.
    pub criado_em: DateTime<Utc>,
    /// Time of the last change.
    pub atualizado_em: DateTime<Utc>,
}

/// Hours of a work item that Azure DevOps has, though this service did not write them.
#[derive(Debug, Clone)]
pub struct Written {
    /// Organisation.
    pub organizacao: String,
    /// Work item.
    pub work_item_id: i32,
    /// Our key of the project.
    pub id_projeto: Uuid,
    /// Millionths of an hour.
    pub horas: i64,
}

/// PAT to be encrypted and stored.
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
    /// Time from which the PAT is no longer used.
    pub expira_em: Option<DateTime<Utc>>,
    /// `true` if the PAT is used.
    pub ativo: bool,
    /// Person that entered the PAT.
    pub criado_por: Option<&'a str>,
    /// Time of creation.
    pub criado_em: DateTime<Utc>,
    /// Time of the last change.
    pub atualizado_em: DateTime<Utc>,
}
