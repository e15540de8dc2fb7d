//! What a synchronisation of projects found and did.

use chrono::{DateTime, Utc};

use super::organizacao::NomeOrganizacao;

/// The outcome over the organisations of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sincronizacao {
    /// When Azure DevOps was asked.
    pub at: DateTime<Utc>,
    /// Each organisation, in the order of the configuration.
    pub organizacoes: Vec<OrganizacaoSincronizada>,
}

/// The outcome for one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizacaoSincronizada {
    /// Its name.
    pub nome: NomeOrganizacao,
    /// Origin of the credential that was used there.
    pub origem: Origem,
    /// Projects that Azure DevOps listed; why it did not, in a sentence for people.
    pub listados: Result<usize, String>,
    /// Projects that now stand in the database.
    pub synced: usize,
    /// Those that were not there before.
    pub created: usize,
    /// Those that vanished from Azure DevOps and were flagged.
    pub deleted: usize,
}

/// Where the credential for an organisation comes from.
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
    /// Projects that Azure DevOps listed.
    #[must_use]
    pub fn total_azure(&self) -> usize {
        self.organizacoes
            .iter()
            .filter_map(|o| o.listados.as_ref().ok())
            .sum()
    }

    /// Projects that now stand in the database.
    #[must_use]
    pub fn synced(&self) -> usize {
        self.organizacoes.iter().map(|o| o.synced).sum()
    }

    /// Those that were not there before.
    #[must_use]
    pub fn created(&self) -> usize {
        self.organizacoes.iter().map(|o| o.created).sum()
    }

    /// Those that vanished from Azure DevOps and were flagged.
    #[must_use]
    pub fn deleted(&self) -> usize {
        self.organizacoes.iter().map(|o| o.deleted).sum()
    }

    /// Organisations that could not be listed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.organizacoes.iter().filter(|o| o.listados.is_err()).count()
    }
}
