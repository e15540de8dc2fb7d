//! Bodies and parameters of `/organization-pats`.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::error::{Error, FieldError, Result};
use crate::fields;
use crate::http::fields::{Field, OrBlank, Secret};
use crate::http::instant::Instant;
use crate::http::problem::{Problem, ProblemBody};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::organization_pat::{MaskedPat, NewOrganizationPat, OrganizationPatChanges, Validation};
use crate::models::page::{Page, Paged};
use crate::services::organization_pats::shown;

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
    /// Store only a PAT that Azure DevOps accepts.
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

/// A PAT to store.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"organization_name": "contoso", "pat": "the-pat-of-contoso", "descricao": "Equipe Portal", "expira_em": "2026-12-31T23:59:59Z"}))]
pub(super) struct OrganizationPatCreate {
    /// Azure DevOps organisation.
    #[validate(required)]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9]([A-Za-z0-9_. -]*[A-Za-z0-9])?$")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
    /// Address for people; nothing is ever sent there.
    #[validate(length(max = 500))]
    #[schema(value_type = Option<String>, required = false, max_length = 500, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    organization_url: Field<Option<String>>,
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
            organization_url: self.organization_url.value().flatten().and_then(not_blank),
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
    /// Address for people.
    #[validate(length(max = 500))]
    #[schema(value_type = Option<String>, required = false, max_length = 500, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    organization_url: Field<Option<String>>,
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
            organization_url: self.organization_url.value().flatten().and_then(not_blank),
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
    #[schema(value_type = String, required = true, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9]([A-Za-z0-9_. -]*[A-Za-z0-9])?$")]
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

/// A stored PAT.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrganizationPatResponse {
    /// Key.
    id: Uuid,
    /// Organisation, lower case.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Address for people.
    #[schema(required = true, example = "https://dev.azure.com/contoso")]
    organization_url: Option<String>,
    /// The PAT with all but its ends hidden; null when it cannot be read any more.
    #[schema(required = true, example = "abcd****wxyz")]
    pat_masked: Option<String>,
    /// Notes.
    #[schema(required = true, example = "Equipe Portal")]
    descricao: Option<String>,
    /// When it stops being used.
    #[schema(required = true)]
    expira_em: Option<Instant>,
    /// Whether it is used.
    ativo: bool,
    /// Who entered it.
    #[schema(required = true, example = "ana@contoso.com")]
    criado_por: Option<String>,
    /// When.
    criado_em: Instant,
    /// When it last changed.
    atualizado_em: Instant,
    /// `não verificado`, `válido`, `expira em breve`, `expirado` or `ilegível`.
    #[schema(required = true, example = "válido")]
    status_validacao: Option<&'static str>,
}

impl From<MaskedPat> for OrganizationPatResponse {
    fn from(MaskedPat { row, pat_masked }: MaskedPat) -> Self {
        let status = if pat_masked.is_none() {
            "ilegível"
        } else if row.expirado {
            "expirado"
        } else if row.expira_em_breve {
            "expira em breve"
        } else if row.validado_em.is_some() {
            "válido"
        } else {
            "não verificado"
        };
        Self {
            id: row.id.0,
            organization_name: row.organizacao,
            organization_url: Some(row.organization_url),
            pat_masked,
            descricao: row.descricao,
            expira_em: row.expira_em.map(Instant),
            ativo: row.ativo,
            criado_por: row.criado_por,
            criado_em: row.criado_em.into(),
            atualizado_em: row.atualizado_em.into(),
            status_validacao: Some(status),
        }
    }
}

/// A page of PATs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrganizationPatListResponse {
    /// The PATs.
    items: Vec<OrganizationPatResponse>,
    /// How many there are over all pages.
    #[schema(example = 1)]
    total: i64,
}

impl From<Paged<MaskedPat>> for OrganizationPatListResponse {
    fn from(page: Paged<MaskedPat>) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            total: page.total,
        }
    }
}

/// What Azure DevOps says of a PAT.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValidationResponse {
    /// Whether it works.
    valid: bool,
    /// Organisation that was asked.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Sentence to show.
    #[schema(example = "PAT válido. 3 projeto(s) encontrado(s).")]
    message: String,
    /// Projects that it sees.
    #[schema(required = true, example = 3)]
    projects_count: Option<usize>,
    /// Names of the first ten.
    #[schema(required = true, example = json!(["Ledger"]))]
    projects: Option<Vec<String>>,
}

impl From<Validation> for ValidationResponse {
    fn from(validation: Validation) -> Self {
        Self {
            valid: validation.valid,
            organization_name: validation.organizacao,
            message: validation.message,
            projects_count: validation.projects.as_ref().map(Vec::len),
            projects: validation.projects.map(|names| shown(&names).to_vec()),
        }
    }
}

/// There is no such PAT.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "describes an answer; the service makes it")]
pub(super) enum PatNotFound<'a> {
    /// No such PAT
    #[response(status = 404, content_type = "application/problem+json", example = json!(example(Error::NotFound("PAT não encontrado".to_owned()))))]
    NotFound(ProblemBody<'a>),
}

/// It cannot be stored.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "describes an answer; the service makes it")]
pub(super) enum InvalidPat<'a> {
    /// Azure DevOps refuses the PAT, or the organisation has one already
    #[response(status = 400, content_type = "application/problem+json", example = json!(example(Error::InvalidReference("Já existe um PAT cadastrado para a organização 'contoso'".to_owned()))))]
    InvalidPat(ProblemBody<'a>),
}

/// Only administrators.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "describes an answer; the service makes it")]
pub(super) enum Forbidden<'a> {
    /// The caller is no administrator
    #[response(status = 403, content_type = "application/problem+json", example = json!(example(Error::Forbidden("Somente administradores podem fazer isto".to_owned()))))]
    Forbidden(ProblemBody<'a>),
}

/// There is no vault.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "describes an answer; the service makes it")]
pub(super) enum NoVault<'a> {
    /// The server has no key for the vault, or the database or Azure DevOps is unavailable
    #[response(status = 503, content_type = "application/problem+json", example = json!(example(crate::services::organization_pats::no_vault())))]
    NoVault(ProblemBody<'a>),
}

fn example(error: Error) -> serde_json::Value {
    Problem::from(error).example()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;
    use crate::arbitrary;
    use crate::http::fields::read;

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
