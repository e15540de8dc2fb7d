//! Time entries read: of a work item, summed, and the collection with its filters.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::{Value, json};
use uuid::Uuid;

use super::keys;
use crate::assert_body;
use crate::support::Logging;
use crate::support::logging::{APONTAMENTOS, PROJECT, day, path};

#[tokio::test]
async fn work_items_page_has_the_totals_of_all_pages() {
    let logging = Logging::new().await;
    for (back, duracao) in [(0, "08:10"), (-1, "10:00"), (-1, "09:55"), (-2, "24:00")] {
        let body = logging.body_with(&json!({"data_apontamento": day(back), "duracao": duracao}));
        logging.post(&body).await.expect(201);
    }
    let page = logging
        .get(&(logging.of_item("") + "&skip=1&limit=2"))
        .await
        .expect(200);
    assert_eq!(page["total"], 4);
    assert_eq!(page["total_formatado"], "52:05");
    assert_eq!(page["total_horas"], 3_125.0 / 60.0);
    let found: Vec<(&str, &str)> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                e["data_apontamento"].as_str().unwrap(),
                e["duracao"].as_str().unwrap(),
            )
        })
        .collect();
    // The newest day first, and of a day the newest entry.
    assert_eq!(found, [(day(-1).as_str(), "09:55"), (day(-1).as_str(), "10:00")]);
    let beyond = logging.get(&(logging.of_item("") + "&skip=9")).await.expect(200);
    assert_eq!((&beyond["items"], &beyond["total"]), (&json!([]), &json!(4)));
    let empty = logging
        .get(&logging.of_item("").replace(&logging.item.to_string(), "99"))
        .await
        .expect(200);
    assert_eq!(
        empty,
        json!({"items": [], "total": 0, "total_horas": 0.0, "total_formatado": "00:00", "total_minutos": 0,
            "next_cursor": null})
    );
}

#[tokio::test]
async fn d_32_summary_sums_minutes() {
    let logging = Logging::new().await;
    let review = logging
        .tenants
        .atividade(&logging.tenants.member, "Revisão", &[logging.tenants.projeto])
        .await;
    for (duracao, atividade) in [
        ("00:20", logging.atividade),
        ("00:20", logging.atividade),
        ("00:20", review),
        ("01:40", review),
    ] {
        let body = logging
            .body_with(&json!({"duracao": duracao, "id_atividade": atividade, "data_apontamento": day(-1)}));
        logging.post(&body).await.expect(201);
    }
    let admins = logging.body_with(&json!({"duracao": "00:01"}));
    logging.post_as(&logging.tenants.admin, &admins).await.expect(201);
    let reply = logging.get(&logging.of_item("/resumo")).await;
    let resumo = reply.expect(200);
    assert_eq!(
        keys(&reply.text())
            .iter()
            .filter(|key| !["id", "nome"].contains(&key.as_str()))
            .collect::<Vec<_>>(),
        [
            "work_item_id",
            "total_horas",
            "total_apontamentos",
            "media_horas_por_apontamento",
            "primeira_data",
            "ultima_data",
            "por_atividade",
            "por_usuario",
            "total_formatado",
            "total_minutos"
        ]
    );
    assert_eq!(
        (&resumo["primeira_data"], &resumo["ultima_data"]),
        (&json!(day(-1)), &json!(day(0)))
    );
    let mut fixed = resumo.clone();
    fixed["primeira_data"] = json!("[yesterday]");
    assert_body!("summary", fixed);
}

#[tokio::test]
async fn summary_without_entries_is_zero() {
    let logging = Logging::new().await;
    let unknown = logging
        .of_item("/resumo")
        .replace(&logging.item.to_string(), "99");
    let nobody = logging.get(&unknown).await.expect(200);
    assert_eq!(
        nobody,
        json!({"work_item_id": 99, "total_horas": 0.0, "total_apontamentos": 0, "media_horas_por_apontamento": 0.0,
               "primeira_data": null, "ultima_data": null, "por_atividade": [], "por_usuario": [],
               "total_formatado": "00:00", "total_minutos": 0})
    );
}

