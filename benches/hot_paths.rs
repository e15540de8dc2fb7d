//! What a request does between its bytes and the database: a page as JSON, a week put together. Whole
//! requests are measured in `benches/http/`.
//!
//! `cargo bench --bench hot_paths`

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use aponta::edge::extract::ApiJson;
use aponta::models::apontamento::AtividadeRef;
use aponta::models::atividade::{Atividade, Atividades};
use aponta::models::duracao::Duracao;
use aponta::models::horas::Horas;
use aponta::models::ids::{ApontamentoId, AtividadeId, ProjetoId};
use aponta::models::projeto::ProjetoRef;
use aponta::models::timesheet::{Folha, Item, Lancamento, Semana};
use aponta::models::work_item::{Categoria, Scheduling};
use aponta::routers::atividades::AtividadeListResponse;
use aponta::routers::timesheet::FolhaResponse;
use aponta::services::timesheet::assemble::assemble;
use axum::response::IntoResponse;
use chrono::{DateTime, Days, NaiveDate, Utc};
use divan::Bencher;
use divan::counter::ItemsCount;
use uuid::Uuid;

fn main() {
    divan::main();
}

/// A hundred activities of one to three projects.
fn page() -> Atividades {
    let at: DateTime<Utc> = "2026-01-12T12:34:56.789012Z".parse().unwrap();
    let activity = |n: u128| Atividade {
        id: AtividadeId(Uuid::from_u128(n)),
        nome: format!("Atividade {n}"),
        descricao: Some(format!("Descrição da atividade {n}")),
        ativo: true,
        criado_por: Some("ana@contoso.com".to_owned()),
        criado_em: at,
        atualizado_em: at,
        projetos: (0..=n % 3)
            .map(|n| ProjetoRef {
                id: ProjetoId(Uuid::from_u128(n)),
                nome: format!("Projeto {n}"),
            })
            .collect(),
    };
    Atividades {
        items: (0..100).map(activity).collect(),
        total: 100,
        first: 1,
        next: None,
    }
}

#[divan::bench]
fn json_of_a_page_of_100_activities(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(100_usize))
        .with_inputs(page)
        .bench_values(|page| ApiJson(AtividadeListResponse::from(page)).into_response());
}

/// 300 work items in three levels and 500 entries on them.
fn week() -> (Vec<Item>, Vec<Lancamento>) {
    let monday: NaiveDate = "2026-01-12".parse().unwrap();
    let item = |id: i32| Item {
        id,
        title: format!("Item {id} da semana"),
        tipo: if id == 1 {
            "Epic"
        } else if id <= 30 {
            "User Story"
        } else {
            "Task"
        }
        .to_owned(),
        state: "Doing".to_owned(),
        categoria: Categoria::InProgress,
        icon: "data:image/svg+xml;base64,AAAA".into(),
        assigned_to: Some("Ada".to_owned()),
        scheduling: Scheduling {
            original_estimate: Horas::from_f64(8.0),
            completed_work: Horas::from_f64(2.5),
            ..Scheduling::default()
        },
        parent: match id {
            1 => None,
            2..=30 => Some(1),
            _ => Some(2 + id % 29),
        },
        pode_editar: true,
        pode_excluir: true,
    };
    let entry = |n: i32| Lancamento {
        id: ApontamentoId(Uuid::from_u128(n.unsigned_abs().into())),
        work_item_id: 31 + n % 270,
        data: monday + Days::new(u64::from(n.unsigned_abs() % 7)),
        duracao: Duracao::from_minutes((1 + n % 15).into()).unwrap(),
        atividade: AtividadeRef {
            id: AtividadeId(Uuid::nil()),
            nome: "Codificação".to_owned(),
        },
        comentario: None,
    };
    ((1..=300).map(item).collect(), (0..500).map(entry).collect())
}

fn sheet((items, entries): (Vec<Item>, Vec<Lancamento>)) -> Folha {
    let monday: NaiveDate = "2026-01-12".parse().unwrap();
    assemble(Semana::of(monday), monday, items, entries)
}

#[divan::bench]
fn a_week_of_300_work_items_and_500_entries(bencher: Bencher) {
    bencher.with_inputs(week).bench_values(sheet);
}

#[divan::bench]
fn json_of_a_week(bencher: Bencher) {
    let folha = || sheet(week());
    bencher
        .with_inputs(folha)
        .bench_values(|folha| ApiJson(FolhaResponse::from(folha)).into_response());
}
