//! Many writers, several processes, one that dies: every hour is written once, and no writer keeps others
//! waiting.

use azure_devops_fake::{Fault, NewWorkItem};
use serde_json::{Value, json};

use crate::support::logging::PROJECT;
use crate::support::{Logging, Request, RunningServer, eventually};

#[tokio::test]
async fn many_writers_in_several_processes_lose_and_double_nothing() {
    let logging = Logging::new().await;
    let replicas = [logging.tenants.app.replica(), logging.tenants.app.replica()];
    let body = logging.body_with(&json!({"duracao": "00:15"}));
    let posts = (0..24).map(|n| {
        let app = match n % 3 {
            0 => &logging.tenants.app,
            n => &replicas[n - 1],
        };
        let request = Request::post("/api/v1/apontamentos")
            .bearer(&logging.tenants.member)
            .json(&body);
        app.send(request)
    });
    let all = futures_util::future::join_all(posts);
    // Meanwhile people type, too, right before a write and in between.
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::HumanAdds(1.0), 3);
    for reply in all.await {
        reply.expect(201);
    }
    while logging.write_due().await > 0 {}
    let typed = 3 - logging.azure().faults_left("contoso", "update_work_item");
    assert!(typed > 0);
    #[expect(clippy::cast_precision_loss, reason = "at most three")]
    let expected = 3.5 + 24.0 * 0.25 + typed as f64;
    assert_eq!(logging.azure().hours(logging.item).0, Some(expected));
}

#[tokio::test]
async fn response_after_budget_leaves_the_attempt_running() {
    let logging = Logging::with(&[("WRITEBACK_BUDGET", "0.05")]).await;
    // The answer of Azure DevOps is lost; so the attempt ends with its time limit, long after the budget.
    let lost = Fault::Applied(Box::new(Fault::Hang));
    logging
        .azure()
        .fault_times("contoso", "update_work_item", lost, 1);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    // Nothing else writes here: only an attempt that outlives its answer can ask now.
    eventually("Azure DevOps is asked after the answer", async || {
        logging.azure().busy() == 1
    })
    .await;
    eventually("the lost answer is settled", async || {
        logging.write_due().await;
        logging.situation(&entry).await["estado"] == "sincronizado"
    })
    .await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(4.5));
}

#[tokio::test]
async fn background_of_a_server_writes_due_hours() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(503, None), 1);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    let variables = logging.azure().variables("contoso");
    let pats = format!("contoso={}", logging.tenants.service_pat);
    let variables = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain([("AZURE_DEVOPS_ORG_PATS", pats.as_str())]);
    let server = RunningServer::start(logging.tenants.app.database_url(), variables).await;
    eventually("it is written", async || {
        logging.azure().hours(logging.item).0 == Some(4.5)
    })
    .await;
    eventually("it is noted", async || {
        logging.situation(&entry).await["estado"] == "sincronizado"
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn expired_lease_of_a_dead_process_is_taken_over() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(503, None), 1);
    logging.log("01:00").await;
    let lease = async |until: &str| {
        let sql = format!(
            "UPDATE write_back SET lease = gen_random_uuid(), lease_ate = now() + interval '{until}'"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&logging.tenants.app.pool)
            .await
            .unwrap();
    };
    lease("1 minute").await;
    assert_eq!(logging.write_due().await, 0);
    let meanwhile = logging.log("01:00").await;
    assert_eq!(meanwhile["sincronizacao"]["estado"], "pendente");
    assert_eq!(logging.azure().hours(logging.item).0, Some(3.5));
    lease("-1 second").await;
    assert_eq!(logging.write_due().await, 1);
    assert_eq!(logging.azure().hours(logging.item).0, Some(5.5));
}

/// The dangerous moment: the change is applied, the process that sent it is as good as dead, and another one
/// takes over.
#[tokio::test]
async fn applied_patch_of_a_dead_process_is_recognised() {
    // However slow the machine: the one that was thought dead must not give up by itself.
    let patient = ("AZURE_DEVOPS_TIMEOUT_MS", "60000");
    let logging = Logging::with(&[("WRITEBACK_BUDGET", "0.3"), patient]).await;
    let held = logging.azure().hold_operation("contoso", "update_work_item");
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    assert_eq!(logging.azure().hours(logging.item).0, Some(4.5), "it is applied");
    let pool = &logging.tenants.app.pool;
    let intended: i64 = sqlx::query_scalar("SELECT count(*) FROM write_back WHERE intencao_rev IS NOT NULL")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(intended, 1);
    sqlx::query("UPDATE write_back SET lease_ate = now(), proxima_em = now()")
        .execute(pool)
        .await
        .unwrap();
    let replica = logging.tenants.app.replica();
    assert_eq!(replica.app.outbox.write_due().await.unwrap(), 1);
    assert_eq!(logging.situation(&entry).await["estado"], "sincronizado");
    // The one that was thought dead wakes up.
    drop(held);
    logging.log("01:00").await;
    while logging.write_due().await > 0 {}
    assert_eq!(logging.azure().hours(logging.item).0, Some(5.5));
}

#[tokio::test]
async fn hanging_organisation_delays_no_other_writes() {
    let logging = Logging::with(&[("WRITEBACK_BUDGET", "0.3"), ("AZURE_DEVOPS_TIMEOUT_MS", "5000")]).await;
    let held = logging.azure().hold_operation("contoso", "update_work_item");
    let bodies: Vec<Value> = (0..40)
        .map(|_| {
            let item = logging.azure().work_item("contoso", NewWorkItem::task(PROJECT));
            logging.body_with(&json!({"work_item_id": item, "duracao": "00:01"}))
        })
        .collect();
    let hanging = futures_util::future::join_all(bodies.iter().map(|body| logging.post(body))).await;
    let stored = hanging.iter().filter(|reply| reply.status == 201).count();
    assert!(stored >= 8, "{stored}");
    let item = logging.azure().work_item("fabrikam", NewWorkItem::task(PROJECT));
    let other = &logging.tenants.other;
    let atividade = logging
        .tenants
        .atividade(other, "Deles", &[logging.tenants.foreign])
        .await;
    let body = logging.body_with(&json!({
        "organization_name": "fabrikam", "project_id": logging.tenants.foreign, "work_item_id": item,
        "id_atividade": atividade
    }));
    let entry = logging.post_as(other, &body).await.expect(201);
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    drop(held);
}
