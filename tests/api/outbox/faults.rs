//! Everything that can go wrong between us and Azure DevOps ends in the right figure and the right state.

use std::time::Duration;

use azure_devops_fake::Fault;
use serde_json::json;

use crate::support::{Logging, eventually};

/// The item's start: 3.5 hours done by people.
const START: f64 = 3.5;

/// Lets the background try until the entry is written.
async fn until_written(logging: &Logging, entry: &serde_json::Value) {
    eventually("the entry is written", async || {
        logging.write_due().await;
        logging.situation(entry).await["estado"] == "sincronizado"
    })
    .await;
}

#[tokio::test]
async fn any_fault_of_a_write_counts_the_hour_once() {
    let applied = Fault::applied;
    // Longer than the time limit of a call.
    let late = |then: Fault| Fault::late(Duration::from_secs(1), then);
    for (fault, times) in [
        (Fault::Status(500, None), 3),
        (Fault::Status(503, None), 2),
        (Fault::Hang, 1),
        (Fault::Reset, 1),
        (Fault::HalfJson, 1),
        (Fault::SignIn, 2),
        (Fault::ExpiredPat, 1),
        (Fault::Status(403, None), 1),
        (Fault::Trickle, 1),
        (Fault::NoContent, 1),
        (applied(Fault::Hang), 1),
        (applied(Fault::Reset), 1),
        (applied(Fault::HalfJson), 1),
        (applied(Fault::CutOff), 1),
        (applied(Fault::Status(500, None)), 1),
        (applied(Fault::Status(503, None)), 1),
        (applied(Fault::Html), 1),
        (applied(Fault::NoContent), 1),
        (Fault::WrongContentType, 1),
        (late(Fault::Nothing), 1),
        (late(Fault::Status(503, None)), 1),
        (late(applied(Fault::Reset)), 1),
        (applied(late(Fault::Nothing)), 1),
        (applied(late(Fault::Reset)), 1),
    ] {
        let name = format!("{fault:?}");
        let logging = Logging::new().await;
        logging
            .azure()
            .fault_times("contoso", "update_work_item", fault, times);
        let entry = logging.log("01:00").await;
        assert_eq!(entry["sincronizacao"]["estado"], "pendente", "{name}");
        assert_ne!(entry["sincronizacao"]["motivo"], json!(null), "{name}");
        until_written(&logging, &entry).await;
        assert_eq!(
            logging.azure().hours(logging.item),
            (Some(START + 1.0), Some(5.5)),
            "{name}"
        );
        // What arrives late changes nothing any more, and what follows builds on it.
        logging.azure().late_requests_end().await;
        let next = logging.log("00:30").await;
        assert_eq!(next["sincronizacao"]["estado"], "sincronizado", "{name}");
        assert_eq!(logging.azure().hours(logging.item).0, Some(START + 1.5), "{name}");
    }
}

#[tokio::test]
async fn simultaneous_edit_of_a_person_is_kept() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::HumanEdit(7.0), 1);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    assert_eq!(logging.azure().hours(logging.item).0, Some(8.0));
    // The very value that was about to be written, typed by a person at that moment.
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::HumanEdit(9.0), 1);
    logging.log("01:00").await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(10.0));
}

#[tokio::test]
async fn patch_conflict_409_is_retried() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(409, None), 2);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    assert_eq!(logging.azure().hours(logging.item).0, Some(START + 1.0));
}

#[tokio::test]
async fn unclear_outcome_is_resolved_by_revisions() {
    // Not applied, and the revision is over.
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Hang, 1);
    let entry = logging.log("01:00").await;
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", 7.0);
    });
    until_written(&logging, &entry).await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(8.0));

    // Applied, and then a person typed over it: what they saw held our hour.
    let logging = Logging::new().await;
    let lost = Fault::Applied(Box::new(Fault::Hang));
    logging
        .azure()
        .fault_times("contoso", "update_work_item", lost, 1);
    let entry = logging.log("01:00").await;
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", 9.0);
    });
    until_written(&logging, &entry).await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(9.0));
    logging.log("01:00").await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(10.0));
}

#[tokio::test]
async fn entries_after_an_unclear_outcome_are_added() {
    for lost in [Fault::Hang, Fault::Applied(Box::new(Fault::Hang))] {
        let logging = Logging::new().await;
        logging
            .azure()
            .fault_times("contoso", "update_work_item", lost, 1);
        let first = logging.log("01:00").await;
        let second = logging.log("02:00").await;
        assert_eq!(second["sincronizacao"]["estado"], "sincronizado");
        assert_eq!(logging.situation(&first).await["estado"], "sincronizado");
        assert_eq!(logging.azure().hours(logging.item).0, Some(START + 3.0));
    }
}

