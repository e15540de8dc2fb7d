//! The caller, once proved. Knows no HTTP.

/// What a caller may do beyond their own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Papel {
    /// May administer the organisation.
    Admin,
    /// Everybody else.
    Membro,
}

/// A proved caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentUser {
    /// Azure DevOps identity GUID (or the mock id).
    pub id: String,
    /// Display name.
    pub nome: String,
    /// E-mail, where Azure DevOps tells it.
    pub email: Option<String>,
    /// Role.
    pub papel: Papel,
}

impl CurrentUser {
    /// The user that everybody is while authentication is off.
    #[must_use]
    pub fn mock() -> Self {
        Self {
            id: "dev-user-001".to_owned(),
            nome: "Dev User".to_owned(),
            email: Some("dev@localhost".to_owned()),
            papel: Papel::Admin,
        }
    }

    /// What `criado_por` holds: the e-mail, else the name.
    #[must_use]
    pub fn signature(&self) -> &str {
        self.email.as_deref().unwrap_or(&self.nome)
    }
}
