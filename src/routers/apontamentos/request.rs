//! Bodies and parameters of requests to `/apontamentos`, and their conversion to the domain.

use chrono::NaiveDate;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use uuid::Uuid;

use crate::edge::fields::{
    AnyTrimmed, Blankable, Failure, FieldType, Flag, Nullable, Optional, OrNull, Required, Trimmed,
    WorkItemId, fields,
};
use crate::models::apontamento::{
    ApontamentoChanges, ApontamentoFilter, NewApontamento, ProjetoNomeado, UsuarioInformado,
};
use crate::models::duracao::Duracao;
use crate::models::ids::AtividadeId;
use crate::models::organizacao::NomeOrganizacao;

fields! {
    /// A new time entry. The author is taken from the credential; `usuario_id`, `usuario_nome` and
    /// `usuario_email` are accepted when they agree with it. Administrators may log hours for another person.
    pub(super) struct ApontamentoCreate {
        /// Day on which the work was done, `YYYY-MM-DD`. It must not be in the future, nor older than the
        /// server allows: two years unless configured otherwise.
        data_apontamento: Required<NaiveDate> = "2026-01-12",
        /// Duration as `H:mm` or `HH:mm`, from 00:01 to 24:00.
        duracao: Required<Duracao> = "02:30",
        /// Activity. It must be active and usable in the project.
        id_atividade: Required<Uuid>,
        /// Free text. A blank text counts as none.
        comentario: Nullable<Trimmed<500>>,
        /// Id of the work item in Azure DevOps.
        work_item_id: Required<WorkItemId> = 4711,
        /// Project of the work item: its name, its Azure DevOps GUID in any spelling, or its `id`.
        project_id: Required<ProjetoNomeado> = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001",
        /// Organisation of the work item. Case does not matter.
        organization_name: Required<NomeOrganizacao> = "contoso",
        /// Id of the person who worked. Administrators may name another member of the organisation; other
        /// callers may only name themselves.
        usuario_id: Blankable<Trimmed<255>>,
        /// Name of that person. It is used only when Azure DevOps does not tell the name.
        usuario_nome: Blankable<Trimmed<255>>,
        /// E-mail address of that person. It is used only when Azure DevOps does not tell the address.
        usuario_email: Blankable<Trimmed<255>>,
    }
    example = json!({"data_apontamento": "2026-01-12", "duracao": "02:30",
        "id_atividade": "01932b5c-7c00-7000-8000-000000000001", "comentario": "Revisão do cadastro",
        "work_item_id": 4711, "project_id": "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001",
        "organization_name": "contoso"});
}

impl From<ApontamentoCreate> for NewApontamento {
    fn from(body: ApontamentoCreate) -> Self {
        Self {
            organizacao: body.organization_name,
            projeto: body.project_id,
            work_item_id: body.work_item_id,
            data: body.data_apontamento,
            duracao: body.duracao,
            atividade: AtividadeId(body.id_atividade),
            comentario: body.comentario.filter(|text| !text.is_empty()),
            usuario: UsuarioInformado {
                id: body.usuario_id,
                nome: body.usuario_nome,
                email: body.usuario_email,
            },
        }
    }
}

fields! {
    /// Changes to a time entry. An absent key changes nothing; unknown keys are ignored.
    pub(super) struct ApontamentoUpdate {
        /// New day, `YYYY-MM-DD`. It must not be in the future, nor older than the server allows. An entry on
        /// an older day may keep its day.
        data_apontamento: Optional<NaiveDate> = "2026-01-12",
        /// New duration as `H:mm` or `HH:mm`, from 00:01 to 24:00.
        duracao: Optional<Duracao> = "02:30",
        /// New activity. The current activity may stay even if it is inactive.
        id_atividade: Optional<Uuid>,
        /// New text. Null clears it.
        comentario: Optional<OrNull<Trimmed<500>>>,
    }
    example = json!({"duracao": "03:00", "comentario": "Com a equipe"});
}

impl From<ApontamentoUpdate> for ApontamentoChanges {
    fn from(body: ApontamentoUpdate) -> Self {
        Self {
            data: body.data_apontamento,
            duracao: body.duracao,
            atividade: body.id_atividade.map(AtividadeId),
            comentario: body.comentario.map(|text| text.filter(|text| !text.is_empty())),
        }
    }
}

/// Path of one entry.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiPath reads")]
pub(super) struct ApontamentoIdParam {
    /// Id of the time entry.
    #[param(example = "01932b5c-7c00-7000-8000-0000000000a1")]
    apontamento_id: Uuid,
}

