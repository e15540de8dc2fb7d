//! How the OpenAPI document shows the answers of `/atividades`: examples made by the code that answers.

use chrono::DateTime;
use utoipa::IntoResponses;
use uuid::Uuid;

use super::dto::{AtividadeListResponse, AtividadeResponse};

use crate::edge::problem::{Problem, ProblemBody};
use crate::models::atividade::Atividade;
use crate::models::ids::{AtividadeId, ProjetoId};
use crate::models::page::{Page, Paged};
use crate::models::projeto::ProjetoRef;
use crate::services::atividades;

/// An id for examples.
const EXAMPLE_ID: AtividadeId = AtividadeId(Uuid::from_u128(0x0193_2b5c_7c00_7000_8000_0000_0000_0001));

/// There is no such activity.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "describes an answer; the service makes it")]
pub(super) enum AtividadeNotFound<'a> {
    /// No such activity
    #[response(status = 404, content_type = "application/problem+json", example = json!(not_found_example()))]
    NotFound(ProblemBody<'a>),
}

/// A project of the body does not exist.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "describes an answer; the service makes it")]
pub(super) enum UnknownProjetos<'a> {
    /// A project does not exist
    #[response(status = 400, content_type = "application/problem+json", example = json!(unknown_projetos_example()))]
    UnknownProjetos(ProblemBody<'a>),
}

/// Something refers to the activity.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "describes an answer; the service makes it")]
pub(super) enum AtividadeInUse<'a> {
    /// The activity is in use
    #[response(status = 409, content_type = "application/problem+json", example = json!(in_use_example()))]
    InUse(ProblemBody<'a>),
}

fn not_found_example() -> serde_json::Value {
    Problem::from(atividades::not_found(EXAMPLE_ID)).example()
}

fn unknown_projetos_example() -> serde_json::Value {
    Problem::from(atividades::unknown_projetos(&[EXAMPLE_ID.0])).example()
}

fn in_use_example() -> serde_json::Value {
    Problem::from(atividades::in_use(EXAMPLE_ID)).example()
}

/// The activity that stands for all.
fn sample() -> Atividade {
    let instant = DateTime::from_timestamp_micros(1_768_233_600_123_456).unwrap_or_default();
    Atividade {
        id: EXAMPLE_ID,
        nome: "Desenvolvimento".to_owned(),
        descricao: Some("Codificação e revisão".to_owned()),
        ativo: true,
        criado_por: Some("ana@contoso.com".to_owned()),
        criado_em: instant,
        atualizado_em: instant,
        projetos: vec![ProjetoRef {
            id: ProjetoId(Uuid::from_u128(0x6b1c_1f5e_2d4c_4a9e_9d26_1f0d_9be1_a001)),
            nome: "Portal do Contribuinte".to_owned(),
        }],
    }
}

/// One activity.
pub(super) fn atividade() -> AtividadeResponse {
    sample().into()
}

/// A page of one.
pub(super) fn page() -> AtividadeListResponse {
    AtividadeListResponse::new(
        Paged {
            items: vec![sample()],
            total: 1,
        },
        Page { skip: 0, limit: 100 },
    )
}
