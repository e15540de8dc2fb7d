//! Examples of `/atividades` in the OpenAPI document, built by the code of the responses.

use chrono::DateTime;
use uuid::Uuid;

use super::dto::{AtividadeListResponse, AtividadeResponse};
use crate::models::atividade::{Atividade, Atividades};
use crate::models::ids::{AtividadeId, ProjetoId};
use crate::models::page::AtividadePosition;
use crate::models::projeto::ProjetoRef;

/// Id of the example.
const EXAMPLE_ID: AtividadeId = AtividadeId(Uuid::from_u128(0x0193_2b5c_7c00_7000_8000_0000_0000_0001));

/// Returns the example activity.
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

/// Returns an example of an activity.
pub(super) fn atividade() -> AtividadeResponse {
    sample().into()
}

/// Returns an example of a page with one activity.
pub(super) fn page() -> AtividadeListResponse {
    let sample = sample();
    let next = AtividadePosition {
        order: 1,
        id: sample.id,
        nome: sample.nome.clone(),
    };
    Atividades {
        items: vec![sample],
        total: 8,
        first: 1,
        next: Some(next),
    }
    .into()
}
