//! Examples of `/apontamentos` in the OpenAPI document, built by the code of the responses.

use chrono::{DateTime, NaiveDate};
use serde_json::{Value, json};
use uuid::Uuid;

use super::response::{ApontamentoListResponse, ApontamentoResponse, ResumoResponse};
use crate::models::apontamento::{Apontamento, Apontamentos, AtividadeRef, Parcela, Pessoa, ResumoWorkItem};
use crate::models::duracao::{Duracao, Total};
use crate::models::ids::{ApontamentoId, AtividadeId};
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::outbox::{Estado, Situacao};

const ID: ApontamentoId = ApontamentoId(Uuid::from_u128(0x0193_2b5c_7c00_7000_8000_0000_0000_00a1));
const ATIVIDADE: Uuid = Uuid::from_u128(0x0193_2b5c_7c00_7000_8000_0000_0000_0001);
const PROJETO: Uuid = Uuid::from_u128(0x6b1c_1f5e_2d4c_4a9e_9d26_1f0d_9be1_a001);
const WORK_ITEM: i32 = 4711;

/// Returns an example body of `POST /apontamentos`.
pub(super) fn create() -> Value {
    json!({
        "data_apontamento": "2026-01-12", "duracao": "02:30", "id_atividade": ATIVIDADE,
        "comentario": "Revisão do cadastro",
        "work_item_id": WORK_ITEM, "project_id": PROJETO, "organization_name": "contoso"
    })
}

fn sample() -> Apontamento {
    let instant = DateTime::from_timestamp_micros(1_768_233_600_123_456).unwrap_or_default();
    Apontamento {
        id: ID,
        organizacao: ChaveOrganizacao::default(),
        organizacao_nome: "contoso".to_owned(),
        projeto: PROJETO,
        projeto_nome: Some("Portal do Contribuinte".to_owned()),
        projeto_atual: PROJETO,
        work_item_id: WORK_ITEM,
        work_item_titulo: Some("Validar cadastro".to_owned()),
        data: day(),
        duracao: Duracao::EXAMPLE,
        atividade: AtividadeRef {
            id: AtividadeId(ATIVIDADE),
            nome: "Codificação".to_owned(),
        },
        comentario: Some("Revisão do cadastro".to_owned()),
        usuario: ana(),
        registrado_por: None,
        criado_em: instant,
        atualizado_em: instant,
        sincronizacao: Some(Situacao {
            estado: Some(Estado::Sincronizado),
            motivo: None,
        }),
    }
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 12).unwrap_or_default()
}

fn ana() -> Pessoa {
    Pessoa {
        id: "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d".to_owned(),
        nome: "Ana Exemplo".to_owned(),
        email: Some("ana@contoso.com".to_owned()),
    }
}

/// Returns an example of an entry.
pub(super) fn apontamento() -> ApontamentoResponse {
    sample().into()
}

/// Returns an example of a page with one entry.
pub(super) fn page() -> ApontamentoListResponse {
    let entry = sample();
    let total = entry.duracao.total();
    Apontamentos {
        items: vec![entry],
        count: 1,
        total,
        next: None,
    }
    .into()
}

/// Returns an example of the hours of a work item with one entry.
pub(super) fn resumo() -> ResumoResponse {
    let part = |id: String, nome: &str| Parcela {
        id,
        nome: nome.to_owned(),
        total: total(),
    };
    ResumoWorkItem {
        count: 1,
        total: total(),
        primeira_data: Some(day()),
        ultima_data: Some(day()),
        por_atividade: vec![part(ATIVIDADE.to_string(), "Codificação")],
        por_usuario: vec![part(ana().id, "Ana Exemplo")],
        ..ResumoWorkItem::empty(WORK_ITEM)
    }
    .into()
}

fn total() -> Total {
    Duracao::EXAMPLE.total()
}
