//! The proof that a caller administers something.

use super::user::CurrentUser;
use crate::error::Result;
use crate::models::papel::Papel;

/// An administrator, of all organisations or of some ([`Administered`](super::Administered)). Only
/// [`CurrentUser::into_admin`] makes one, so an operation that asks for it cannot be reached by another
/// caller.
#[derive(Debug, Clone)]
pub struct Admin(CurrentUser);

impl Admin {
    /// The administrator.
    #[must_use]
    pub fn user(&self) -> &CurrentUser {
        &self.0
    }
}

impl CurrentUser {
    /// The same caller as an administrator.
    ///
    /// # Errors
    /// As for [`require`](Self::require).
    pub fn into_admin(self) -> Result<Admin> {
        self.require(Papel::Admin)?;
        Ok(Admin(self))
    }
}
