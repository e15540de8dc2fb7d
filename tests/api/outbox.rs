//! How hours get into Azure DevOps: figures, faults, modes, many writers at once.

mod closed;
mod faults;
mod identities;
mod late;
mod outcomes;
mod processes;
mod reconcile;
mod restored_database;
mod restored_upstream;
mod transactions;

use azure_devops_fake::{Fault, NewWorkItem};
use base64::Engine;
use serde_json::{Value, json};

use crate::support::logging::{PROJECT, path};
use crate::support::{Logging, Request, TestApp, eventually};

/// The caller of the next read sees it, without any background.
#[tokio::test]
async fn hours_are_written_at_once_on_create_update_and_delete() {
    let logging = Logging::new().await;
    let entry = logging.log("01:30").await;
    assert_eq!(
        entry["sincronizacao"],
        json!({"estado": "sincronizado", "motivo": null})
    );
    assert_eq!(logging.azure().hours(logging.item), (Some(5.0), Some(5.0)));
    let changed = logging
        .put(&entry, &json!({"duracao": "02:00"}))
        .await
        .expect(200);
    assert_eq!(changed["sincronizacao"]["estado"], "sincronizado");
    assert_eq!(logging.azure().hours(logging.item), (Some(5.5), Some(4.5)));
    // Neither the text nor the day is Azure DevOps' business.
    let patches = logging.azure().count("update_work_item");
    logging.put(&entry, &json!({"comentario": "c"})).await.expect(200);
    assert_eq!(logging.azure().count("update_work_item"), patches);
    logging.delete(&entry).await.expect(204);
    assert_eq!(logging.azure().hours(logging.item), (Some(3.5), Some(6.5)));
}

#[tokio::test]
async fn d_37_hours_are_written_with_the_organisations_pat() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let seen = logging.azure().seen();
    let patch = seen
        .iter()
        .find(|seen| seen.operation == "update_work_item")
        .unwrap();
    let pat = format!(":{}", logging.tenants.service_pat);
    let expected = base64::engine::general_purpose::STANDARD.encode(pat);
    assert_eq!(
        patch.authorization.as_deref(),
        Some(&*format!("Basic {expected}"))
    );
    assert_eq!(patch.org, "contoso");
    assert!(patch.query.contains("api-version=7.1"), "{}", patch.query);
}

#[tokio::test]
async fn typed_hours_survive_and_odd_minutes_round_exactly() {
    let logging = Logging::new().await;
    let mut entries = Vec::new();
    for _ in 0..3 {
        entries.push(logging.log("00:20").await);
    }
    assert_eq!(logging.azure().hours(logging.item).0, Some(4.5));
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", 6.125);
    });
    entries.push(logging.log("00:01").await);
    assert_eq!(logging.azure().hours(logging.item).0, Some(6.145));
    for entry in &entries {
        logging.delete(entry).await.expect(204);
    }
    assert_eq!(logging.azure().hours(logging.item).0, Some(5.125));
}

#[tokio::test]
async fn d_28_remaining_is_written_only_with_an_estimate() {
    let logging = Logging::with(&[("WORK_ITEM_TYPES", "Task,Chore,Epic")]).await;
    let add = |new| logging.azure().work_item("contoso", new);
    let log = async |item: i32, duracao: &str| {
        let body = logging.body_with(&json!({"work_item_id": item, "duracao": duracao}));
        logging.post(&body).await.expect(201)
    };
    // Neither estimate nor remaining: left alone.
    let bare = add(NewWorkItem::task(PROJECT));
    log(bare, "01:00").await;
    assert_eq!(logging.azure().hours(bare), (Some(1.0), None));
    // Never below zero, and given back as far as it was taken.
    let short = add(NewWorkItem::task(PROJECT).remaining(0.5));
    let entry = log(short, "02:00").await;
    assert_eq!(logging.azure().hours(short), (Some(2.0), Some(0.0)));
    logging.delete(&entry).await.expect(204);
    assert_eq!(logging.azure().hours(short), (Some(0.0), Some(0.5)));
    // A type that has no CompletedWork, and one that has nothing.
    let chore = add(NewWorkItem::task(PROJECT).of_type("Chore").remaining(5.0));
    let here_alone = json!({
        "estado": null,
        "motivo": "O tipo do Work Item não tem o campo Completed Work; as horas ficam registradas somente aqui"
    });
    assert_eq!(log(chore, "02:00").await["sincronizacao"], here_alone);
    assert_eq!(logging.azure().hours(chore), (None, Some(3.0)));
    let epic = add(NewWorkItem::task(PROJECT).of_type("Epic"));
    let patches = logging.azure().count("update_work_item");
    assert_eq!(log(epic, "02:00").await["sincronizacao"], here_alone);
    assert_eq!(logging.azure().count("update_work_item"), patches);
}

