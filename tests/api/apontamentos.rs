//! Time entries: shapes of the contract, rules, and who may do what with whose. How hours get into Azure DevOps is in
//! `write_back.rs`.

mod people;
mod rules;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::data::count;
use crate::support::logging::{APONTAMENTOS, PROJECT, day, path};
use crate::support::{Fault, Logging, NewWorkItem, Request, TestApp};

/// The keys of an object, in their order on the wire.
fn keys(text: &str) -> Vec<String> {
    let value: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
    let mut keys: Vec<(usize, String)> = value
        .keys()
        .map(|key| (text.find(&format!("\"{key}\":")).unwrap(), key.clone()))
        .collect();
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

#[tokio::test]
async fn create_answers_the_whole_entry_with_every_key_of_the_contract() {
    let logging = Logging::new().await;
    let body = logging.body_with(&json!({"duracao": "1:40", "comentario": "  Revisão  ", "unknown": 1}));
    let reply = logging.post(&body).await;
    let entry = reply.expect(201);
    assert_eq!(
        keys(&reply.text()),
        [
            "id",
            "work_item_id",
            "project_id",
            "organization_name",
            "data_apontamento",
            "duracao",
            "duracao_horas",
            "id_atividade",
            "atividade",
            "comentario",
            "usuario_id",
            "usuario_nome",
            "usuario_email",
            "criado_em",
            "atualizado_em",
            "registrado_por_id",
            "registrado_por_nome",
            "sincronizacao"
        ]
    );
    assert_eq!(entry["work_item_id"], logging.item);
    assert_eq!(entry["project_id"], json!(logging.tenants.projeto));
    assert_eq!(entry["organization_name"], "contoso");
    assert_eq!(entry["data_apontamento"], Logging::today());
    assert_eq!(entry["duracao"], "01:40");
    assert_eq!(entry["duracao_horas"], 100.0 / 60.0);
    assert_eq!(
        entry["atividade"],
        json!({"id": logging.atividade, "nome": "Codificação"})
    );
    assert_eq!(entry["comentario"], "Revisão");
    assert_eq!(entry["usuario_nome"], "Ada Example");
    assert_eq!(entry["usuario_email"], "ada@contoso.example");
    assert_eq!(entry["registrado_por_id"], Value::Null);
    assert_eq!(
        entry["sincronizacao"],
        json!({"estado": "sincronizado", "motivo": null})
    );
    assert!(entry["criado_em"].as_str().unwrap().ends_with('Z'));
    assert_eq!(reply.header("location"), path(&entry));
    assert_eq!(logging.get(&path(&entry)).await.expect(200), entry);
    // A batch of checks before, one change after.
    assert_eq!(logging.azure().count("read_work_item"), 1);
    assert_eq!(logging.azure().count("update_work_item"), 1);
}

#[tokio::test]
async fn an_update_changes_only_what_it_names_and_a_delete_removes() {
    let logging = Logging::new().await;
    let entry = logging.log("02:00").await;
    let changed = logging
        .put(
            &entry,
            &json!({"duracao": "0:30", "id_atividade": logging.atividade}),
        )
        .await
        .expect(200);
    assert_eq!(changed["duracao"], "00:30");
    assert_eq!(changed["data_apontamento"], entry["data_apontamento"]);
    assert!(changed["atualizado_em"].as_str() > entry["atualizado_em"].as_str());
    let moved = logging
        .put(
            &entry,
            &json!({"data_apontamento": day(-3), "comentario": "ontem", "usuario_id": "x"}),
        )
        .await
        .expect(200);
    assert_eq!(moved["data_apontamento"], day(-3));
    assert_eq!(moved["comentario"], "ontem");
    assert_eq!(moved["duracao"], "00:30");
    let patch = Request::new(axum::http::Method::PATCH, &path(&entry))
        .bearer(&logging.tenants.member)
        .json(&json!({"comentario": null}));
    assert_eq!(
        logging.tenants.app.send(patch).await.expect(200)["comentario"],
        Value::Null
    );
    // Nothing named, nothing changed: not even the time.
    let same = logging.put(&entry, &json!({})).await.expect(200);
    let before = logging.get(&path(&entry)).await.expect(200);
    assert_eq!(same, before);

    logging.delete(&entry).await.expect(204);
    let gone = logging.get(&path(&entry)).await.problem(404);
    assert_eq!(
        gone["detail"],
        format!(
            "Apontamento com ID {} não encontrado",
            entry["id"].as_str().unwrap()
        )
    );
    logging.put(&entry, &json!({})).await.problem(404);
    logging.delete(&entry).await.problem(404);
    assert_eq!(count(&logging.tenants.app.pool, "apontamentos").await, 0);
}

#[tokio::test]
async fn a_work_items_page_has_the_totals_of_all_pages() {
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
        json!({"items": [], "total": 0, "total_horas": 0.0, "total_formatado": "00:00"})
    );
}

