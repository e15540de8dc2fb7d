//! The caller, once proved. Knows no HTTP.

use crate::azure_devops::{Credential, Organizacao};

/// What a caller may do beyond their own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Papel {
    /// May administer the organisation.
    Admin,
    /// Everybody else.
    Membro,
}

/// A proved caller.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    /// Azure DevOps identity GUID (or the mock id).
    pub id: String,
    /// Display name.
    pub nome: String,
    /// Whether Azure DevOps told the name; else it is made up of the id.
    pub nome_known: bool,
    /// E-mail, where Azure DevOps tells it.
    pub email: Option<String>,
    /// Role.
    pub papel: Papel,
    /// Organisations that accepted the caller, the default one first.
    pub organizacoes: Vec<Organizacao>,
    /// Key of the caller's picture in the first of them.
    pub subject_descriptor: Option<String>,
    /// What the caller showed, for reads of Azure DevOps on their behalf. App tokens are of no use there.
    pub credential: Option<Credential>,
}

impl CurrentUser {
    /// The user that everybody is while authentication is off: a member of every organisation, with no credential.
    #[must_use]
    pub fn mock(organizacoes: Vec<Organizacao>) -> Self {
        Self {
            id: "dev-user-001".to_owned(),
            nome: "Dev User".to_owned(),
            nome_known: true,
            email: Some("dev@localhost".to_owned()),
            papel: Papel::Admin,
            organizacoes,
            subject_descriptor: None,
            credential: None,
        }
    }

    /// What `criado_por` holds: the e-mail, else the name.
    #[must_use]
    pub fn signature(&self) -> &str {
        self.email.as_deref().unwrap_or(&self.nome)
    }
}
