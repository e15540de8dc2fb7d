//! Entries of work items that are deleted, hidden or closed, of projects that are gone, and of people that
//! left: they stay in the hands of their owner and of administrators.

use serde_json::json;
use uuid::Uuid;

use crate::support::logging::path;
use crate::support::{Logging, Request};

#[tokio::test]
async fn deleted_item_leaves_entries_to_be_lowered_and_deleted() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    let entry = logging.log("02:00").await;
    let other = logging.log("01:00").await;
    assert_eq!(azure.hours(logging.item).0, Some(6.5));
    azure.edit_work_items("contoso", |items| items.delete(logging.item));
    azure.forget_requests();

    logging
        .put(&entry, &json!({"duracao": "02:30"}))
        .await
        .problem(404);
    logging
        .put(&entry, &json!({"data_apontamento": "2026-01-12"}))
        .await
        .problem(404);
    let lowered = logging
        .put(&entry, &json!({"duracao": "01:30"}))
        .await
        .expect(200);
    assert_eq!(lowered["duracao"], "01:30");
    logging
        .put(&entry, &json!({"comentario": "corrigido"}))
        .await
        .expect(200);
    assert_eq!(logging.delete(&other).await.status, 204);
    assert_eq!(
        azure.count("update_work_item"),
        0,
        "nothing is sent to what is not there"
    );

    // An administrator may, too; a colleague may not.
    let colleague = azure.pat(&azure.person("Carla", &["contoso"]));
    let delete = |token: &str| Request::delete(&path(&entry)).bearer(token);
    logging.tenants.app.send(delete(&colleague)).await.problem(403);
    assert_eq!(
        logging
            .tenants
            .app
            .send(delete(&logging.tenants.admin))
            .await
            .status,
        204
    );

    // Restored, it is told.
    azure.edit_work_items("contoso", |items| items.restore(logging.item));
    let body = json!({"organization_name": "contoso", "work_item_id": logging.item});
    let repair = Request::post("/api/v1/integracao/reconciliar");
    let repair = repair.bearer(&logging.tenants.admin).json(&body);
    logging.tenants.app.send(repair).await.expect(200);
    logging.write_due().await;
    assert_eq!(azure.hours(logging.item).0, Some(3.5));
}

#[tokio::test]
async fn project_that_is_gone_leaves_entries_to_be_deleted() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    let entry = logging.log("02:00").await;
    azure.edit_projects("contoso", Vec::clear);
    azure.edit_work_items("contoso", |items| items.delete(logging.item));
    let sync = Request::post("/api/v1/integracao/sincronizar").bearer(&logging.tenants.admin);
    logging.tenants.app.send(sync).await.expect(200);
    assert_eq!(logging.delete(&entry).await.status, 204);
    // The day is free again.
    let total: i64 = sqlx::query_scalar("SELECT coalesce(sum(minutos), 0) FROM minutos_do_dia")
        .fetch_one(&logging.tenants.app.pool)
        .await
        .unwrap();
    assert_eq!(total, 0);
}

#[tokio::test]
async fn hidden_item_is_corrected_with_the_services_pat() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    let entry = logging.log("02:00").await;
    let me: Uuid = entry["usuario_id"].as_str().unwrap().parse().unwrap();
    azure.edit_work_items("contoso", |items| items.hide(logging.item, me));
    logging
        .put(&entry, &json!({"duracao": "03:00"}))
        .await
        .problem(404);
    logging
        .put(&entry, &json!({"duracao": "01:00"}))
        .await
        .expect(200);
    assert_eq!(azure.hours(logging.item).0, Some(4.5));
    assert_eq!(logging.delete(&entry).await.status, 204);
    assert_eq!(azure.hours(logging.item).0, Some(3.5));
}

#[tokio::test]
async fn closed_item_lets_text_be_mended_and_no_hours() {
    let logging = Logging::new().await;
    let azure = logging.azure();
    let entry = logging.log("02:00").await;
    azure.edit_work_items("contoso", |items| {
        items.edit(logging.item, "System.State", json!("Done"));
    });
    // The whole body as clients send it, the hours as they are.
    let mended =
        json!({"comentario": "sem erro", "duracao": "02:00", "data_apontamento": entry["data_apontamento"]});
    assert_eq!(
        logging.put(&entry, &mended).await.expect(200)["comentario"],
        "sem erro"
    );
    for changes in [
        json!({"duracao": "01:00"}),
        json!({"duracao": "03:00"}),
        json!({"data_apontamento": "2026-01-12"}),
    ] {
        let problem = logging.put(&entry, &changes).await.problem(422);
        assert_eq!(problem["code"], "work_item_fechado", "{changes}");
    }
    assert_eq!(
        logging.delete(&entry).await.problem(422)["code"],
        "work_item_fechado"
    );
    assert_eq!(azure.hours(logging.item).0, Some(5.5));
}

#[tokio::test]
async fn setting_keeps_text_on_closed_items_for_administrators() {
    let logging = Logging::with(&[("EDIT_TEXT_ON_CLOSED", "false")]).await;
    let entry = logging.log("02:00").await;
    logging.azure().edit_work_items("contoso", |items| {
        items.edit(logging.item, "System.State", json!("Done"));
    });
    let changes = json!({"comentario": "sem erro"});
    logging.put(&entry, &changes).await.problem(422);
    let by_admin = Request::put(&path(&entry))
        .bearer(&logging.tenants.admin)
        .json(&changes);
    logging.tenants.app.send(by_admin).await.expect(200);
    let (usuario, acao): (String, String) = sqlx::query_as(
        "SELECT usuario_nome, acao FROM auditoria WHERE objeto_tipo = 'apontamento' ORDER BY id DESC LIMIT 1",
    )
    .fetch_one(&logging.tenants.app.pool)
    .await
    .unwrap();
    assert_eq!((usuario.as_str(), acao.as_str()), ("Root", "alterar"));
}

#[tokio::test]
async fn entry_of_a_former_member_is_corrected_by_administrators() {
    let logging = Logging::new().await;
    let entry = logging.log("02:00").await;
    let me: Uuid = entry["usuario_id"].as_str().unwrap().parse().unwrap();
    logging.azure().edit_person(me, |person| person.active = false);
    let body = logging.body_with(&json!({"usuario_id": me, "duracao": "00:30"}));
    let made = logging.post_as(&logging.tenants.admin, &body).await.expect(201);
    assert_eq!(
        (
            &made["usuario_id"],
            &made["usuario_nome"],
            &made["registrado_por_nome"]
        ),
        (&json!(me), &entry["usuario_nome"], &json!("Root"))
    );
    // An id without entries is unknown, as before.
    let body = logging.body_with(&json!({"usuario_id": Uuid::new_v4()}));
    logging.post_as(&logging.tenants.admin, &body).await.problem(400);
}
