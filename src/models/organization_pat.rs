//! PATs of organisations, as the vault keeps them.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::ids::OrganizationPatId;
use super::organizacao::{ChaveOrganizacao, NomeOrganizacao};

/// A row of the vault. The PAT is encrypted.
#[derive(Debug, Clone)]
pub struct OrganizationPat {
    /// Key.
    pub id: OrganizationPatId,
    /// Key of the organisation; the only PAT of it.
    pub organizacao: ChaveOrganizacao,
    /// Present name of the organisation; `None` when another one took it over.
    pub organizacao_nome: Option<String>,
    /// Address for people; nothing is ever sent there.
    pub organization_url: String,
    /// Nonce, ciphertext and tag.
    pub pat_cifrado: Vec<u8>,
    /// Key that it is encrypted with.
    pub chave_id: String,
    /// Notes.
    pub descricao: Option<String>,
    /// When it stops being used.
    pub expira_em: Option<DateTime<Utc>>,
    /// Whether it is used.
    pub ativo: bool,
    /// When Azure DevOps last accepted it.
    pub validado_em: Option<DateTime<Utc>>,
    /// Who entered it.
    pub criado_por: Option<String>,
    /// When.
    pub criado_em: DateTime<Utc>,
    /// When it last changed.
    pub atualizado_em: DateTime<Utc>,
    /// It has expired.
    pub expirado: bool,
    /// It expires within a week.
    pub expira_em_breve: bool,
}

impl OrganizationPat {
    /// What the organisation is called, or its key where that is not known.
    #[must_use]
    pub fn nome_or_chave(&self) -> String {
        let nome = self.organizacao_nome.clone();
        nome.unwrap_or_else(|| self.organizacao.to_string())
    }
}

/// What somebody enters.
#[derive(Debug, Clone)]
pub struct NewOrganizationPat {
    /// Organisation.
    pub organizacao: NomeOrganizacao,
    /// Address for people.
    pub organization_url: Option<String>,
    /// The PAT.
    pub pat: SecretString,
    /// Notes.
    pub descricao: Option<String>,
    /// When it stops being used.
    pub expira_em: Option<DateTime<Utc>>,
    /// Whether it is used.
    pub ativo: bool,
}

/// What somebody changes: `None` leaves a value as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct OrganizationPatChanges {
    /// Address for people.
    pub organization_url: Option<String>,
    /// The PAT.
    pub pat: Option<SecretString>,
    /// Notes.
    pub descricao: Option<Option<String>>,
    /// When it stops being used.
    pub expira_em: Option<Option<DateTime<Utc>>>,
    /// Whether it is used.
    pub ativo: Option<bool>,
}

/// A row as people may see it.
#[derive(Debug, Clone)]
pub struct MaskedPat {
    /// The row.
    pub row: OrganizationPat,
    /// The PAT with all but its ends hidden; `None` when it cannot be read.
    pub pat_masked: Option<String>,
}

/// What Azure DevOps says of a PAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether it works.
    pub valid: bool,
    /// Organisation that was asked; empty when there was none.
    pub organizacao: String,
    /// Sentence for people.
    pub message: String,
    /// Names of the projects that it sees.
    pub projects: Option<Vec<String>>,
}
