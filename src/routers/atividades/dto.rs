//! Bodies and parameters of `/atividades`, and their conversion to and from the domain.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::examples;
use crate::edge::fields::{Field, MOST_ELEMENTS, Trimmed, missing};
use crate::edge::instant::Instant;
use crate::error::{Error, FieldError, Result};
use crate::fields;
use crate::models::atividade::{Atividade, AtividadeChanges, AtividadeFilter, NewAtividade, NomeAtividade};
use crate::models::page::{Page, Paged};
use crate::models::projeto::ProjetoRef;

/// Most characters of a description.
const DESCRICAO_MAX: u64 = 100_000;

/// Path of one activity.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiPath reads")]
pub(super) struct AtividadeIdParam {
    /// Id of the activity.
    #[param(example = "01932b5c-7c00-7000-8000-000000000001")]
    atividade_id: Uuid,
}

/// Which activities to list.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AtividadeFilterParams {
    /// Only active (`true`) or only inactive ones (`false`).
    #[param(value_type = Option<bool>, nullable = false, example = true)]
    #[serde(default)]
    ativo: Field<bool>,
    /// Only those of the project with this `id` or Azure DevOps GUID.
    #[param(value_type = Option<Uuid>, nullable = false, example = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001")]
    #[serde(default)]
    id_projeto: Field<Uuid>,
}
fields!(AtividadeFilterParams { ativo, id_projeto });

impl From<AtividadeFilterParams> for AtividadeFilter {
    fn from(params: AtividadeFilterParams) -> Self {
        Self {
            ativo: params.ativo.value(),
            projeto: params.id_projeto.value(),
        }
    }
}

/// A new activity. `ids_projetos` or `id_projeto` must be there; the first wins.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[validate(schema(function = "names_a_project", skip_on_field_errors = false))]
#[schema(example = json!({"nome": "Desenvolvimento", "descricao": "Codificação e revisão", "ativo": true, "ids_projetos": ["6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001"]}))]
pub(super) struct AtividadeCreate {
    /// Name; surrounding white space is removed.
    #[validate(required, length(min = 1, max = 255))]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*[^\s\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2060\ufeff][^\u0000]*$")]
    #[serde(default)]
    nome: Field<Trimmed>,
    /// Free text.
    #[validate(length(max = "DESCRICAO_MAX"))]
    #[schema(value_type = Option<String>, required = false, max_length = 100_000, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    descricao: Field<Option<String>>,
    /// Whether new time entries may use it.
    #[schema(value_type = bool, required = false, default = true)]
    #[serde(default)]
    ativo: Field<bool>,
    /// Projects, each by `id` or Azure DevOps GUID.
    #[validate(length(min = 1, max = "MOST_ELEMENTS"))]
    #[schema(value_type = Option<Vec<Uuid>>, required = false, min_items = 1, max_items = 1_000)]
    #[serde(default)]
    ids_projetos: Field<Option<Vec<Uuid>>>,
    /// The only project, where there is one; for clients that know no lists.
    #[schema(value_type = Option<Uuid>, required = false)]
    #[serde(default)]
    id_projeto: Field<Option<Uuid>>,
}
fields!(AtividadeCreate {
    nome,
    descricao,
    ativo,
    ids_projetos,
    id_projeto
});

/// D-20: either field will do, so neither can be required by itself.
fn names_a_project(body: &AtividadeCreate) -> Result<(), ValidationError> {
    let list = matches!(body.ids_projetos, Field::Value(Some(_)) | Field::Wrong(_));
    let single = matches!(body.id_projeto, Field::Value(Some(_)) | Field::Wrong(_));
    if list || single {
        Ok(())
    } else {
        Err(missing("ids_projetos"))
    }
}

impl AtividadeCreate {
    /// The activity to create, signed by its creator.
    pub(super) fn into_new(self, signature: &str) -> Result<NewAtividade> {
        Ok(NewAtividade {
            nome: parse_nome(self.nome)?.ok_or_else(|| nome_error("missing", "campo obrigatório"))?,
            descricao: self.descricao.value().flatten(),
            ativo: self.ativo.value().unwrap_or(true),
            projetos: projetos(self.ids_projetos, self.id_projeto).unwrap_or_default(),
            criado_por: signature.to_owned(),
        })
    }
}

