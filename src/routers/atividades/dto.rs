//! Bodies and parameters of `/atividades`, and their conversion to and from the domain.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::ValidationError;

use crate::edge::fields::{
    Flag, List, MOST_ELEMENTS, Nullable, Optional, OrNull, Required, Text, fields, missing,
};
use crate::edge::instant::Instant;
use crate::edge::pagination::encode;
use crate::models::atividade::{
    Atividade, AtividadeChanges, AtividadeFilter, Atividades, NewAtividade, NomeAtividade,
};
use crate::models::projeto::ProjetoRef;

/// Maximum length of a description, in characters.
const DESCRICAO_MAX: usize = 100_000;

/// Path of one activity.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiPath reads")]
pub(super) struct AtividadeIdParam {
    /// Id of the activity.
    #[param(example = "01932b5c-7c00-7000-8000-000000000001")]
    atividade_id: Uuid,
}

/// Path of an activity to delete: that of the example is in no entry.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiPath reads")]
pub(super) struct DeletedAtividadeIdParam {
    /// Id of the activity.
    #[param(example = "01932b5c-7c00-7000-8000-000000000008")]
    atividade_id: Uuid,
}

fields! {
    /// Selects the activities to list.
    pub(super) struct AtividadeFilterParams {
        /// Returns only active (`true`) or only inactive activities (`false`).
        ativo: Optional<bool> = true,
        /// Returns only activities of this project: its `id` or its Azure DevOps GUID.
        id_projeto: Optional<Uuid> = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001",
    }
}

impl From<AtividadeFilterParams> for AtividadeFilter {
    fn from(params: AtividadeFilterParams) -> Self {
        Self {
            ativo: params.ativo,
            projeto: params.id_projeto,
        }
    }
}

fields! {
    /// A new activity. It needs `ids_projetos` or `id_projeto`; if both are present, `ids_projetos` wins.
    pub(super) struct AtividadeCreate {
        /// Name. White space around it is removed.
        nome: Required<NomeAtividade>,
        /// Free text.
        descricao: Nullable<Text<DESCRICAO_MAX>>,
        /// `true` if new time entries may use the activity.
        ativo: Flag<true>,
        /// Projects that may use the activity, each by its `id` or its Azure DevOps GUID.
        ids_projetos: Nullable<List<Uuid, MOST_ELEMENTS>>,
        /// The only project that may use the activity, for clients that send no lists.
        #[deprecated = "ids_projetos"]
        id_projeto: Nullable<Uuid>,
    }
    check = names_a_project;
    example = json!({"nome": "Desenvolvimento", "descricao": "Codificação e revisão", "ativo": true,
        "ids_projetos": ["6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001"]});
}

/// Checks that the body contains one of the two project fields; neither can be required by itself (D-20).
fn names_a_project(body: &Map<String, Value>) -> Result<(), ValidationError> {
    let given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if given("ids_projetos") || given("id_projeto") {
        Ok(())
    } else {
        Err(missing("ids_projetos"))
    }
}

impl AtividadeCreate {
    /// Converts the body to a new activity with its creator's signature.
    pub(super) fn into_new(self, signature: &str) -> NewAtividade {
        NewAtividade {
            nome: self.nome,
            descricao: self.descricao,
            ativo: self.ativo,
            projetos: projetos(self.ids_projetos, self.id_projeto).unwrap_or_default(),
            criado_por: signature.to_owned(),
        }
    }
}

fields! {
    /// Changes to an activity. An absent key changes nothing.
    pub(super) struct AtividadeUpdate {
        /// New name. White space around it is removed.
        nome: Optional<NomeAtividade>,
        /// New text. Null clears it.
        descricao: Optional<OrNull<Text<DESCRICAO_MAX>>>,
        /// `true` if new time entries may use the activity.
        ativo: Optional<bool>,
        /// New set of projects, each by its `id` or its Azure DevOps GUID. Null changes nothing.
        ids_projetos: Nullable<List<Uuid, MOST_ELEMENTS>>,
        /// The only project of the new set. Null changes nothing.
        #[deprecated = "ids_projetos"]
        id_projeto: Nullable<Uuid>,
    }
    example = json!({"nome": "Desenvolvimento de software", "ativo": true});
}

