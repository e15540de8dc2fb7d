//! Parameters and bodies of `/organization-pats`.

use chrono::{DateTime, Utc};
use serde_json::json;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::edge::fields::{
    Blankable, Flag, Nullable, Number, Optional, OrBlank, OrNull, Required, Secret, Text, fields,
};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::organization_pat::{NewOrganizationPat, OrganizationPatChanges, OrganizationUrl};
use crate::models::page::Page;

/// Path of one PAT.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiPath reads")]
pub(super) struct OrganizationPatIdParam {
    /// Id of the PAT.
    #[param(example = "01932b5c-7c00-7000-8000-000000000003")]
    pat_id: Uuid,
}

fields! {
    /// Selects a part of the list.
    pub(super) struct VaultPageParams {
        /// Number of items to skip.
        skip: Number<0, { i64::MAX }, 0> = 0,
        /// Maximum number of items to return.
        limit: Number<1, 500, 100> = 100,
    }
}

impl From<VaultPageParams> for Page {
    fn from(params: VaultPageParams) -> Self {
        Self {
            skip: params.skip,
            limit: params.limit,
        }
    }
}

fields! {
    /// Selects the PATs to list.
    pub(super) struct OnlyActiveParams {
        /// Returns only PATs that are in use.
        pub(super) only_active: Flag<false> = false,
    }
}

fields! {
    /// Decides how a PAT is stored.
    pub(super) struct ValidateFirstParams {
        /// Stores the PAT only if Azure DevOps accepts it. A missing scope does not prevent that.
        pub(super) validate_first: Flag<true> = true,
    }
}

fields! {
    /// A PAT to store.
    pub(super) struct OrganizationPatCreate {
        /// Azure DevOps organisation that the PAT is for.
        organization_name: Required<NomeOrganizacao>,
        /// Address to show to people; the service never calls it. It must be `https` without user, query and
        /// fragment; `http` is accepted for this machine outside production. Blank or null stands for the
        /// address in Azure DevOps Services.
        organization_url: Blankable<OrganizationUrl> = "https://dev.azure.com/contoso",
        /// The PAT itself. It is stored encrypted.
        pat: Required<Secret<10, 2_000>>,
        /// Notes for administrators.
        descricao: Nullable<Text<10_000>>,
        /// Instant after which the PAT is not used. Without an offset it is UTC; blank means never.
        expira_em: Blankable<DateTime<Utc>>,
        /// `true` if the service uses the PAT.
        ativo: Flag<true>,
    }
    example = json!({"organization_name": "contoso", "pat": "the-pat-of-contoso", "descricao": "Equipe Portal",
        "expira_em": "2026-12-31T23:59:59Z"});
}

impl From<OrganizationPatCreate> for NewOrganizationPat {
    fn from(body: OrganizationPatCreate) -> Self {
        Self {
            organizacao: body.organization_name,
            organization_url: body.organization_url,
            pat: body.pat,
            descricao: body.descricao.and_then(not_blank),
            expira_em: body.expira_em,
            ativo: body.ativo,
        }
    }
}

fields! {
    /// Changes to a stored PAT. An absent key changes nothing.
    pub(super) struct OrganizationPatUpdate {
        /// New address to show to people, by the rules of creation. Blank or null changes nothing.
        organization_url: Blankable<OrganizationUrl> = "https://dev.azure.com/contoso",
        /// The new PAT. Blank or null changes nothing.
        pat: Nullable<Secret<10, 2_000>>,
        /// New notes. Null clears them.
        descricao: Optional<OrNull<Text<10_000>>>,
        /// New instant after which the PAT is not used. Null or blank means never.
        expira_em: Optional<OrBlank<DateTime<Utc>>>,
        /// `true` if the service uses the PAT. Null changes nothing.
        ativo: Nullable<bool>,
    }
    example = json!({"descricao": "Equipe Portal", "ativo": true});
}

impl From<OrganizationPatUpdate> for OrganizationPatChanges {
    fn from(body: OrganizationPatUpdate) -> Self {
        Self {
            organization_url: body.organization_url,
            pat: body.pat,
            descricao: body.descricao.map(|text| text.and_then(not_blank)),
            expira_em: body.expira_em,
            ativo: body.ativo,
        }
    }
}

fields! {
    /// A PAT to try.
    pub(super) struct ValidateRequest {
        /// Azure DevOps organisation to ask.
        pub(super) organization_name: Required<NomeOrganizacao>,
        /// The PAT to try.
        pub(super) pat: Required<Secret<1, 2_000>>,
    }
    example = json!({"organization_name": "contoso", "pat": "the-pat-of-contoso"});
}

fn not_blank(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::arbitrary;
    use crate::edge::fields::read;

    proptest! {
        #[test]
        fn any_invalid_body_never_prints_the_pat(
            body in arbitrary::mutated(&json!({"organization_name": "contoso", "expira_em": "2026-12-31T23:59:59Z",
                "ativo": true})),
            around in prop_oneof![arbitrary::text(), "[!-~]{0,30}", "[!-~]{990,1010}"], nested: bool,
        ) {
            let mut body = if body.is_object() { body } else { json!({}) };
            let pat = format!("{around}c4n4ry{around}");
            body["pat"] = if nested { json!([pat]) } else { json!(pat) };
            let printed = match read::<OrganizationPatCreate>("body", &body) {
                Ok(request) => {
                    let printed = format!("{request:?}");
                    let stored = NewOrganizationPat::from(request).pat;
                    prop_assert_eq!(stored.expose_secret(), pat.trim());
                    prop_assert!((10..=2_000).contains(&pat.trim().len()));
                    printed
                }
                Err(failures) => format!("{failures:?}"),
            };
            prop_assert!(!printed.contains("c4n4ry"), "{}", printed);
            let printed = match read::<ValidateRequest>("body", &body) {
                Ok(request) => format!("{request:?}"),
                Err(failures) => format!("{failures:?}"),
            };
            prop_assert!(!printed.contains("c4n4ry"), "{}", printed);
        }
    }
}
