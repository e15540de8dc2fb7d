//! Turns a violated constraint into an error of the application, by the constraint's name.

use crate::error::Error;

/// Adds constraint mapping to results of repositories.
pub trait OnConstraint<T> {
    /// When the named constraint refused the statement, the error is `f()`; others pass through.
    ///
    /// # Errors
    /// As described.
    fn on_constraint(self, name: &str, f: impl FnOnce() -> Error) -> Result<T, Error>;

    /// When any foreign key refused the statement, the error is `f()`: for deletes, where it does not matter who
    /// still points at the row.
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
