//! Result of a synchronisation of projects.

use chrono::{DateTime, Utc};

use super::organizacao::NomeOrganizacao;

/// Result for the organisations of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sincronizacao {
    /// Time of the calls to Azure DevOps.
    pub at: DateTime<Utc>,
    /// Results by organisation, in the order of the configuration.
    pub organizacoes: Vec<OrganizacaoSincronizada>,
}

/// Result for one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizacaoSincronizada {
    /// Name of the organisation.
    pub nome: NomeOrganizacao,
    /// Origin of the credential that was used.
    pub origem: Origem,
    /// Number of projects that Azure DevOps listed, or the reason of the failure, a sentence for people.
    pub listados: Result<usize, String>,
    /// Number of projects now in the database.
    pub synced: usize,
    /// Number of projects that were new.
    pub created: usize,
    /// Number of projects that are gone from Azure DevOps and were flagged.
    pub deleted: usize,
}

/// Origin of the credential for an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origem {
    /// The vault.
    Database,
    /// The configuration.
    Environment,
    /// The caller.
    Caller,
}

impl Sincronizacao {
    /// Returns the number of projects that Azure DevOps listed.
    #[must_use]
    pub fn total_azure(&self) -> usize {
        self.organizacoes
            .iter()
            .filter_map(|o| o.listados.as_ref().ok())
            .sum()
    }

    /// Returns the number of projects now in the database.
    #[must_use]
    pub fn synced(&self) -> usize {
        self.organizacoes.iter().map(|o| o.synced).sum()
    }

    /// Returns the number of projects that were new.
    #[must_use]
    pub fn created(&self) -> usize {
        self.organizacoes.iter().map(|o| o.created).sum()
    }

    /// Returns the number of projects that are gone from Azure DevOps and were flagged.
    #[must_use]
    pub fn deleted(&self) -> usize {
        self.organizacoes.iter().map(|o| o.deleted).sum()
    }

    /// Returns the number of organisations that could not be listed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.organizacoes.iter().filter(|o| o.listados.is_err()).count()
    }
}
