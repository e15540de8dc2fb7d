//! Projects: mirrored from Azure DevOps, never created by hand.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ids::ProjetoId;
use super::organizacao::ChaveOrganizacao;

/// `estado` of a project that vanished from Azure DevOps. Such projects stay: hours were logged on them.
pub const DELETED: &str = "deleted";

/// A project as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projeto {
    /// Our key; equals `external_id` except for rows taken over from older databases.
    pub id: ProjetoId,
    /// The project's GUID in Azure DevOps.
    pub external_id: Uuid,
    /// Name in Azure DevOps.
    pub nome: String,
    /// Description in Azure DevOps.
    pub descricao: Option<String>,
    /// REST address of the project in Azure DevOps.
    pub url: Option<String>,
    /// `wellFormed`, `createPending`, ... as Azure DevOps spells them; `deleted` once it vanished there.
    pub estado: Option<String>,
    /// Present name of the organisation that the project belongs to.
    pub organizacao: Option<String>,
    /// When a sync last saw the project.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// A project as another object shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjetoRef {
    /// Our key.
    pub id: ProjetoId,
    /// Name in Azure DevOps.
    pub nome: String,
}

/// What Azure DevOps says of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjetoUpstream {
    /// The project's GUID.
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
