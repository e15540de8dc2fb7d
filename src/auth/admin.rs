//! The proof that a caller administers the installation.

use super::user::CurrentUser;
use crate::error::Result;
use crate::models::papel::Papel;

/// An administrator. Only [`CurrentUser::into_admin`] makes one, so what asks for it cannot be reached by anybody else.
#[derive(Debug, Clone)]
pub struct Admin(CurrentUser);

impl Admin {
    /// Who it is.
    #[must_use]
    pub fn user(&self) -> &CurrentUser {
        &self.0
    }
}

impl CurrentUser {
    /// The same caller as an administrator.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::error::Error::Forbidden) for everybody else.
    pub fn into_admin(self) -> Result<Admin> {
        self.require(Papel::Admin)?;
        Ok(Admin(self))
    }
}
