//! Time entries: shapes of the contract, rules, and permissions. How hours get into Azure DevOps is in
//! `outbox.rs`.

mod dates;
mod gone;
mod moved_items;
mod people;
mod projetos;
mod reads;
mod rules;

use serde_json::{Value, json};

use crate::assert_body;
use crate::support::data::count;
use crate::support::logging::{APONTAMENTOS, day, path};
use crate::support::{Logging, Request, TestApp};

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
async fn create_returns_every_key_of_the_contract() {
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
            "sincronizacao",
            "projeto_atual",
            "duracao_minutos",
            "projeto_nome",
            "work_item_titulo"
        ]
    );
    assert_eq!(entry["work_item_id"], logging.item);
    assert_eq!(entry["project_id"], json!(logging.tenants.projeto));
    assert_eq!(entry["id_atividade"], json!(logging.atividade));
    assert_body!("created", entry);
    assert_eq!(reply.header("location"), path(&entry));
    assert_eq!(logging.get(&path(&entry)).await.expect(200), entry);
    // A batch of checks before, one change after.
    assert_eq!(logging.azure().count("read_work_item"), 1);
    assert_eq!(logging.azure().count("update_work_item"), 1);
}

#[tokio::test]
async fn update_changes_named_fields_and_delete_removes() {
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
    let before = logging.get(&path(&entry)).await.expect(200);
    let same = logging.put(&entry, &json!({})).await.expect(200);
    assert_eq!(same, before);
    assert_eq!(logging.get(&path(&entry)).await.expect(200), before);

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
async fn create_without_organisation_writes_nothing_back() {
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
        "data_apontamento": day(0), "duracao": "01:00", "id_atividade": atividade, "work_item_id": 1,
        "project_id": "portal",
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