#[tokio::test]
async fn d_28_azure_info_is_numbers_or_null_or_an_error() {
    let logging = Logging::new().await;
    assert_eq!(
        logging.get(&logging.of_item("/azure-info")).await.expect(200),
        json!({"originalEstimate": 10.0, "remainingWork": 6.5, "completedWork": 3.5})
    );
    let bare = logging.azure().work_item("contoso", NewWorkItem::task(PROJECT));
    let of_bare = logging
        .of_item("/azure-info")
        .replace(&logging.item.to_string(), &bare.to_string());
    assert_eq!(
        logging.get(&of_bare).await.expect(200),
        json!({"originalEstimate": null, "remainingWork": null, "completedWork": null})
    );
    let missing = logging
        .of_item("/azure-info")
        .replace(&logging.item.to_string(), "99");
    assert_eq!(
        logging.get(&missing).await.problem(404)["detail"],
        "Work Item 99 não encontrado"
    );
    for (fault, status) in [
        (Fault::Status(500, None), 502),
        (Fault::Status(503, None), 503),
        (Fault::HalfJson, 502),
        (Fault::Hang, 504),
    ] {
        // A breaker that opens in one round would answer in the next one.
        let logging = Logging::new().await;
        logging.azure().fault("contoso", "read_work_item", fault);
        logging.get(&logging.of_item("/azure-info")).await.problem(status);
    }
}

/// Four entries of the member on two work items and two activities, and one of the administrator.
struct Collection {
    logging: Logging,
    other_item: i32,
    review: Uuid,
    /// The administrator's.
    root: Value,
}

impl Collection {
    async fn new() -> Self {
        let logging = Logging::new().await;
        let other_item = logging.azure().work_item("contoso", NewWorkItem::task(PROJECT));
        let tenants = &logging.tenants;
        let review = tenants
            .atividade(&tenants.member, "Revisão", &[tenants.projeto])
            .await;
        for (back, minutes, item, atividade) in [
            (-5, 5, logging.item, logging.atividade),
            (-4, 4, other_item, review),
            (-3, 3, logging.item, review),
            (0, 1, other_item, logging.atividade),
        ] {
            let body = logging.body_with(&json!({
                "data_apontamento": day(back), "duracao": format!("00:{minutes:02}"), "work_item_id": item,
                "id_atividade": atividade
            }));
            logging.post(&body).await.expect(201);
        }
        let body = logging.body_with(&json!({"duracao": "00:59"}));
        let root = logging.post_as(&tenants.admin, &body).await.expect(201);
        Self {
            logging,
            other_item,
            review,
            root,
        }
    }

    /// The last digits of the entries' minutes, and the total.
    async fn minutes(&self, token: &str, query: &str) -> (String, String) {
        let path = format!("{APONTAMENTOS}?{query}");
        let page = self.logging.tenants.app.get_as(token, &path).await.expect(200);
        let items = page["items"].as_array().unwrap().iter();
        let digits = items.map(|entry| entry["duracao"].as_str().unwrap()[4..].to_owned());
        (
            digits.collect(),
            page["total_formatado"].as_str().unwrap().to_owned(),
        )
    }
}