#[tokio::test]
async fn d_32_a_summary_sums_minutes() {
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
            "total_formatado"
        ]
    );
    assert_eq!(resumo["total_formatado"], "02:41");
    assert_eq!(resumo["total_horas"], 161.0 / 60.0);
    assert_eq!(resumo["total_apontamentos"], 5);
    assert_eq!(resumo["media_horas_por_apontamento"], 161.0 / 60.0 / 5.0);
    assert_eq!(
        (&resumo["primeira_data"], &resumo["ultima_data"]),
        (&json!(day(-1)), &json!(day(0)))
    );
    assert_eq!(
        resumo["por_atividade"],
        json!([
            {"id": review, "nome": "Revisão", "total_horas": 2.0},
            {"id": logging.atividade, "nome": "Codificação", "total_horas": 41.0 / 60.0}
        ])
    );
    let people: Vec<&str> = resumo["por_usuario"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["nome"].as_str().unwrap())
        .collect();
    assert_eq!(people, ["Ada Example", "Root"]);

    let nobody = logging
        .get(
            &logging
                .of_item("/resumo")
                .replace(&logging.item.to_string(), "99"),
        )
        .await
        .expect(200);
    assert_eq!(
        nobody,
        json!({"work_item_id": 99, "total_horas": 0.0, "total_apontamentos": 0, "media_horas_por_apontamento": 0.0,
               "primeira_data": null, "ultima_data": null, "por_atividade": [], "por_usuario": [], "total_formatado": "00:00"})
    );
}