#[tokio::test]
async fn throttled_organisation_is_held_for_retry_after() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(429, Some("2")), 1);
    let entry = logging.log("01:00").await;
    assert_eq!(
        entry["sincronizacao"],
        json!({"estado": "pendente", "motivo": "O Azure DevOps limitou as requisições"})
    );
    logging.azure().forget_requests();
    let asked = std::time::Instant::now();
    assert_eq!(logging.write_due().await, 0, "nothing is taken while it is held");
    assert_eq!(logging.azure().count("update_work_item"), 0);
    until_written(&logging, &entry).await;
    assert!(asked.elapsed().as_secs_f64() > 1.0, "it waited as asked");
    assert_eq!(logging.azure().count("update_work_item"), 1);
    assert_eq!(logging.azure().hours(logging.item).0, Some(START + 1.0));
}

#[tokio::test]
async fn process_rule_fails_with_reason_until_next_entry() {
    let logging = Logging::new().await;
    logging.azure().fault(
        "contoso",
        "update_work_item",
        Fault::RuleViolation("Custom.CentroDeCusto"),
    );
    let entry = logging.log("01:00").await;
    let situation = &entry["sincronizacao"];
    assert_eq!(situation["estado"], "falhou");
    assert_eq!(
        situation["motivo"],
        "Uma regra do processo recusou a gravação das horas (RuleValidationException; campos: Custom.CentroDeCusto \
         [required, invalidEmpty])"
    );
    assert_eq!(logging.write_due().await, 0, "it is not tried for ever");
    assert_eq!(logging.azure().hours(logging.item).0, Some(START));
    logging.azure().heal();
    let next = logging.log("01:00").await;
    assert_eq!(next["sincronizacao"]["estado"], "sincronizado");
    assert_eq!(logging.situation(&entry).await["estado"], "sincronizado");
    assert_eq!(logging.azure().hours(logging.item).0, Some(START + 2.0));
}

#[tokio::test]
async fn remaining_is_dropped_before_completed() {
    // A process that refuses RemainingWork.
    let logging = Logging::new().await;
    let refused = Fault::RuleViolation("Microsoft.VSTS.Scheduling.RemainingWork");
    logging
        .azure()
        .fault_times("contoso", "update_work_item", refused, 1);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    assert_eq!(
        logging.azure().hours(logging.item),
        (Some(START + 1.0), Some(6.5))
    );
    // A work item that was closed between the entry and the write.
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Hang, 1);
    let entry = logging.log("01:00").await;
    logging.azure().edit_work_items("contoso", |items| {
        items.edit(logging.item, "System.State", json!("Done"));
    });
    until_written(&logging, &entry).await;
    assert_eq!(
        logging.azure().hours(logging.item),
        (Some(START + 1.0), Some(6.5))
    );
}

#[tokio::test]
async fn work_item_that_vanished_fails_for_good() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Hang, 1);
    let entry = logging.log("01:00").await;
    logging
        .azure()
        .edit_work_items("contoso", |items| items.delete(logging.item));
    logging.write_due().await;
    let situation = logging.situation(&entry).await;
    assert_eq!(situation["estado"], "falhou");
    assert_eq!(
        situation["motivo"],
        format!(
            "O Work Item {} não existe mais, ou a credencial usada não o vê",
            logging.item
        )
    );
}

#[tokio::test]
async fn outage_is_retried_and_endless_one_fails() {
    let logging = Logging::new().await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Hang, 1);
    let entry = logging.log("01:00").await;
    logging.azure().fault("contoso", "*", Fault::Status(503, None));
    for _ in 0..10 {
        logging.write_due().await;
    }
    assert_eq!(logging.situation(&entry).await["estado"], "pendente");
    logging.azure().heal();
    until_written(&logging, &entry).await;
    assert_eq!(logging.azure().hours(logging.item).0, Some(START + 1.0));

    logging
        .azure()
        .fault("contoso", "update_work_item", Fault::Status(500, None));
    let entry = logging.log("01:00").await;
    sqlx::query("UPDATE write_back SET pendente_desde = now() - interval '73 hours'")
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
    logging.write_due().await;
    let situation = logging.situation(&entry).await;
    assert_eq!(situation["estado"], "falhou");
    assert_eq!(
        situation["motivo"],
        "O Azure DevOps está indisponível (status 500)"
    );
}
