//! What became of a change that was sent: applied, refused, or nothing that tells (field report, section 3).

use std::time::Duration;

use azure_devops_fake::Fault;
use serde_json::{Value, json};

use crate::support::{Logging, Request, TestApp, eventually};

/// The item's start: 3.5 hours done by people.
const START: f64 = 3.5;
const PATCH: &str = "update_work_item";

/// Lets the background of `app` try once what is due now.
async fn write_due(logging: &Logging, app: &TestApp) {
    sqlx::query("UPDATE write_back SET proxima_em = now() - interval '1 second', lease_ate = NULL")
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
    app.app.outbox.write_due().await.unwrap();
}

async fn retry(logging: &Logging) {
    let request = Request::post("/api/v1/integracao/sincronizacao/repetir");
    let request = request.bearer(&logging.tenants.admin).json(&json!({}));
    logging.tenants.app.send(request).await.expect(200);
}

/// 3.1
#[tokio::test]
async fn change_sent_again_by_a_replaced_pat_counts_once() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let not_applied = Fault::Status(503, None);
    logging.azure().fault_times("contoso", PATCH, not_applied, 1);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");

    let successor = logging.azure().person("Service 2", &["contoso", "fabrikam"]);
    let pat = format!("contoso={}", logging.azure().pat(&successor));
    let replaced = logging.tenants.app.replica_with("AZURE_DEVOPS_ORG_PATS", &pat);
    let lost = Fault::Applied(Box::new(Fault::Reset));
    logging.azure().fault_times("contoso", PATCH, lost, 1);
    write_due(&logging, &replaced).await;
    assert_eq!(logging.situation(&entry).await["estado"], "pendente");
    write_due(&logging, &replaced).await;
    assert_eq!(logging.situation(&entry).await["estado"], "sincronizado");
    assert_eq!(logging.azure().hours(logging.item).0, Some(START + 2.0));
}

/// 3.2
#[tokio::test]
async fn patch_that_is_refused_for_ever_is_not_sent_in_a_loop() {
    let logging = Logging::new().await;
    let hidden = Fault::Status(404, None);
    logging.azure().fault("contoso", PATCH, hidden);
    let first = logging.log("01:00").await;
    assert_eq!(first["sincronizacao"]["estado"], "falhou");
    logging.log("01:00").await;
    let before = logging.azure().count(PATCH);
    for _ in 0..20 {
        logging.tenants.app.app.outbox.write_due().await.unwrap();
    }
    assert!(
        logging.azure().count(PATCH) <= before + 1,
        "the worker does not wait"
    );

    logging.azure().heal();
    retry(&logging).await;
    write_due(&logging, &logging.tenants.app).await;
    assert_eq!(logging.situation(&first).await["estado"], "sincronizado");
    assert_eq!(logging.azure().hours(logging.item).0, Some(START + 2.0));
}

/// 3.3
#[tokio::test]
async fn gateway_page_is_an_outage_not_a_missing_item() {
    for operation in [PATCH, "read_work_item"] {
        let logging = Logging::new().await;
        logging
            .azure()
            .fault_times("contoso", PATCH, Fault::Status(503, None), 1);
        let entry = logging.log("01:00").await;
        logging.azure().fault("contoso", operation, Fault::GatewayPage);
        write_due(&logging, &logging.tenants.app).await;
        let situation = logging.situation(&entry).await;
        assert_eq!(situation["estado"], "pendente", "{operation}");
        assert_eq!(
            situation["motivo"],
            "O Azure DevOps está indisponível (status 404)"
        );
        if operation == "read_work_item" {
            let refused = logging.post(&logging.body()).await;
            assert_eq!(refused.problem(503)["code"], "azure_devops_indisponivel");
        }
        logging.azure().heal();
        eventually("the entry is written", async || {
            write_due(&logging, &logging.tenants.app).await;
            logging.situation(&entry).await["estado"] == "sincronizado"
        })
        .await;
        assert_eq!(logging.azure().hours(logging.item).0, Some(START + 1.0));
    }
}

/// 3.4
#[tokio::test]
async fn transient_400_is_retried_with_both_fields() {
    let logging = Logging::new().await;
    let meeting = Fault::Status(400, None);
    logging.azure().fault_times("contoso", PATCH, meeting, 1);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    write_due(&logging, &logging.tenants.app).await;
    assert_eq!(logging.situation(&entry).await["estado"], "sincronizado");
    assert_eq!(
        logging.azure().hours(logging.item),
        (Some(START + 1.0), Some(5.5))
    );
}