#[tokio::test]
async fn d_28_hours_of_azure_devops_are_numbers_or_null_and_a_failure_is_a_failure() {
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

#[tokio::test]
async fn d_31_a_project_and_an_organisation_are_one_however_they_are_spelt() {
    let logging = Logging::new().await;
    let id: Uuid = logging.tenants.projeto;
    let spellings = [
        json!(id),
        json!(id.simple()),
        json!(id.to_string().to_uppercase()),
        json!(format!("{{{id}}}")),
        json!(PROJECT),
        json!(format!(" {} ", PROJECT.to_lowercase())),
    ];
    for (n, spelling) in spellings.iter().enumerate() {
        let organizacao = ["contoso", "Contoso", "CONTOSO"][n % 3];
        let body = logging.body_with(
            &json!({"project_id": spelling, "organization_name": organizacao, "duracao": "00:30"}),
        );
        let entry = logging.post(&body).await.expect(201);
        assert_eq!(
            (&entry["project_id"], &entry["organization_name"]),
            (&json!(id), &json!("contoso"))
        );
    }
    for spelling in spellings {
        let encoded: String =
            url::form_urlencoded::byte_serialize(spelling.as_str().unwrap().as_bytes()).collect();
        let under = |under: &str| {
            format!(
                "{APONTAMENTOS}/work-item/{}{under}?organization_name=ConToso&project_id={encoded}",
                logging.item
            )
        };
        assert_eq!(
            logging.get(&under("")).await.expect(200)["total_formatado"],
            "03:00"
        );
        assert_eq!(
            logging.get(&under("/resumo")).await.expect(200)["total_formatado"],
            "03:00"
        );
    }
    assert_eq!(logging.azure().hours(logging.item), (Some(6.5), Some(3.5)));
}

#[tokio::test]
async fn a_project_that_nobody_synchronised_is_fetched_and_one_that_is_nowhere_refused() {
    let logging = Logging::new().await;
    let fresh = logging.azure().projects("contoso", 3).pop().unwrap();
    logging.azure().edit_projects("contoso", |projects| {
        projects.last_mut().unwrap().json["name"] = json!("Novo - 2");
    });
    let item = logging
        .azure()
        .work_item("contoso", NewWorkItem::task("Novo - 2"));
    let anywhere = sqlx::query_scalar::<_, Uuid>(
        "INSERT INTO atividades (id, nome) VALUES (gen_random_uuid(), 'Livre') RETURNING id",
    )
    .fetch_one(&logging.tenants.app.pool)
    .await
    .unwrap();
    let body =
        logging.body_with(&json!({"project_id": "novo - 2", "work_item_id": item, "id_atividade": anywhere}));
    let entry = logging.post(&body).await.expect(201);
    assert_eq!(entry["project_id"], json!(fresh.id));
    let unknown = logging.body_with(&json!({"project_id": "Nenhum"}));
    assert_eq!(
        logging.post(&unknown).await.problem(400)["detail"],
        "Projeto não encontrado: Nenhum"
    );
    // A work item that moved there keeps its hours.
    let moved = logging.log("02:00").await;
    logging.azure().edit_work_items("contoso", |items| {
        items.edit(logging.item, "System.TeamProject", json!("Novo - 2"));
    });
    let body = logging.body_with(&json!({"project_id": fresh.id, "id_atividade": anywhere}));
    logging.post(&body).await.expect(201);
    for projeto in [fresh.id.to_string(), logging.tenants.projeto.to_string()] {
        let resumo = logging
            .of_item("/resumo")
            .replace(&logging.tenants.projeto.to_string(), &projeto);
        assert_eq!(logging.get(&resumo).await.expect(200)["total_formatado"], "03:00");
        let list = resumo.replace("/resumo", "");
        assert_eq!(logging.get(&list).await.expect(200)["total"], 2);
    }
    assert_eq!(logging.situation(&moved).await["estado"], "sincronizado");
    // A project that was renamed is the same project.
    logging.azure().edit_projects("contoso", |projects| {
        projects[0].json["name"] = json!("Renomeado");
    });
    let renamed = logging
        .azure()
        .work_item("contoso", NewWorkItem::task("Renomeado"));
    let body = logging.body_with(&json!({"work_item_id": renamed}));
    logging.post(&body).await.expect(201);
}

/// Which project a name stands for is remembered for seconds.
#[tokio::test]
async fn what_a_synchronisation_renames_is_found_by_its_new_name_alone() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let named = |nome: &str| {
        let of_item = logging.of_item("/resumo");
        of_item.replace(&logging.tenants.projeto.to_string(), nome)
    };
    let total = async |nome: &str| logging.get(&named(nome)).await.expect(200)["total_formatado"].clone();
    assert_eq!(
        (total(PROJECT).await, total("Renomeado").await),
        (json!("01:00"), json!("00:00"))
    );
    logging.azure().edit_projects("contoso", |projects| {
        projects[0].json["name"] = json!("Renomeado");
    });
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    logging.tenants.app.send(sync).await.expect(200);
    assert_eq!(
        (total(PROJECT).await, total("Renomeado").await),
        (json!("00:00"), json!("01:00"))
    );
}