/// Path of an entry to delete: its example is not that of the other operations, so that both work.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that ApiPath reads")]
pub(super) struct DeletedApontamentoIdParam {
    /// Id of the time entry.
    #[param(example = "01932b5c-7c00-7000-8000-0000000000a2")]
    apontamento_id: Uuid,
}

fields! {
    /// Selects the entries to list.
    pub(super) struct ApontamentoFilterParams {
        /// First day of the entries to return.
        data_inicio: Optional<NaiveDate> = "2026-01-12",
        /// Last day of the entries to return.
        data_fim: Optional<NaiveDate> = "2026-01-18",
        /// Returns only entries of this organisation. Case does not matter.
        organization_name: Optional<NomeOrganizacao> = "contoso",
        /// Returns only entries of this project: its name, its Azure DevOps GUID in any spelling, or its
        /// `id`.
        project_id: Optional<ProjetoNomeado> = "6b1c1f5e-2d4c-4a9e-9d26-1f0d9be1a001",
        /// Returns only entries of this work item.
        work_item_id: Optional<WorkItemId> = 4711,
        /// Returns only entries with this activity.
        id_atividade: Optional<Uuid> = "01932b5c-7c00-7000-8000-000000000001",
        /// Returns the entries of this person. Only administrators may name another person; without it the
        /// caller's own entries are returned.
        usuario_id: Blankable<AnyTrimmed> = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d",
        /// `true` returns the entries of all people in the organisations that the caller administers, unless
        /// `usuario_id` names one. Only administrators may use it.
        todos: Flag<false> = false,
        /// `desc` puts the newest day first, `asc` the oldest.
        ordem: Optional<Ordem> = "desc",
    }
}

/// Order of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordem {
    /// The oldest first.
    Asc,
    /// The newest first.
    Desc,
}

impl FieldType for Ordem {
    type Value = Self;

    fn read(value: &Value) -> Result<Self, Vec<Failure>> {
        match value.as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
            "asc" => Ok(Self::Asc),
            "desc" => Ok(Self::Desc),
            _ => Err(vec![Failure::new("enum", "deve ser asc ou desc")]),
        }
    }

    fn schema() -> Schema {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(["asc", "desc"]))
            .into()
    }
}

impl From<ApontamentoFilterParams> for ApontamentoFilter {
    fn from(params: ApontamentoFilterParams) -> Self {
        Self {
            desde: params.data_inicio,
            ate: params.data_fim,
            organizacao: params.organization_name,
            work_item_id: params.work_item_id,
            projeto: params.project_id,
            atividade: params.id_atividade.map(AtividadeId),
            usuario: params.usuario_id,
            todos: params.todos,
            oldest_first: params.ordem == Some(Ordem::Asc),
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
    use crate::models::text::trim;

    fn valid() -> serde_json::Value {
        json!({
            "data_apontamento": "2026-01-12", "duracao": "2:30", "id_atividade": Uuid::from_u128(7),
            "comentario": " x ",
            "work_item_id": 4711, "project_id": "Portal", "organization_name": "Contoso", "usuario_id": "",
            "usuario_nome": "Ana"
        })
    }

    proptest! {
        #[test]
        fn validated_body_is_an_entry(body in arbitrary::mutated(&valid())) {
            if let Ok(read) = read::<ApontamentoCreate>("body", &body) {
                let new = NewApontamento::from(read);
                prop_assert!(new.work_item_id > 0 && (1..=1_440).contains(&new.duracao.minutes()));
                prop_assert!(new.comentario.is_none_or(|text| !trim(&text).is_empty() && text.chars().count() <= 500));
                for text in [new.usuario.id, new.usuario.nome, new.usuario.email].into_iter().flatten() {
                    prop_assert!(!text.is_empty() && text.chars().count() <= 255 && !text.contains('\0'));
                }
            }
        }

        #[test]
        fn change_holds_the_present_keys(body in arbitrary::mutated(&valid())) {
            if let Ok(read) = read::<ApontamentoUpdate>("body", &body) {
                let changes = ApontamentoChanges::from(read);
                let is_present = |name: &str| body.get(name).is_some();
                prop_assert_eq!(changes.data.is_some(), is_present("data_apontamento"));
                prop_assert_eq!(changes.duracao.is_some(), is_present("duracao"));
                prop_assert_eq!(changes.atividade.is_some(), is_present("id_atividade"));
                prop_assert_eq!(changes.comentario.is_some(), is_present("comentario"));
            }
        }
    }

    #[test]
    fn valid_body_is_an_entry() {
        assert!(read::<ApontamentoCreate>("body", &valid()).is_ok());
    }
}