/// 3.4
#[tokio::test]
async fn rule_about_another_field_fails_without_a_second_try() {
    let logging = Logging::new().await;
    let rule = Fault::RuleViolation("Custom.Area");
    logging.azure().fault("contoso", PATCH, rule);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "falhou");
    assert_eq!(logging.azure().count(PATCH), 1);
    assert_eq!(logging.azure().hours(logging.item), (Some(START), Some(6.5)));
}

/// 3.6
#[tokio::test]
async fn figure_that_is_no_number_of_hours_is_not_replaced() {
    for odd in [json!(2e9), json!("3.5"), json!(-2), json!({"value": 3})] {
        let logging = Logging::new().await;
        let field = "Microsoft.VSTS.Scheduling.CompletedWork";
        let type_it = |value: Value| {
            let edit = |items: &mut azure_devops_fake::WorkItems| items.edit(logging.item, field, value);
            logging.azure().edit_work_items("contoso", edit);
        };
        type_it(odd.clone());
        let entry = logging.log("01:00").await;
        assert_eq!(
            entry["sincronizacao"],
            json!({
                "estado": "falhou",
                "motivo": "O campo Completed Work do Work Item não contém um número de horas; corrija-o"
            }),
            "{odd}"
        );
        assert_eq!(logging.azure().count(PATCH), 0, "{odd}");
        type_it(json!(3.5));
        retry(&logging).await;
        write_due(&logging, &logging.tenants.app).await;
        assert_eq!(logging.azure().hours(logging.item).0, Some(START + 1.0), "{odd}");
    }
}

/// 3.7
#[tokio::test]
async fn item_whose_type_changes_and_changes_back_counts_once() {
    let logging = Logging::new().await;
    let entry = logging.log("02:00").await;
    let become_a = |tipo: &str| {
        let tipo = json!(tipo);
        let edit = |items: &mut azure_devops_fake::WorkItems| {
            items.edit(logging.item, "System.WorkItemType", tipo);
        };
        logging.azure().edit_work_items("contoso", edit);
    };
    become_a("Chore");
    logging
        .put(&entry, &json!({"duracao": "03:00"}))
        .await
        .expect(200);
    become_a("Task");
    logging.log("01:00").await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(START + 4.0));
}

/// 3.11
#[tokio::test]
async fn request_without_time_left_answers_for_its_committed_entry() {
    let variables = [("API_REQUEST_TIMEOUT_SECONDS", "3"), ("WRITEBACK_BUDGET", "2.9")];
    let logging = Logging::with(&variables).await;
    logging.azure().fault("contoso", PATCH, Fault::Hang);
    // The check of the work item takes time, too.
    let slow = logging.azure().hold_operation("contoso", "read_work_item");
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        drop(slow);
    };
    let (entry, ()) = tokio::join!(logging.log("01:00"), release);
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    assert_eq!(logging.count().await, 1);
}

/// 3.9
#[tokio::test]
async fn new_pat_revives_hours_that_failed_for_the_old_one() {
    let logging = Logging::new().await;
    let expired = logging.log("01:00").await;
    logging.azure().revoke(&logging.tenants.service_pat);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    sqlx::query("UPDATE write_back SET pendente_desde = now() - interval '73 hours'")
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
    // An organisation that refuses our PAT is left alone for two seconds.
    eventually("the hours are given up", async || {
        write_due(&logging, &logging.tenants.app).await;
        logging.situation(&entry).await["estado"] == "falhou"
    })
    .await;
    assert_eq!(logging.situation(&expired).await["estado"], "sincronizado");

    let successor = logging.azure().person("Service 2", &["contoso", "fabrikam"]);
    let pat = format!("contoso={}", logging.azure().pat(&successor));
    let restarted = logging.tenants.app.replica_with("AZURE_DEVOPS_ORG_PATS", &pat);
    restarted.app.outbox.write_due().await.unwrap();
    assert_eq!(logging.situation(&entry).await["estado"], "sincronizado");
    assert_eq!(logging.azure().hours(logging.item).0, Some(START + 2.0));
}
