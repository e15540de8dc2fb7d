//! Parameters that name an organisation and a project, a team, or a work item.

use utoipa::IntoParams;

use crate::edge::fields::{Blankable, Required, Trimmed, fields};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;

fields! {
    /// Names an organisation and a project.
    pub(super) struct ProjectParams {
        /// Name of the organisation. Case does not matter.
        pub(super) organization_name: Required<NomeOrganizacao> = "contoso",
        /// Project: its name, its Azure DevOps GUID in any spelling, or its `id`.
        pub(super) project_id: Required<ProjetoNomeado> = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001",
    }
}

fields! {
    /// Names a team.
    pub(super) struct TeamParams {
        /// Team, by id or name; without it the project's default team.
        pub(super) team_id: Blankable<Trimmed<255>> = "8d8d8d8d-8888-4b2b-9c3c-606060606060",
    }
}

/// Path of a work item.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiWorkItemPath reads")]
pub(super) struct WorkItemIdParam {
    /// Id of the work item in Azure DevOps.
    #[param(minimum = 1, example = 4711)]
    work_item_id: i32,
}

/// Returns the parts of a comma-separated list; blank parts are skipped.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
