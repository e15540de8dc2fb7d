//! Roles.

/// What a caller may do beyond their own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Papel {
    /// Administers the installation.
    Admin,
    /// Every other caller.
    Membro,
}

impl Papel {
    /// As it stands on the wire and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Membro => "membro",
        }
    }
}
