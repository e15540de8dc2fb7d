//! Maps a violated constraint to an error of the application, by the constraint's name, and detects a lock
//! timeout.

use std::error::Error as StdError;

use sqlx::error::DatabaseError;

use super::Error;

/// SQLSTATE of a lock timeout (PostgreSQL manual, appendix A).
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Mapping of constraint violations in results of repositories.
pub trait OnConstraint<T> {
    /// Replaces a violation of the constraint `name` by `f()`; other errors are passed on.
    ///
    /// # Errors
    /// As described.
    fn on_constraint(self, name: &str, f: impl FnOnce() -> Error) -> Result<T, Error>;

    /// Replaces a violation of any foreign key by `f()`: for deletes, where it is irrelevant which row refers
    /// to the deleted one.
    ///
    /// # Errors
    /// As described.
    fn on_foreign_key(self, f: impl FnOnce() -> Error) -> Result<T, Error>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint(self, name: &str, f: impl FnOnce() -> Error) -> Result<T, Error> {
        self.map_err(|error| match &error {
            sqlx::Error::Database(e) if e.constraint() == Some(name) => f(),
            _ => error.into(),
        })
    }

    fn on_foreign_key(self, f: impl FnOnce() -> Error) -> Result<T, Error> {
        self.map_err(|error| match &error {
            sqlx::Error::Database(e) if e.is_foreign_key_violation() => f(),
            _ => error.into(),
        })
    }
}

/// Returns `true` if a statement timed out waiting for a lock of another transaction.
#[must_use]
pub fn is_locked_out(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let database = error
            .downcast_ref::<sqlx::Error>()
            .and_then(sqlx::Error::as_database_error);
        let code = database.and_then(DatabaseError::code);
        if code.as_deref() == Some(LOCK_NOT_AVAILABLE) {
            return true;
        }
        next = error.source();
    }
    false
}