#[tokio::test]
async fn collection_of_own_entries_is_filtered_sorted_and_paged() {
    let collection = Collection::new().await;
    let Collection {
        logging,
        other_item,
        review,
        ..
    } = &collection;
    let member = &logging.tenants.member;
    let (from, to) = (day(-4), day(-3));
    for (query, expected, total) in [
        (String::new(), "1345", "00:13"),
        ("ordem=asc".to_owned(), "5431", "00:13"),
        ("ordem=desc&skip=1&limit=2".to_owned(), "34", "00:13"),
        (format!("data_inicio={from}&data_fim={to}"), "34", "00:07"),
        (format!("data_inicio={to}"), "13", "00:04"),
        (format!("work_item_id={other_item}"), "14", "00:05"),
        (format!("id_atividade={review}&ordem=asc"), "43", "00:07"),
        (format!("project_id={}", logging.tenants.projeto), "1345", "00:13"),
        (
            "project_id=p000&organization_name=CONTOSO".to_owned(),
            "1345",
            "00:13",
        ),
        ("project_id=Nenhum".to_owned(), "", "00:00"),
        (format!("project_id={}", Uuid::new_v4()), "", "00:00"),
    ] {
        assert_eq!(
            collection.minutes(member, &query).await,
            (expected.to_owned(), total.to_owned()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn collection_of_others_is_for_administrators() {
    let collection = Collection::new().await;
    let logging = &collection.logging;
    let (member, admin) = (&logging.tenants.member, &logging.tenants.admin);
    let ada = logging.get("/api/v1/user").await.expect(200)["id"].clone();
    let of_ada = format!("usuario_id={}", ada.as_str().unwrap().to_uppercase());
    assert_eq!(collection.minutes(admin, &of_ada).await.0, "1345");
    assert_eq!(collection.minutes(member, &of_ada).await.0, "1345");
    assert_eq!(collection.minutes(admin, "").await.0, "9");
    let root = collection.root["usuario_id"].as_str().unwrap();
    for refused in [
        format!("usuario_id={root}"),
        "organization_name=fabrikam".to_owned(),
    ] {
        logging
            .get(&format!("{APONTAMENTOS}?{refused}"))
            .await
            .problem(403);
    }
}

#[tokio::test]
async fn administrator_lists_the_entries_of_all_people() {
    let collection = Collection::new().await;
    let logging = &collection.logging;
    let (member, admin) = (&logging.tenants.member, &logging.tenants.admin);
    let everything = collection.minutes(admin, "todos=true&ordem=asc").await;
    assert_eq!(everything, ("54319".to_owned(), "01:12".to_owned()));
    let root = collection.root["usuario_id"].as_str().unwrap();
    let one = format!("todos=true&usuario_id={root}");
    assert_eq!(collection.minutes(admin, &one).await.0, "9");
    assert_eq!(
        collection
            .minutes(admin, "todos=true&organization_name=contoso")
            .await
            .1,
        "01:12"
    );
    assert_eq!(
        collection.minutes(&logging.tenants.bound, "todos=true").await.1,
        "01:12"
    );
    // An administrator of another organisation sees nothing of this one.
    assert_eq!(
        collection
            .minutes(&logging.tenants.other_admin, "todos=true")
            .await
            .1,
        "00:00"
    );
    for refused in [member, &logging.tenants.bound_elsewhere] {
        let path = format!("{APONTAMENTOS}?todos=true&organization_name=contoso");
        logging.tenants.app.get_as(refused, &path).await.problem(403);
    }
    logging
        .get(&format!("{APONTAMENTOS}?todos=true"))
        .await
        .problem(403);
}

#[tokio::test]
async fn entry_keeps_the_names_of_its_day() {
    let logging = Logging::new().await;
    let entry = logging.log("01:30").await;
    let title = entry["work_item_titulo"].clone();
    assert!(title.as_str().is_some_and(|title| !title.is_empty()));
    assert_eq!(entry["duracao_minutos"], 90);
    let nome = entry["projeto_nome"].clone();
    sqlx::query("UPDATE projetos SET nome = 'Outro' WHERE id = $1")
        .bind(logging.tenants.projeto)
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
    let again = logging.get(&path(&entry)).await.expect(200);
    assert_eq!(
        (&again["projeto_nome"], &again["work_item_titulo"]),
        (&nome, &title)
    );
}

#[tokio::test]
async fn collection_with_wrong_parameters_names_each() {
    let logging = Logging::new().await;
    let wrong = format!(
        "{APONTAMENTOS}?data_inicio=ontem&data_fim=2026-01-12T10:00:00Z&work_item_id=0&ordem=x&id_atividade=1"
    );
    assert_eq!(
        logging.get(&wrong).await.failures(),
        [
            "query.data_inicio date_from_datetime_parsing",
            "query.data_fim date_from_datetime_inexact",
            "query.work_item_id greater_than_equal",
            "query.id_atividade uuid_parsing",
            "query.ordem enum"
        ]
    );
}
