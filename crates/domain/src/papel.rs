//! Roles.

/// Role of a caller: the rights beyond the caller's own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Papel {
    /// Administers the installation.
    Admin,
    /// Every other caller.
    Membro,
}

impl Papel {
    /// Returns the word used on the wire and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Membro => "membro",
        }
    }
}
