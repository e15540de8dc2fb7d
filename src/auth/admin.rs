//! Proof that a caller is an administrator.

use super::user::CurrentUser;
use crate::error::Result;
use crate::models::papel::Papel;

/// An administrator of all organisations or of some ([`Administered`](super::Administered)). Only
/// [`CurrentUser::into_admin`] constructs the type, so an operation with an `Admin` parameter is unreachable
/// for other callers.
#[derive(Debug, Clone)]
pub struct Admin(CurrentUser);

impl Admin {
    /// Returns the administrator.
    #[must_use]
    pub fn user(&self) -> &CurrentUser {
        &self.0
    }
}

impl CurrentUser {
    /// Converts the caller into an administrator.
    ///
    /// # Errors
    /// As for [`require`](Self::require).
    pub fn into_admin(self) -> Result<Admin> {
        self.require(Papel::Admin)?;
        Ok(Admin(self))
    }
}
