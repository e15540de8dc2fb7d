//! Where something is: organisation and project, as most reads of Azure DevOps name them; and the team, where one matters.

use crate::edge::fields::{Blankable, Required, Trimmed, fields};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;

fields! {
    /// Organisation and project.
    pub(super) struct PlaceParams {
        /// Organisation, in any case.
        pub(super) organization_name: Required<NomeOrganizacao> = "contoso",
        /// Project: name, Azure DevOps GUID in any spelling, or `id`.
        pub(super) project_id: Required<ProjetoNomeado> = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001",
    }
}

fields! {
    /// A team.
    pub(super) struct TeamParams {
        /// Team, by id or name; without one the project's default team.
        pub(super) team_id: Blankable<Trimmed<255>> = "8d8d8d8d-8888-4b2b-9c3c-606060606060",
    }
}

/// The parts of a comma-separated list, blank ones left out.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
