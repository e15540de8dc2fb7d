//! Typed keys, one per table, so that two ids cannot be swapped in a call.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

typed_id!(
    /// Key of `atividades`.
    AtividadeId
);
typed_id!(
    /// Key of `projetos`. Equal to the Azure DevOps GUID for every project that a sync created.
    ProjetoId
);

typed_id!(
    /// Key of `organization_pats`.
    OrganizationPatId
);

impl AtividadeId {
    /// A new key. Version 7 keeps the index appending at its right end.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl OrganizationPatId {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

typed_id!(
    /// Key of `apontamentos`.
    ApontamentoId
);

impl ApontamentoId {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}
