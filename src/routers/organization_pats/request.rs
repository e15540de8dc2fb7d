//! Parameters and bodies of `/organization-pats`.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidateLength};

use crate::edge::fields::{Failure, Field, OrBlank, Read, Secret};
use crate::error::{Error, FieldError, Result};
use crate::fields;
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

/// Which part of the list.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct VaultPageParams {
    /// Items to leave out.
    #[validate(range(min = 0))]
    #[param(value_type = Option<i64>, nullable = false, minimum = 0, default = 0, example = 0)]
    #[serde(default)]
    skip: Field<i64>,
    /// Items to return at the most.
    #[validate(range(min = 1, max = 500))]
    #[param(value_type = Option<i64>, nullable = false, minimum = 1, maximum = 500, default = 100, example = 100)]
    #[serde(default)]
    limit: Field<i64>,
}
fields!(VaultPageParams { skip, limit });

impl From<VaultPageParams> for Page {
    fn from(params: VaultPageParams) -> Self {
        Self {
            skip: params.skip.value().unwrap_or(0),
            limit: params.limit.value().unwrap_or(100),
        }
    }
}

/// Which PATs.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OnlyActiveParams {
    /// Only those in use.
    #[param(value_type = Option<bool>, nullable = false, default = false, example = false)]
    #[serde(default)]
    only_active: Field<bool>,
}
fields!(OnlyActiveParams { only_active });

impl OnlyActiveParams {
    pub(super) fn only_active(&self) -> bool {
        self.only_active.as_value().copied().unwrap_or(false)
    }
}

/// How to store.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ValidateFirstParams {
    /// Store only a PAT that Azure DevOps accepts. Missing scopes do not refuse it.
    #[param(value_type = Option<bool>, nullable = false, default = true, example = true)]
    #[serde(default)]
    validate_first: Field<bool>,
}
fields!(ValidateFirstParams { validate_first });

impl ValidateFirstParams {
    pub(super) fn validate_first(&self) -> bool {
        self.validate_first.as_value().copied().unwrap_or(true)
    }
}

impl Read for OrganizationUrl {
    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        let text = String::read(value)?;
        Self::parse(&text).map_err(|why| vec![Failure::new("value_error", why)])
    }
}

impl Serialize for OrganizationUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl ValidateLength<u64> for Field<OrBlank<OrganizationUrl>> {
    fn length(&self) -> Option<u64> {
        let url = self.as_value().and_then(|url| url.0.as_ref());
        url.map(|url| url.as_str().chars().count() as u64)
    }
}

/// A PAT to store.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"organization_name": "contoso", "pat": "the-pat-of-contoso", "descricao": "Equipe Portal", "expira_em": "2026-12-31T23:59:59Z"}))]
pub(super) struct OrganizationPatCreate {
    /// Azure DevOps organisation.
    #[validate(required)]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]]([A-Za-z0-9À-ÖØ-öø-ÿ()\[\]_. -]*[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]])?$")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
    /// Address for people; nothing is ever sent there. It is `https`, without user, parameters and fragment; `http`
    /// only for this machine, and not in production. Blank or null: that of Azure DevOps Services.
    #[validate(length(max = 500))]
    #[schema(value_type = Option<String>, required = false, max_length = 500, pattern = r"^(https://[^\s@?#\\]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,4})?(/[^\s@?#\\]*)?)?$", example = "https://dev.azure.com/contoso")]
    #[serde(default)]
    organization_url: Field<OrBlank<OrganizationUrl>>,
    /// The PAT.
    #[validate(required, length(min = 10, max = 2_000))]
    #[schema(value_type = String, required = true, min_length = 10, max_length = 2_000, pattern = r"^[!-~]+$")]
    #[serde(default)]
    pat: Field<Secret>,
    /// Notes.
    #[validate(length(max = 10_000))]
    #[schema(value_type = Option<String>, required = false, max_length = 10_000, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    descricao: Field<Option<String>>,
    /// When it stops being used; without an offset it is UTC. Blank means never.
    #[schema(value_type = Option<DateTime<Utc>>, required = false)]
    #[serde(default)]
    expira_em: Field<OrBlank<DateTime<Utc>>>,
    /// Whether it is used.
    #[schema(value_type = bool, required = false, default = true)]
    #[serde(default)]
    ativo: Field<bool>,
}
fields!(OrganizationPatCreate {
    organization_name,
    organization_url,
    pat,
    descricao,
    expira_em,
    ativo
});

