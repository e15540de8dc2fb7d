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
    /// Which part of the list.
    pub(super) struct VaultPageParams {
        /// Items to leave out.
        skip: Number<0, { i64::MAX }, 0> = 0,
        /// Items to return at the most.
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
    /// Which PATs.
    pub(super) struct OnlyActiveParams {
        /// Only those in use.
        pub(super) only_active: Flag<false> = false,
    }
}

fields! {
    /// How to store.
    pub(super) struct ValidateFirstParams {
        /// Store only a PAT that Azure DevOps accepts. Missing scopes do not refuse it.
        pub(super) validate_first: Flag<true> = true,
    }
}

fields! {
    /// A PAT to store.
    pub(super) struct OrganizationPatCreate {
        /// Azure DevOps organisation.
        organization_name: Required<NomeOrganizacao>,
        /// Address for people; nothing is ever sent there. It is `https`, without user, parameters and fragment; `http`
        /// only for this machine, and not in production. Blank or null: that of Azure DevOps Services.
        organization_url: Blankable<OrganizationUrl> = "https://dev.azure.com/contoso",
        /// The PAT.
        pat: Required<Secret<10, 2_000>>,
        /// Notes.
        descricao: Nullable<Text<10_000>>,
        /// When it stops being used; without an offset it is UTC. Blank means never.
        expira_em: Blankable<DateTime<Utc>>,
        /// Whether it is used.
        ativo: Flag<true>,
    }
    example = json!({"organization_name": "contoso", "pat": "the-pat-of-contoso", "descricao": "Equipe Portal", "expira_em": "2026-12-31T23:59:59Z"});
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
    /// Changes to a PAT; a key that is absent changes nothing.
    pub(super) struct OrganizationPatUpdate {
        /// Address for people, by the same rules; blank or null changes nothing.
        organization_url: Blankable<OrganizationUrl> = "https://dev.azure.com/contoso",
        /// The new PAT; blank or null changes nothing.
        pat: Nullable<Secret<10, 2_000>>,
        /// Notes; null clears them.
        descricao: Optional<OrNull<Text<10_000>>>,
        /// When it stops being used; null or blank: never.
        expira_em: Optional<OrBlank<DateTime<Utc>>>,
        /// Whether it is used; null changes nothing.
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
        /// Azure DevOps organisation.
        pub(super) organization_name: Required<NomeOrganizacao>,
        /// The PAT.
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
        fn whatever_is_wrong_no_pat_is_told(
            body in arbitrary::mutated(&json!({"organization_name": "contoso", "expira_em": "2026-12-31T23:59:59Z", "ativo": true})),
            around in prop_oneof![arbitrary::text(), "[!-~]{0,30}", "[!-~]{990,1010}"], nested: bool,
        ) {
            let mut body = if body.is_object() { body } else { json!({}) };
            let pat = format!("{around}c4n4ry{around}");
            body["pat"] = if nested { json!([pat]) } else { json!(pat) };
            let shown = match read::<OrganizationPatCreate>("body", &body) {
                Ok(request) => {
                    let shown = format!("{request:?}");
                    let stored = NewOrganizationPat::from(request).pat;
                    prop_assert_eq!(stored.expose_secret(), pat.trim());
                    prop_assert!((10..=2_000).contains(&pat.trim().len()));
                    shown
                }
                Err(failures) => format!("{failures:?}"),
            };
            prop_assert!(!shown.contains("c4n4ry"), "{}", shown);
            let shown = match read::<ValidateRequest>("body", &body) {
                Ok(request) => format!("{request:?}"),
                Err(failures) => format!("{failures:?}"),
            };
            prop_assert!(!shown.contains("c4n4ry"), "{}", shown);
        }
    }
}