impl From<AtividadeUpdate> for AtividadeChanges {
    fn from(body: AtividadeUpdate) -> Self {
        Self {
            nome: body.nome,
            descricao: body.descricao,
            ativo: body.ativo,
            projetos: projetos(body.ids_projetos, body.id_projeto),
        }
    }
}

/// Returns the list of projects, or else the single one, which counts too (D-21).
fn projetos(list: Option<Vec<Uuid>>, single: Option<Uuid>) -> Option<Vec<Uuid>> {
    list.or_else(|| single.map(|id| vec![id]))
}

/// An activity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AtividadeResponse {
    /// Name of the activity.
    #[schema(example = "Desenvolvimento")]
    nome: String,
    /// Free text.
    #[schema(required = true, example = "Codificação e revisão")]
    descricao: Option<String>,
    /// `true` if new time entries may use the activity.
    ativo: bool,
    /// Id of the activity.
    id: Uuid,
    /// Projects that may use the activity, in the order in which they were given.
    projetos: Vec<ProjetoRefResponse>,
    /// E-mail address of the creator, or the display name if the address is unknown.
    #[schema(required = true, example = "ana@contoso.com")]
    criado_por: Option<String>,
    /// Instant of creation.
    criado_em: Instant,
    /// Instant of the last change of the activity or of its set of projects.
    atualizado_em: Instant,
    /// Id of the first of `projetos`.
    #[schema(deprecated, required = true)]
    id_projeto: Option<Uuid>,
    /// Name of the first of `projetos`.
    #[schema(deprecated, required = true, example = "Portal do Contribuinte")]
    nome_projeto: Option<String>,
}

/// A project of an activity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjetoRefResponse {
    /// Id of the project.
    id: Uuid,
    /// Name of the project.
    #[schema(example = "Portal do Contribuinte")]
    nome: String,
}

impl From<ProjetoRef> for ProjetoRefResponse {
    fn from(projeto: ProjetoRef) -> Self {
        Self {
            id: projeto.id.0,
            nome: projeto.nome,
        }
    }
}

impl From<Atividade> for AtividadeResponse {
    fn from(atividade: Atividade) -> Self {
        let first = atividade.projetos.first();
        Self {
            id_projeto: first.map(|p| p.id.0),
            nome_projeto: first.map(|p| p.nome.clone()),
            nome: atividade.nome,
            descricao: atividade.descricao,
            ativo: atividade.ativo,
            id: atividade.id.0,
            projetos: atividade.projetos.into_iter().map(Into::into).collect(),
            criado_por: atividade.criado_por,
            criado_em: atividade.criado_em.into(),
            atualizado_em: atividade.atualizado_em.into(),
        }
    }
}

/// A page of activities.
#[derive(Debug, Serialize, ToSchema)]
pub struct AtividadeListResponse {
    /// Activities of the page.
    items: Vec<AtividadeListItem>,
    /// Number of matching activities on all pages.
    #[schema(example = 8)]
    total: i64,
    /// Value of `cursor` for the next page; null on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl AtividadeListResponse {
    /// Returns the cursor of the next page.
    pub(super) fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// An activity and its position in the whole list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AtividadeListItem {
    #[serde(flatten)]
    atividade: AtividadeResponse,
    /// Position in the whole list, from 1.
    #[schema(example = 1)]
    order: i64,
}

impl From<Atividades> for AtividadeListResponse {
    fn from(found: Atividades) -> Self {
        let items = found.items.into_iter().zip(found.first..);
        let items = items.map(|(atividade, order)| AtividadeListItem {
            atividade: atividade.into(),
            order,
        });
        Self {
            items: items.collect(),
            total: found.total,
            next_cursor: found.next.as_ref().map(encode),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;
    use crate::edge::fields::read;

    proptest! {
        #[test]
        fn validated_body_is_an_activity(body in arbitrary::mutated(&serde_json::json!({
            "nome": "Revisão", "descricao": "x", "ativo": "on", "ids_projetos": [Uuid::from_u128(7)],
            "id_projeto": Uuid::from_u128(8),
        }))) {
            if let Ok(read) = read::<AtividadeCreate>("body", &body) {
                prop_assert!(!read.into_new("Ada").projetos.is_empty(), "{}", body);
            }
        }
    }
}