impl OrganizationPatCreate {
    pub(super) fn into_new(self) -> Result<NewOrganizationPat> {
        Ok(NewOrganizationPat {
            organizacao: self
                .organization_name
                .value()
                .ok_or_else(|| missing("organization_name"))?,
            organization_url: self.organization_url.value().and_then(|url| url.0),
            pat: self.pat.value().ok_or_else(|| missing("pat"))?.0,
            descricao: self.descricao.value().flatten().and_then(not_blank),
            expira_em: self.expira_em.value().and_then(|at| at.0),
            ativo: self.ativo.value().unwrap_or(true),
        })
    }
}

/// Changes to a PAT; a key that is absent changes nothing.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"descricao": "Equipe Portal", "ativo": true}))]
pub(super) struct OrganizationPatUpdate {
    /// Address for people, by the same rules; blank or null changes nothing.
    #[validate(length(max = 500))]
    #[schema(value_type = Option<String>, required = false, max_length = 500, pattern = r"^(https://[^\s@?#\\]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,4})?(/[^\s@?#\\]*)?)?$", example = "https://dev.azure.com/contoso")]
    #[serde(default)]
    organization_url: Field<OrBlank<OrganizationUrl>>,
    /// The new PAT; blank or null changes nothing.
    #[validate(length(min = 10, max = 2_000))]
    #[schema(value_type = Option<String>, required = false, min_length = 10, max_length = 2_000, pattern = r"^[!-~]+$")]
    #[serde(default)]
    pat: Field<Option<Secret>>,
    /// Notes; null clears them.
    #[validate(length(max = 10_000))]
    #[schema(value_type = Option<String>, required = false, max_length = 10_000, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    descricao: Field<Option<String>>,
    /// When it stops being used; null or blank: never.
    #[schema(value_type = Option<DateTime<Utc>>, required = false)]
    #[serde(default)]
    expira_em: Field<OrBlank<DateTime<Utc>>>,
    /// Whether it is used; null changes nothing.
    #[schema(value_type = Option<bool>, required = false)]
    #[serde(default)]
    ativo: Field<Option<bool>>,
}
fields!(OrganizationPatUpdate {
    organization_url,
    pat,
    descricao,
    expira_em,
    ativo
});

impl OrganizationPatUpdate {
    pub(super) fn into_changes(self) -> OrganizationPatChanges {
        OrganizationPatChanges {
            organization_url: self.organization_url.value().and_then(|url| url.0),
            pat: self.pat.value().flatten().map(|secret| secret.0),
            descricao: self.descricao.value().map(|text| text.and_then(not_blank)),
            expira_em: self.expira_em.value().map(|at| at.0),
            ativo: self.ativo.value().flatten(),
        }
    }
}

/// A PAT to try.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"organization_name": "contoso", "pat": "the-pat-of-contoso"}))]
pub(super) struct ValidateRequest {
    /// Azure DevOps organisation.
    #[validate(required)]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]]([A-Za-z0-9À-ÖØ-öø-ÿ()\[\]_. -]*[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]])?$")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
    /// The PAT.
    #[validate(required, length(min = 1, max = 2_000))]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 2_000, pattern = r"^[!-~]+$")]
    #[serde(default)]
    pat: Field<Secret>,
}
fields!(ValidateRequest {
    organization_name,
    pat
});

impl ValidateRequest {
    pub(super) fn into_parts(self) -> Result<(NomeOrganizacao, SecretString)> {
        let organizacao = self
            .organization_name
            .value()
            .ok_or_else(|| missing("organization_name"))?;
        let pat = self.pat.value().ok_or_else(|| missing("pat"))?;
        Ok((organizacao, pat.0))
    }
}

/// For what `validator` has excluded already.
fn missing(field: &'static str) -> Error {
    Error::Invalid(vec![FieldError {
        loc: vec!["body".into(), field.into()],
        kind: "missing",
        message: "campo obrigatório".to_owned(),
    }])
}

fn not_blank(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

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
            let shown = match read::<OrganizationPatCreate>("body", body.clone()) {
                Ok(request) => {
                    let shown = format!("{request:?}");
                    let new = request.into_new();
                    prop_assert!(new.is_ok());
                    let stored = new.unwrap().pat;
                    prop_assert_eq!(stored.expose_secret(), pat.trim());
                    prop_assert!((10..=2_000).contains(&pat.trim().len()));
                    shown
                }
                Err(failures) => format!("{failures:?}"),
            };
            prop_assert!(!shown.contains("c4n4ry"), "{}", shown);
            let shown = match read::<ValidateRequest>("body", body) {
                Ok(request) => format!("{request:?}"),
                Err(failures) => format!("{failures:?}"),
            };
            prop_assert!(!shown.contains("c4n4ry"), "{}", shown);
        }
    }
}