#[tokio::test]
async fn absolute_replaces_and_off_leaves_alone() {
    let absolute = Logging::with(&[("WRITEBACK_MODE", "absolute")]).await;
    absolute.log("01:30").await;
    assert_eq!(absolute.azure().hours(absolute.item), (Some(1.5), Some(8.5)));
    let entry = absolute.log("10:00").await;
    assert_eq!(absolute.azure().hours(absolute.item), (Some(11.5), Some(0.0)));
    absolute.delete(&entry).await.expect(204);
    assert_eq!(absolute.azure().hours(absolute.item), (Some(1.5), Some(8.5)));

    let off = Logging::with(&[("WRITEBACK_ORG_MODES", "contoso=off")]).await;
    let entry = off.log("01:30").await;
    assert_eq!(entry["sincronizacao"], Value::Null);
    assert_eq!(off.write_due().await, 0);
    assert_eq!(off.azure().count("update_work_item"), 0);
}

#[tokio::test]
async fn many_changes_become_one_patch_with_a_state_each() {
    let logging = Logging::new().await;
    let early = logging.log("01:00").await;
    logging
        .azure()
        .fault("contoso", "update_work_item", Fault::Status(503, None));
    let mut late = Vec::new();
    for _ in 0..4 {
        late.push(logging.log("00:15").await);
    }
    for entry in &late {
        let situation = logging.situation(entry).await;
        assert_eq!(situation["estado"], "pendente");
        assert_eq!(
            situation["motivo"],
            "O Azure DevOps está indisponível (status 503)"
        );
    }
    assert_eq!(logging.situation(&early).await["estado"], "sincronizado");
    logging.azure().heal();
    logging.azure().forget_requests();
    eventually("the breaker lets it through", async || {
        logging.write_due().await;
        logging.situation(&late[0]).await["estado"] == "sincronizado"
    })
    .await;
    // What was under way is sent once more as it was, since its fate is unknown; then the rest, all at once.
    assert_eq!(logging.azure().count("update_work_item"), 2);
    assert_eq!(logging.azure().hours(logging.item).0, Some(5.5));
}

#[tokio::test]
async fn failure_is_not_tried_again_before_its_time() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(503, None), 1);
    logging.log("01:00").await;
    let outbox = &logging.tenants.app.app.outbox;
    assert_eq!(outbox.write_due().await.unwrap(), 0);
    let wait: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM proxima_em - clock_timestamp())::float8 FROM write_back",
    )
    .fetch_one(&logging.tenants.app.pool)
    .await
    .unwrap();
    assert!((0.5..=2.0).contains(&wait), "{wait}");
    assert_eq!(logging.write_due().await, 1);
}

#[tokio::test]
async fn hours_of_an_unserved_organisation_fail_for_good() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Hang, 1);
    let entry = logging.log("01:00").await;
    let off = logging.tenants.app.replica_with("WRITEBACK_MODE", "off");
    off.app.outbox.sweep().await;
    assert_eq!(logging.situation(&entry).await["estado"], "pendente");
    sqlx::query("UPDATE write_back SET pendente_desde = now() - interval '73 hours'")
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
    // Where it is written, only attempts give up.
    logging.tenants.app.app.outbox.sweep().await;
    assert_eq!(logging.situation(&entry).await["estado"], "pendente");
    off.app.outbox.sweep().await;
    assert_eq!(
        logging.situation(&entry).await,
        json!({"estado": "falhou",
            "motivo": "A organização não é mais atendida, ou a gravação de horas está desligada"})
    );
    let retry = async |app: &TestApp| {
        let request = Request::post("/api/v1/integracao/sincronizacao/repetir")
            .bearer(&logging.tenants.admin)
            .json(&json!({}));
        app.send(request).await
    };
    assert_eq!(retry(&off).await.expect(200)["repetidos"], 0);
    assert_eq!(retry(&logging.tenants.app).await.expect(200)["repetidos"], 1);
    while logging.write_due().await > 0 {}
    assert_eq!(logging.azure().hours(logging.item).0, Some(4.5));
    // What is changed while nothing is written is not said to be written.
    let change = Request::put(&path(&entry))
        .bearer(&logging.tenants.member)
        .json(&json!({"duracao": "02:00"}));
    assert_eq!(off.send(change).await.expect(200)["sincronizacao"], Value::Null);
}

#[tokio::test]
async fn write_without_pat_uses_own_credential() {
    let logging = Logging::with(&[("AZURE_DEVOPS_ORG_PATS", "")]).await;
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(503, None), 1);
    let entry = logging.log("01:00").await;
    assert_eq!(logging.write_due().await, 1);
    assert_eq!(
        logging.situation(&entry).await,
        json!({"estado": "pendente", "motivo": "A organização não tem um PAT para gravar as horas"})
    );
    // The next entry brings it along.
    logging.log("01:00").await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(6.5));
}

