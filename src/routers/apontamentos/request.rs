//! Bodies and parameters of requests to `/apontamentos`, and their conversion to the domain.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::super::place::text;
use super::examples;
use crate::edge::fields::{Field, OrBlank, Trimmed, WorkItemId};
use crate::error::{Error, FieldError, Result};
use crate::fields;
use crate::models::apontamento::{
    ApontamentoChanges, ApontamentoFilter, NewApontamento, ProjetoNomeado, UsuarioInformado,
};
use crate::models::duracao::Duracao;
use crate::models::ids::AtividadeId;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::text::trim;

/// A new time entry. Whose it is, the credential says; `usuario_*` are accepted when they agree with it, and administrators may
/// name somebody else.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!(examples::create()))]
pub(super) struct ApontamentoCreate {
    /// Day; not one to come.
    #[validate(required)]
    #[schema(value_type = NaiveDate, required = true, example = "2026-01-12")]
    #[serde(default)]
    data_apontamento: Field<NaiveDate>,
    /// `H:mm` or `HH:mm`, 00:01 to 24:00.
    #[validate(required)]
    #[schema(value_type = String, required = true, min_length = 4, max_length = 5, pattern = "^(?!0?0:00$)(([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)$", example = "02:30")]
    #[serde(default)]
    duracao: Field<Duracao>,
    /// At what; active, and usable in the project.
    #[validate(required)]
    #[schema(value_type = Uuid, required = true)]
    #[serde(default)]
    id_atividade: Field<Uuid>,
    /// Free text; blank is none.
    #[validate(length(max = 500))]
    #[schema(value_type = Option<String>, required = false, max_length = 500, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    comentario: Field<Option<String>>,
    /// On what.
    #[validate(required)]
    #[schema(value_type = i32, required = true, minimum = 1, example = 4711)]
    #[serde(default)]
    work_item_id: Field<WorkItemId>,
    /// Its project: name, Azure DevOps GUID in any spelling, or `id`.
    #[validate(required)]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*[^\s\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2060\ufeff][^\u0000]*$", example = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001")]
    #[serde(default)]
    project_id: Field<ProjetoNomeado>,
    /// Its organisation, in any case.
    #[validate(required)]
    #[schema(value_type = String, required = true, min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]]([A-Za-z0-9À-ÖØ-öø-ÿ()\[\]_. -]*[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]])?$", example = "contoso")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
    /// Whose hours: the caller's id, or for administrators anybody's in the organisation.
    #[validate(length(max = 255))]
    #[schema(value_type = Option<String>, required = false, max_length = 255, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    usuario_id: Field<OrBlank<Trimmed>>,
    /// Their name; taken only where Azure DevOps does not tell it.
    #[validate(length(max = 255))]
    #[schema(value_type = Option<String>, required = false, max_length = 255, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    usuario_nome: Field<OrBlank<Trimmed>>,
    /// Their e-mail, likewise.
    #[validate(length(max = 255))]
    #[schema(value_type = Option<String>, required = false, max_length = 255, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    usuario_email: Field<OrBlank<Trimmed>>,
}
fields!(ApontamentoCreate {
    data_apontamento,
    duracao,
    id_atividade,
    comentario,
    work_item_id,
    project_id,
    organization_name,
    usuario_id,
    usuario_nome,
    usuario_email
});

impl ApontamentoCreate {
    /// The entry to make.
    pub(super) fn into_new(self) -> Result<NewApontamento> {
        let usuario = UsuarioInformado {
            id: text(self.usuario_id),
            nome: text(self.usuario_nome),
            email: text(self.usuario_email),
        };
        Ok(NewApontamento {
            organizacao: there("organization_name", self.organization_name)?,
            projeto: there("project_id", self.project_id)?,
            work_item_id: there("work_item_id", self.work_item_id)?.0,
            data: there("data_apontamento", self.data_apontamento)?,
            duracao: there("duracao", self.duracao)?,
            atividade: AtividadeId(there("id_atividade", self.id_atividade)?),
            comentario: self
                .comentario
                .value()
                .flatten()
                .and_then(|text| not_blank(&text)),
            usuario,
        })
    }
}

