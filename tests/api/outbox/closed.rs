//! A work item that is closed between the check of an entry and the writing of its hours.

use azure_devops_fake::Fault;
use serde_json::json;

use crate::support::Logging;

const NOTICE: &str = "O Work Item foi fechado antes da gravação das horas; elas foram gravadas assim mesmo";

#[tokio::test]
async fn item_closed_before_the_write_notifies_owner() {
    let logging = Logging::new().await;
    let early = logging.log("00:30").await;
    let closes = Fault::HumanCloses;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", closes, 1);
    let entry = logging.log("01:00").await;
    let told = json!({"estado": "sincronizado", "motivo": NOTICE});
    assert_eq!(entry["sincronizacao"], told);
    assert_eq!(logging.situation(&entry).await, told);
    assert_eq!(logging.azure().hours(logging.item).0, Some(3.5 + 1.5));
    let untouched = json!({"estado": "sincronizado", "motivo": null});
    assert_eq!(logging.situation(&early).await, untouched, "it was there before");
}

#[tokio::test]
async fn item_closed_while_hours_wait_notifies_owner() {
    let logging = Logging::new().await;
    let away = Fault::Status(503, None);
    logging
        .azure()
        .fault_times("contoso", "update_work_item", away, 1);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    let close = |items: &mut azure_devops_fake::WorkItems| {
        items.edit(logging.item, "System.State", json!("Done"));
    };
    logging.azure().edit_work_items("contoso", close);
    logging.write_due().await;
    let told = json!({"estado": "sincronizado", "motivo": NOTICE});
    assert_eq!(logging.situation(&entry).await, told);
}

#[tokio::test]
async fn lost_answer_of_a_write_to_a_closed_item_notifies_owner() {
    let logging = Logging::new().await;
    let lost = Fault::Applied(Box::new(Fault::Reset));
    logging
        .azure()
        .fault_times("contoso", "update_work_item", lost, 1);
    let entry = logging.log("01:00").await;
    assert_eq!(entry["sincronizacao"]["estado"], "pendente");
    logging.write_due().await;
    let told = json!({"estado": "sincronizado", "motivo": null});
    assert_eq!(logging.situation(&entry).await, told, "it was open then");
}