#[tokio::test]
async fn the_collection_shows_ones_own_entries_filtered_sorted_and_paged() {
    let logging = Logging::new().await;
    let other_item = logging.azure().work_item("contoso", NewWorkItem::task(PROJECT));
    let review = logging
        .tenants
        .atividade(&logging.tenants.member, "Revisão", &[logging.tenants.projeto])
        .await;
    for (back, minutes, item, atividade) in [
        (-5, 5, logging.item, logging.atividade),
        (-4, 4, other_item, review),
        (-3, 3, logging.item, review),
        (0, 1, other_item, logging.atividade),
    ] {
        let body = logging.body_with(&json!({
            "data_apontamento": day(back), "duracao": format!("00:{minutes:02}"), "work_item_id": item, "id_atividade": atividade
        }));
        logging.post(&body).await.expect(201);
    }
    let root = logging
        .post_as(
            &logging.tenants.admin,
            &logging.body_with(&json!({"duracao": "00:59"})),
        )
        .await
        .expect(201);
    let minutes = async |token: &str, query: &str| {
        let page = logging
            .tenants
            .app
            .get_as(token, &format!("{APONTAMENTOS}?{query}"))
            .await
            .expect(200);
        let items: Vec<String> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["duracao"].as_str().unwrap()[4..].to_owned())
            .collect();
        (
            items.join(""),
            page["total_formatado"].as_str().unwrap().to_owned(),
        )
    };
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
            minutes(member, &query).await,
            (expected.to_owned(), total.to_owned()),
            "{query}"
        );
    }
    // Others' are for administrators.
    let ada = logging.get("/api/v1/user").await.expect(200)["id"].clone();
    let of_ada = format!("usuario_id={}", ada.as_str().unwrap().to_uppercase());
    assert_eq!(minutes(&logging.tenants.admin, &of_ada).await.0, "1345");
    assert_eq!(minutes(member, &of_ada).await.0, "1345");
    assert_eq!(minutes(&logging.tenants.admin, "").await.0, "9");
    let of_root = format!(
        "{APONTAMENTOS}?usuario_id={}",
        root["usuario_id"].as_str().unwrap()
    );
    logging.get(&of_root).await.problem(403);
    logging
        .get(&format!("{APONTAMENTOS}?organization_name=fabrikam"))
        .await
        .problem(403);
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

#[tokio::test]
async fn without_authentication_and_organisation_hours_are_logged_and_written_nowhere() {
    let app = TestApp::new().await;
    let projeto = crate::support::data::projeto(&app.pool, "Portal").await;
    let atividade = app
        .post(
            "/api/v1/atividades",
            json!({"nome": "A", "ids_projetos": [projeto]}),
        )
        .await
        .expect(201)["id"]
        .clone();
    let body = json!({
        "data_apontamento": day(0), "duracao": "01:00", "id_atividade": atividade, "work_item_id": 1, "project_id": "portal",
        "organization_name": "Contoso"
    });
    let entry = app.post(APONTAMENTOS, body).await.expect(201);
    assert_eq!(entry["sincronizacao"], Value::Null);
    assert_eq!(entry["usuario_id"], "dev-user-001");
    let of_item = format!("{APONTAMENTOS}/work-item/1?organization_name=contoso&project_id={projeto}");
    assert_eq!(app.get(&of_item).await.expect(200)["total"], 1);
    let info = of_item.replace("/1?", "/1/azure-info?");
    assert_eq!(
        app.get(&info).await.problem(503)["code"],
        "azure_devops_nao_configurado"
    );
    app.put(&path(&entry), json!({"duracao": "02:00"}))
        .await
        .expect(200);
    app.delete(&path(&entry)).await.expect(204);
}

#[tokio::test]
async fn every_write_is_in_the_audit_trail() {
    let logging = Logging::new().await;
    let entry = logging.log("01:00").await;
    logging
        .put(&entry, &json!({"duracao": "02:00"}))
        .await
        .expect(200);
    logging.put(&entry, &json!({})).await.expect(200);
    logging.delete(&entry).await.expect(204);
    let trail = logging
        .tenants
        .app
        .get_as(
            &logging.tenants.admin,
            "/api/v1/auditoria?objeto_tipo=apontamento",
        )
        .await
        .expect(200);
    let items = trail["items"].as_array().unwrap();
    let actions: Vec<&str> = items.iter().map(|e| e["acao"].as_str().unwrap()).collect();
    assert_eq!(actions, ["excluir", "alterar", "criar"]);
    assert_eq!(items[1]["antes"]["duracao"], "01:00");
    assert_eq!(items[1]["depois"]["duracao"], "02:00");
    assert_eq!(items[0]["organizacao"], "contoso");
}