/// A required value; validation has seen to it that it is there.
fn there<T>(name: &str, field: Field<T>) -> Result<T> {
    field
        .value()
        .ok_or_else(|| invalid(name, "missing", "campo obrigatório"))
}

fn invalid(name: &str, kind: &'static str, message: &str) -> Error {
    Error::Invalid(vec![FieldError {
        loc: vec!["body".into(), name.into()],
        kind,
        message: message.to_owned(),
    }])
}

fn not_blank(text: &str) -> Option<String> {
    let text = trim(text);
    (!text.is_empty()).then(|| text.to_owned())
}

/// Changes to an entry; a key that is absent changes nothing, other keys are ignored.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"duracao": "03:00", "comentario": "Com a equipe"}))]
pub(super) struct ApontamentoUpdate {
    /// New day; not one to come.
    #[schema(value_type = NaiveDate, required = false, example = "2026-01-12")]
    #[serde(default)]
    data_apontamento: Field<NaiveDate>,
    /// New length, `H:mm` or `HH:mm`, 00:01 to 24:00.
    #[schema(value_type = String, required = false, min_length = 4, max_length = 5, pattern = "^(?!0?0:00$)(([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)$", example = "02:30")]
    #[serde(default)]
    duracao: Field<Duracao>,
    /// New activity. One that stays may be inactive.
    #[schema(value_type = Uuid, required = false)]
    #[serde(default)]
    id_atividade: Field<Uuid>,
    /// New text; null clears it.
    #[validate(length(max = 500))]
    #[schema(value_type = Option<String>, required = false, max_length = 500, pattern = r"^[^\u0000]*$")]
    #[serde(default)]
    comentario: Field<Option<String>>,
}
fields!(ApontamentoUpdate {
    data_apontamento,
    duracao,
    id_atividade,
    comentario
});

impl From<ApontamentoUpdate> for ApontamentoChanges {
    fn from(body: ApontamentoUpdate) -> Self {
        Self {
            data: body.data_apontamento.value(),
            duracao: body.duracao.value(),
            atividade: body.id_atividade.value().map(AtividadeId),
            comentario: body
                .comentario
                .value()
                .map(|text| text.and_then(|text| not_blank(&text))),
        }
    }
}

/// Path of one entry.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiPath reads")]
pub(super) struct ApontamentoIdParam {
    /// Id of the entry.
    #[param(example = "01932b5c-7c00-7000-8000-0000000000a1")]
    apontamento_id: Uuid,
}

/// Path of a work item's entries.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiWorkItemPath reads")]
pub(super) struct WorkItemIdParam {
    /// Id of the work item.
    #[param(minimum = 1, example = 4711)]
    work_item_id: i32,
}

/// Which entries to list.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ApontamentoFilterParams {
    /// First day.
    #[param(value_type = Option<NaiveDate>, nullable = false, example = "2026-01-12")]
    #[serde(default)]
    data_inicio: Field<NaiveDate>,
    /// Last day.
    #[param(value_type = Option<NaiveDate>, nullable = false, example = "2026-01-18")]
    #[serde(default)]
    data_fim: Field<NaiveDate>,
    /// Organisation, in any case.
    #[param(value_type = Option<String>, nullable = false, min_length = 1, max_length = 64, pattern = r"^[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]]([A-Za-z0-9À-ÖØ-öø-ÿ()\[\]_. -]*[A-Za-z0-9À-ÖØ-öø-ÿ()\[\]])?$", example = "contoso")]
    #[serde(default)]
    organization_name: Field<NomeOrganizacao>,
    /// Project: name, Azure DevOps GUID in any spelling, or `id`.
    #[param(value_type = Option<String>, nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*[^\s\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2060\ufeff][^\u0000]*$", example = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001")]
    #[serde(default)]
    project_id: Field<ProjetoNomeado>,
    /// Work item.
    #[param(value_type = Option<i32>, nullable = false, minimum = 1, example = 4711)]
    #[serde(default)]
    work_item_id: Field<WorkItemId>,
    /// Activity.
    #[param(value_type = Option<Uuid>, nullable = false, example = "01932b5c-7c00-7000-8000-000000000001")]
    #[serde(default)]
    id_atividade: Field<Uuid>,
    /// Whose; the caller's own without it. Others' are for administrators.
    #[param(value_type = Option<String>, nullable = false, pattern = r"^[^\u0000]*$", example = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d")]
    #[serde(default)]
    usuario_id: Field<OrBlank<Trimmed>>,
    /// `desc`: the newest day first; `asc`: the oldest.
    #[param(inline, value_type = Option<Ordem>, nullable = false, example = "desc")]
    #[serde(default)]
    ordem: Field<Ordem>,
}
fields!(ApontamentoFilterParams {
    data_inicio,
    data_fim,
    organization_name,
    project_id,
    work_item_id,
    id_atividade,
    usuario_id,
    ordem
});