#[tokio::test]
async fn refused_own_credential_delays_no_other_caller() {
    let logging = Logging::with(&[("AZURE_DEVOPS_ORG_PATS", "")]).await;
    let second = logging.azure().work_item("contoso", NewWorkItem::task(PROJECT));
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(401, None), 1);
    let refused = logging.log("01:00").await;
    assert_eq!(refused["sincronizacao"]["estado"], "pendente");
    let body = logging.body_with(&json!({"work_item_id": second}));
    let written = logging.post(&body).await.expect(201);
    assert_eq!(written["sincronizacao"]["estado"], "sincronizado");
}

#[tokio::test]
async fn state_of_the_write_back_is_listed() {
    let logging = Logging::new().await;
    let status = "/api/v1/integracao/sincronizacao";
    assert_eq!(
        logging.get(status).await.expect(200),
        json!({"pendentes": 0, "mais_antigo": null, "idade_segundos": null, "falhas": 0, "a_conferir": 0,
            "organizacoes": [],
               "falhas_detalhes": []})
    );
    one_failed_one_pending(&logging).await;
    sqlx::query(
        "UPDATE write_back SET pendente_desde = now() - interval '90 seconds' WHERE estado = 'pendente'",
    )
    .execute(&logging.tenants.app.pool)
    .await
    .unwrap();
    let told = logging.get(status).await.expect(200);
    assert_eq!((&told["pendentes"], &told["falhas"]), (&json!(1), &json!(1)));
    assert!(
        (90..120).contains(&told["idade_segundos"].as_i64().unwrap()),
        "{told}"
    );
    assert_eq!(told["organizacoes"][0]["organization_name"], "contoso");
    let detail = &told["falhas_detalhes"][0];
    assert_eq!(detail["work_item_id"], logging.item);
    assert!(
        detail["motivo"]
            .as_str()
            .unwrap()
            .contains("Custom.CentroDeCusto"),
        "{detail}"
    );
    // Others see nothing of it.
    let others = logging
        .tenants
        .app
        .get_as(&logging.tenants.other, status)
        .await
        .expect(200);
    assert_eq!((&others["pendentes"], &others["falhas"]), (&json!(0), &json!(0)));
}

/// Logs an hour that Azure DevOps refuses, and one on another work item that it does not answer for. Returns
/// the first entry and the second work item.
async fn one_failed_one_pending(logging: &Logging) -> (Value, i32) {
    let refused = Fault::RuleViolation("Custom.CentroDeCusto");
    logging.azure().fault("contoso", "update_work_item", refused);
    let failed = logging.log("01:00").await;
    assert_eq!(failed["sincronizacao"]["estado"], "falhou");
    let second = logging.azure().work_item("contoso", NewWorkItem::task(PROJECT));
    logging.azure().heal();
    logging
        .azure()
        .fault("contoso", "update_work_item", Fault::Status(503, None));
    logging
        .post(&logging.body_with(&json!({"work_item_id": second})))
        .await
        .expect(201);
    (failed, second)
}

#[tokio::test]
async fn failed_write_back_is_retried_by_administrators_only() {
    let logging = Logging::new().await;
    let status = "/api/v1/integracao/sincronizacao";
    let (failed, second) = one_failed_one_pending(&logging).await;
    let retry = async |token: &str, body: Value| {
        let request = Request::post("/api/v1/integracao/sincronizacao/repetir")
            .bearer(token)
            .json(&body);
        logging.tenants.app.send(request).await
    };
    let admin = &logging.tenants.admin;
    retry(&logging.tenants.member, json!({})).await.problem(403);
    retry(
        &logging.tenants.other_admin,
        json!({"organization_name": "contoso"}),
    )
    .await
    .problem(403);
    assert_eq!(
        retry(&logging.tenants.other_admin, json!({})).await.expect(200)["repetidos"],
        0
    );
    assert_eq!(
        retry(admin, json!({"work_item_id": 1})).await.expect(200)["repetidos"],
        0
    );
    let body = json!({"organization_name": "Contoso", "work_item_id": logging.item});
    assert_eq!(retry(admin, body).await.expect(200)["repetidos"], 1);
    logging.azure().heal();
    eventually("all is written", async || {
        logging.write_due().await;
        logging.get(status).await.expect(200)["pendentes"] == 0
    })
    .await;
    assert_eq!(logging.situation(&failed).await["estado"], "sincronizado");
    assert_eq!(logging.azure().hours(logging.item).0, Some(4.5));
    assert_eq!(logging.azure().hours(second).0, Some(1.0));
}
