//! Projects: mirrored from Azure DevOps, never created by users.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ids::ProjetoId;
use super::organizacao::ChaveOrganizacao;

/// `estado` of a project that is gone from Azure DevOps. Its row stays, because hours were logged on the
/// project.
pub const DELETED: &str = "deleted";

/// Project as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projeto {
    /// Our key; equals `external_id` except for rows imported from older databases.
    pub id: ProjetoId,
    /// GUID of the project in Azure DevOps.
    pub external_id: Uuid,
    /// Name in Azure DevOps.
    pub nome: String,
    /// Description in Azure DevOps.
    pub descricao: Option<String>,
    /// REST address of the project in Azure DevOps.
    pub url: Option<String>,
    /// `wellFormed`, `createPending`, ... as spelled by Azure DevOps; `deleted` once the project is gone
    /// there.
    pub estado: Option<String>,
    /// Current name of the organisation of the project.
    pub organizacao: Option<String>,
    /// Time when a sync last found the project.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// Time of creation of the row.
    pub created_at: DateTime<Utc>,
    /// Time of the last change of the row.
    pub updated_at: DateTime<Utc>,
}

/// Project as a field of another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjetoRef {
    /// Our key.
    pub id: ProjetoId,
    /// Name in Azure DevOps.
    pub nome: String,
}

/// Project as reported by Azure DevOps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjetoUpstream {
    /// GUID of the project.
    pub external_id: Uuid,
    /// Name.
    pub nome: String,
    /// Description.
    pub descricao: Option<String>,
    /// REST address.
    pub url: Option<String>,
    /// State.
    pub estado: Option<String>,
    /// Key of the organisation.
    pub organizacao: ChaveOrganizacao,
}