/// Order of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ordem {
    /// The oldest first.
    Asc,
    /// The newest first.
    Desc,
}

impl crate::edge::fields::Read for Ordem {
    fn read(value: &serde_json::Value) -> std::result::Result<Self, Vec<crate::edge::fields::Failure>> {
        match value.as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
            "asc" => Ok(Self::Asc),
            "desc" => Ok(Self::Desc),
            _ => Err(vec![crate::edge::fields::Failure::new(
                "enum",
                "deve ser asc ou desc",
            )]),
        }
    }
}

impl From<ApontamentoFilterParams> for ApontamentoFilter {
    fn from(params: ApontamentoFilterParams) -> Self {
        Self {
            desde: params.data_inicio.value(),
            ate: params.data_fim.value(),
            organizacao: params.organization_name.value(),
            work_item_id: params.work_item_id.value().map(|id| id.0),
            projeto: params.project_id.value(),
            atividade: params.id_atividade.value().map(AtividadeId),
            usuario: text(params.usuario_id),
            oldest_first: params.ordem.value() == Some(Ordem::Asc),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary;
    use crate::edge::fields::read;

    fn valid() -> serde_json::Value {
        json!({
            "data_apontamento": "2026-01-12", "duracao": "2:30", "id_atividade": Uuid::from_u128(7), "comentario": " x ",
            "work_item_id": 4711, "project_id": "Portal", "organization_name": "Contoso", "usuario_id": "", "usuario_nome": "Ana"
        })
    }

    proptest! {
        #[test]
        fn whatever_passes_validation_is_an_entry(body in arbitrary::mutated(&valid())) {
            if let Ok(read) = read::<ApontamentoCreate>("body", body.clone()) {
                let new = read.into_new();
                prop_assert!(new.is_ok(), "{}", body);
                let new = new.unwrap();
                prop_assert!(new.work_item_id > 0 && (1..=1_440).contains(&new.duracao.minutes()));
                prop_assert!(new.comentario.is_none_or(|text| !trim(&text).is_empty() && text.chars().count() <= 500));
                for text in [new.usuario.id, new.usuario.nome, new.usuario.email].into_iter().flatten() {
                    prop_assert!(!text.is_empty() && text.chars().count() <= 255 && !text.contains('\0'));
                }
            }
        }

        #[test]
        fn a_change_changes_what_is_there(body in arbitrary::mutated(&valid())) {
            if let Ok(read) = read::<ApontamentoUpdate>("body", body.clone()) {
                let changes = ApontamentoChanges::from(read);
                let there = |name: &str| body.get(name).is_some();
                prop_assert_eq!(changes.data.is_some(), there("data_apontamento"));
                prop_assert_eq!(changes.duracao.is_some(), there("duracao"));
                prop_assert_eq!(changes.atividade.is_some(), there("id_atividade"));
                prop_assert_eq!(changes.comentario.is_some(), there("comentario"));
            }
        }
    }

    #[test]
    fn a_right_body_is_an_entry() {
        assert!(
            read::<ApontamentoCreate>("body", valid())
                .unwrap()
                .into_new()
                .is_ok()
        );
    }
}