/// Changes to an activity; a key that is absent changes nothing.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"nome": "Desenvolvimento de software", "ativo": true}))]
pub(super) struct AtividadeUpdate {
    /// New name; surrounding white space is removed.
    #[validate(length(min = 1, max = 255))]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*[^\s\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2060\ufeff][^\u0000]*$")]
    #[serde(default)]
    nome: Field<Trimmed>,
    /// New text; null clears it.
    #[validate(length(max = "DESCRICAO_MAX"))]
    #[schema(value_type = Option<String>, required = false, max_length = 100_000, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    descricao: Field<Option<String>>,
    /// Whether new time entries may use it.
    #[schema(value_type = bool, required = false)]
    #[serde(default)]
    ativo: Field<bool>,
    /// The new set of projects, each by `id` or Azure DevOps GUID; null changes nothing.
    #[validate(length(min = 1, max = "MOST_ELEMENTS"))]
    #[schema(value_type = Option<Vec<Uuid>>, required = false, min_items = 1, max_items = 1_000)]
    #[serde(default)]
    ids_projetos: Field<Option<Vec<Uuid>>>,
    /// The only project of the new set; null changes nothing.
    #[schema(value_type = Option<Uuid>, required = false)]
    #[serde(default)]
    id_projeto: Field<Option<Uuid>>,
}
fields!(AtividadeUpdate {
    nome,
    descricao,
    ativo,
    ids_projetos,
    id_projeto
});

impl AtividadeUpdate {
    /// The changes to apply.
    pub(super) fn into_changes(self) -> Result<AtividadeChanges> {
        Ok(AtividadeChanges {
            nome: parse_nome(self.nome)?,
            descricao: self.descricao.value(),
            ativo: self.ativo.value(),
            projetos: projetos(self.ids_projetos, self.id_projeto),
        })
    }
}

/// The list wins over the single project (D-21: the single one counts too).
fn projetos(list: Field<Option<Vec<Uuid>>>, single: Field<Option<Uuid>>) -> Option<Vec<Uuid>> {
    list.value()
        .flatten()
        .or_else(|| single.value().flatten().map(|id| vec![id]))
}

fn parse_nome(nome: Field<Trimmed>) -> Result<Option<NomeAtividade>> {
    let Some(Trimmed(text)) = nome.value() else {
        return Ok(None);
    };
    NomeAtividade::parse(&text)
        .map(Some)
        .ok_or_else(|| nome_error("value_error", "não é um nome válido"))
}

fn nome_error(kind: &'static str, message: &str) -> Error {
    Error::Invalid(vec![FieldError {
        loc: vec!["body".into(), "nome".into()],
        kind,
        message: message.to_owned(),
    }])
}

/// An activity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(examples::atividade()))]
pub(super) struct AtividadeResponse {
    /// Name.
    #[schema(example = "Desenvolvimento")]
    nome: String,
    /// Free text.
    #[schema(required = true, example = "Codificação e revisão")]
    descricao: Option<String>,
    /// Whether new time entries may use it.
    ativo: bool,
    /// Key.
    id: Uuid,
    /// Its projects, in the order in which they were given.
    projetos: Vec<ProjetoRefResponse>,
    /// E-mail of the creator, else the display name.
    #[schema(required = true, example = "ana@contoso.com")]
    criado_por: Option<String>,
    /// When it was made.
    criado_em: Instant,
    /// When it, or its set of projects, last changed.
    atualizado_em: Instant,
    /// Key of the first project.
    #[schema(required = true)]
    id_projeto: Option<Uuid>,
    /// Name of the first project.
    #[schema(required = true, example = "Portal do Contribuinte")]
    nome_projeto: Option<String>,
}

/// A project of an activity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjetoRefResponse {
    /// Key of the project.
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
#[schema(example = json!(examples::page()))]
pub struct AtividadeListResponse {
    /// The activities of the page.
    items: Vec<AtividadeListItem>,
    /// All activities that match, on whatever page.
    #[schema(example = 8)]
    total: i64,
}

/// An activity and its place in the whole list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AtividadeListItem {
    #[serde(flatten)]
    atividade: AtividadeResponse,
    /// Place in the whole list, from 1.
    #[schema(example = 1)]
    order: i64,
}

impl AtividadeListResponse {
    /// Numbers the items on from where the page begins.
    #[must_use]
    pub fn new(found: Paged<Atividade>, page: Page) -> Self {
        let items = found.items.into_iter().zip(page.skip.saturating_add(1)..);
        let items = items.map(|(atividade, order)| AtividadeListItem {
            atividade: atividade.into(),
            order,
        });
        Self {
            items: items.collect(),
            total: found.total,
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
        fn whatever_passes_validation_is_an_activity(body in arbitrary::mutated(&serde_json::json!({
            "nome": "Revisão", "descricao": "x", "ativo": "on", "ids_projetos": [Uuid::from_u128(7)], "id_projeto": Uuid::from_u128(8),
        }))) {
            if let Ok(read) = read::<AtividadeCreate>("body", body.clone()) {
                let new = read.into_new("Ada");
                prop_assert!(new.is_ok(), "{}", body);
                prop_assert!(!new.unwrap().projetos.is_empty());
            }
        }
    }
}
