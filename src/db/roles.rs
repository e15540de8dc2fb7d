//! Names of the two roles of transactions. Neither owns a table nor can bypass row-level security.
//!
//! The roles are named after the schema (`<schema>_app`, `<schema>_maintenance`) but belong to the cluster:
//! installations in one cluster need schemas of different names. The service's login may set both and
//! inherits from neither: a statement outside a `Tx` sees no row. `schema` creates
//! the roles.

use crate::config::Identifier;

/// Names of the roles of one schema; validated identifiers, which can be inserted into SQL without quoting.
#[derive(Debug, Clone)]
pub struct Roles {
    /// The schema.
    pub schema: Identifier,
    /// Role for callers: sees the rows of the transaction's organisations.
    pub app: String,
    /// Role for synchronisation, vault and sample data: sees every row.
    pub maintenance: String,
}

impl Roles {
    /// Returns the role names of a schema.
    #[must_use]
    pub fn of(schema: &Identifier) -> Self {
        Self {
            app: format!("{schema}_app"),
            maintenance: format!("{schema}_maintenance"),
            schema: schema.clone(),
        }
    }
}
