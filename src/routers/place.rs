//! Where something is: organisation and project, as most reads of Azure DevOps name them; and the team, where one matters.

use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use crate::edge::fields::{Field, OrBlank, Trimmed};
use crate::error::{Error, Result};
use crate::fields;
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;

/// Organisation and project.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PlaceParams {
    /// Organisation, in any case.
    #[validate(required)]
    #[param(value_type = String, required = true, min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]]([A-Za-z0-9À-ÖØ-öø-ÿ()\[\]_. -]*[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]])?$", example = "contoso")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
    /// Project: name, Azure DevOps GUID in any spelling, or `id`.
    #[validate(required)]
    #[param(value_type = String, required = true, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*[^\s\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2060\ufeff][^\u0000]*$", example = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001")]
    #[serde(default)]
    project_id: Field<ProjetoNomeado>,
}
fields!(PlaceParams {
    organization_name,
    project_id
});

impl PlaceParams {
    /// Both; validation has seen to it that they are there.
    pub(super) fn split(self) -> Result<(NomeOrganizacao, ProjetoNomeado)> {
        match (self.organization_name.value(), self.project_id.value()) {
            (Some(organizacao), Some(projeto)) => Ok((organizacao, projeto)),
            _ => Err(Error::Invalid(Vec::new())),
        }
    }
}

/// A team.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TeamParams {
    /// Team, by id or name; without one the project's default team.
    #[validate(length(max = 255))]
    #[param(value_type = Option<String>, nullable = false, max_length = 255, pattern = r"^[^\u0000]*$", example = "8d8d8d8d-8888-4b2b-9c3c-606060606060")]
    #[serde(default)]
    team_id: Field<OrBlank<Trimmed>>,
}
fields!(TeamParams { team_id });

impl TeamParams {
    /// The team, if one is named.
    pub(super) fn team(self) -> Option<String> {
        text(self.team_id)
    }
}

/// What a field says, if it says anything.
pub(super) fn text(field: Field<OrBlank<Trimmed>>) -> Option<String> {
    field.value().and_then(|text| text.0).map(|text| text.0)
}

/// The parts of a comma-separated list, blank ones left out.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
