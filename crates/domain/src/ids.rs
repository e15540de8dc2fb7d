//! Typed keys, one type per table, so that the compiler rejects swapped ids.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Parses the id of a person in the forms of Azure DevOps, .NET and users: any case, with or without hyphens,
/// with or without braces.
#[must_use]
pub fn person_id(text: &str) -> Option<Uuid> {
    let text = text.trim();
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    Uuid::try_parse(bare.unwrap_or(text)).ok()
}

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
    /// Key of `projetos`. Equals the Azure DevOps GUID for every project that a sync created.
    ProjetoId
);

typed_id!(
    /// Key of `organization_pats`.
    OrganizationPatId
);

impl AtividadeId {
    /// Creates a new key. Version 7 keeps inserts at the right end of the index.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl OrganizationPatId {
    /// Creates a new key of version 7.
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
    /// Creates a new key of version 7.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_the_same_in_each_form() {
        let id = Uuid::from_u128(0x3f0a_5c11_2222_4b4b_8c8c_5d5d_5d5d_5d5d);
        for text in [
            "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d",
            " 3F0A5C11-2222-4B4B-8C8C-5D5D5D5D5D5D ",
            "3f0a5c1122224b4b8c8c5d5d5d5d5d5d",
            "{3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d}",
            "{3F0A5C1122224B4B8C8C5D5D5D5D5D5D}",
        ] {
            assert_eq!(person_id(text), Some(id), "{text}");
        }
        for bad in [
            "",
            "{}",
            "{3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d",
            "3f0a5c11",
            "ana@x.example",
        ] {
            assert_eq!(person_id(bad), None, "{bad}");
        }
    }
}
