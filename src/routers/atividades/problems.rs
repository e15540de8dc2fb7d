//! How the OpenAPI document describes the refusals of `/atividades`; the examples are made by the real code.

use utoipa::IntoResponses;
use uuid::Uuid;

use crate::http::problem::{Problem, ProblemBody};
use crate::models::ids::AtividadeId;
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
