//! Names of the two roles that transactions run under. Neither owns a table nor can bypass row-level
//! security.
//!
//! They are named after the schema (`<schema>_app`, `<schema>_maintenance`) but belong to the cluster:
//! installations that share one need schemas of different names. The login of the service may set both and
//! inherits from neither: a statement outside a transaction of ours sees no row. `schema` creates them.

use crate::config::Identifier;

/// Names of the roles of one schema; validated identifiers, safe in SQL as they are.
#[derive(Debug, Clone)]
pub struct Roles {
    /// The schema.
    pub schema: Identifier,
    /// Role of callers: sees the rows of the organisations that the transaction names.
    pub app: String,
    /// Role of synchronisation, vault and sample data: sees every row.
    pub maintenance: String,
}

impl Roles {
    /// Returns the names for a schema.
    #[must_use]
    pub fn of(schema: &Identifier) -> Self {
        Self {
            app: format!("{schema}_app"),
            maintenance: format!("{schema}_maintenance"),
            schema: schema.clone(),
        }
    }
}
