//! Comparing with Azure DevOps, and repairing.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::{Value, json};

use crate::support::logging::PROJECT;
use crate::support::{Logging, Reply, Request, TestApp, eventually};

async fn reconcile(app: &TestApp, token: &str, body: &Value) -> Reply {
    let request = Request::post("/api/v1/integracao/reconciliar")
        .bearer(token)
        .json(body);
    app.send(request).await
}

#[tokio::test]
async fn reconcile_rewrites_lost_and_keeps_typed_hours() {
    let logging = Logging::new().await;
    logging.log("05:00").await;
    let (app, admin) = (&logging.tenants.app, &logging.tenants.admin);
    let this = json!({"organization_name": "CONTOSO", "work_item_id": logging.item});
    let clean = reconcile(app, admin, &this).await.expect(200);
    assert_eq!(
        clean,
        json!({"verificados": 1, "diferencas": [], "proximo": null})
    );
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", 20.0);
    });
    assert_eq!(
        reconcile(app, admin, &this).await.expect(200)["diferencas"],
        json!([])
    );
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", 2.0);
    });
    let repaired = reconcile(app, admin, &this).await.expect(200);
    assert_eq!(
        repaired["diferencas"],
        json!([{
            "work_item_id": logging.item, "horas_apontadas": 5.0, "horas_formatadas": "05:00",
            "completed_work_antes": 2.0, "completed_work_depois": 5.0, "reparado": true, "motivo": null
        }])
    );
    assert_eq!(logging.azure().hours(logging.item).0, Some(5.0));
    assert_eq!(
        reconcile(app, admin, &this).await.expect(200)["diferencas"],
        json!([])
    );
}

#[tokio::test]
async fn reconcile_in_absolute_mode_demands_equality() {
    let logging = Logging::with(&[("WRITEBACK_MODE", "absolute")]).await;
    logging.log("05:00").await;
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", 20.0);
    });
    let this = json!({"organization_name": "contoso", "work_item_id": logging.item});
    let repaired = reconcile(&logging.tenants.app, &logging.tenants.admin, &this)
        .await
        .expect(200);
    assert_eq!(repaired["diferencas"][0]["completed_work_depois"], 5.0);
    assert_eq!(logging.azure().hours(logging.item).0, Some(5.0));
}

#[tokio::test]
async fn reconcile_of_a_project_includes_failed_and_old_hours() {
    // Entries from a time when nothing was written back.
    let logging = Logging::with(&[("WRITEBACK_MODE", "off")]).await;
    let second = logging.azure().work_item("contoso", NewWorkItem::task(PROJECT));
    let gone = logging.azure().work_item("contoso", NewWorkItem::task(PROJECT));
    logging.log("01:00").await;
    for item in [second, gone] {
        logging
            .post(&logging.body_with(&json!({"work_item_id": item})))
            .await
            .expect(201);
    }
    logging
        .azure()
        .edit_work_items("contoso", |items| items.delete(gone));
    let admin = &logging.tenants.admin;
    let all = json!({"organization_name": "contoso", "project_id": PROJECT.to_lowercase()});
    assert_eq!(
        reconcile(&logging.tenants.app, admin, &all).await.problem(409)["code"],
        "sincronizacao_desligada"
    );
    let on = logging.tenants.app.replica_with("WRITEBACK_MODE", "delta");
    let done = reconcile(&on, admin, &all).await.expect(200);
    assert_eq!(done["verificados"], 3);
    let found: Vec<(i64, bool)> = done["diferencas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            (
                d["work_item_id"].as_i64().unwrap(),
                d["reparado"].as_bool().unwrap(),
            )
        })
        .collect();
    let id = |item: i32| i64::from(item);
    assert_eq!(
        found,
        [(id(logging.item), true), (id(second), true), (id(gone), false)]
    );
    assert_eq!(
        done["diferencas"][2]["motivo"],
        format!("O Work Item {gone} não existe mais, ou a credencial usada não o vê")
    );
    assert_eq!(logging.azure().hours(logging.item).0, Some(4.5));
    assert_eq!(logging.azure().hours(second).0, Some(1.0));
    let next = json!({"organization_name": "contoso", "project_id": PROJECT, "a_partir_de": logging.item});
    assert_eq!(reconcile(&on, admin, &next).await.expect(200)["verificados"], 2);
}

#[tokio::test]
async fn reconcile_with_invalid_selection_is_refused() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let (app, admin) = (&logging.tenants.app, &logging.tenants.admin);
    let of = |changes: Value| {
        let mut body = json!({"organization_name": "contoso"});
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    assert_eq!(
        reconcile(app, admin, &of(json!({}))).await.failures(),
        ["body.work_item_id missing"]
    );
    assert_eq!(
        reconcile(app, admin, &json!({})).await.failures(),
        ["body.organization_name missing"]
    );
    reconcile(app, admin, &of(json!({"project_id": "Nenhum"})))
        .await
        .problem(400);
    let this = of(json!({"work_item_id": logging.item}));
    reconcile(app, &logging.tenants.member, &this).await.problem(403);
    logging
        .azure()
        .fault("contoso", "read_work_items", Fault::Status(500, None));
    reconcile(app, admin, &this).await.problem(502);
    logging.azure().heal();
    // One that cannot be written now is under way.
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", 0.0);
    });
    logging
        .azure()
        .fault("contoso", "update_work_item", Fault::Status(503, None));
    let done = reconcile(app, admin, &this).await.expect(200);
    let difference = &done["diferencas"][0];
    assert_eq!(difference["reparado"], false);
    assert_eq!(
        difference["motivo"],
        "O Azure DevOps está indisponível (status 503)"
    );
}

/// Azure DevOps is slow to tell, and meanwhile the background writes: what was read is not what stands there.
#[tokio::test]
async fn reconcile_keeps_simultaneous_writes() {
    // Entries from a time when nothing was written back, and one that is on its way.
    for before in ["off", "delta"] {
        let logging = Logging::with(&[("WRITEBACK_MODE", before), ("AZURE_DEVOPS_TIMEOUT_MS", "5000")]).await;
        if before == "delta" {
            logging
                .azure()
                .fault_times("contoso", "update_work_item", Fault::Status(503, None), 1);
        }
        logging.log("01:00").await;
        let on = logging.tenants.app.replica_with("WRITEBACK_MODE", "delta");
        let this = json!({"organization_name": "contoso", "work_item_id": logging.item});
        let held = logging.azure().hold_operation("contoso", "read_work_items");
        let reconciled = reconcile(&on, &logging.tenants.admin, &this);
        let meanwhile = async {
            eventually("it is being compared", async || {
                logging.azure().count("read_work_items") > 0
            })
            .await;
            sqlx::query("UPDATE write_back SET proxima_em = now()")
                .execute(&logging.tenants.app.pool)
                .await
                .unwrap();
            let writer = on.replica();
            assert_eq!(writer.app.outbox.write_due().await.unwrap(), 1);
            assert_eq!(logging.azure().hours(logging.item).0, Some(4.5));
            drop(held);
        };
        let (reply, ()) = tokio::join!(reconciled, meanwhile);
        reply.expect(200);
        assert_eq!(logging.azure().hours(logging.item).0, Some(4.5), "{before}");
    }
}
