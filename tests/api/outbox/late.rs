//! A patch without an answer may arrive minutes later. It is not forgotten meanwhile, whatever else is seen.

use std::time::Duration;

use azure_devops_fake::{Fault, WorkItems};

use crate::support::Logging;

/// Hours that people typed before.
const START: f64 = 3.5;
const PATCH: &str = "update_work_item";
const RULE: Fault = Fault::RuleViolation("Custom.Area");
/// Longer than a patch may take to arrive.
const LONG: &str = "11 minutes";

fn completed(logging: &Logging) -> Option<f64> {
    logging.azure().hours(logging.item).0
}

/// The next patch gets no answer in time, and arrives after that.
fn delay_next_patch(logging: &Logging) {
    let late = Fault::late(Duration::from_secs(2), Fault::Nothing);
    logging.azure().fault_times("contoso", PATCH, late, 1);
}

fn lag(logging: &Logging, count: usize) {
    let edit = |items: &mut WorkItems| items.lag(logging.item, count);
    logging.azure().edit_work_items("contoso", edit);
}

#[tokio::test]
async fn patch_that_arrives_after_a_refusal_counts_once() {
    for field in ["Custom.Area", "Microsoft.VSTS.Scheduling.RemainingWork"] {
        let logging = Logging::new().await;
        delay_next_patch(&logging);
        let entry = logging.log("01:00").await;
        let rule = Fault::RuleViolation(field);
        logging.azure().fault_times("contoso", PATCH, rule, 1);
        logging.write_due().await;
        let situation = logging.situation(&entry).await;
        assert_eq!(situation["estado"], "pendente", "{field}: {situation}");
        let motivo = situation["motivo"].as_str().unwrap();
        assert!(motivo.starts_with("Uma regra do processo recusou"), "{motivo}");

        logging.azure().late_requests_end().await;
        logging.write_due().await;
        assert_eq!(
            logging.situation(&entry).await["estado"],
            "sincronizado",
            "{field}"
        );
        assert_eq!(completed(&logging), Some(START + 1.0), "{field}");
        logging.log("00:30").await;
        assert_eq!(completed(&logging), Some(START + 1.5), "{field}");
    }
}

#[tokio::test]
async fn patch_refused_for_long_fails_and_the_next_entry_tries() {
    let logging = Logging::new().await;
    logging.azure().fault_times("contoso", PATCH, Fault::Hang, 1);
    let entry = logging.log("01:00").await;
    logging.azure().fault("contoso", PATCH, RULE);
    for _ in 0..3 {
        logging.write_due().await;
        assert_eq!(logging.situation(&entry).await["estado"], "pendente");
        logging.time_passes("4 minutes").await;
    }
    // Refusals are clear answers: the time counts from the send that had none.
    logging.write_due().await;
    assert_eq!(logging.situation(&entry).await["estado"], "falhou");
    logging.azure().heal();
    logging.log("01:00").await;
    assert_eq!(completed(&logging), Some(START + 2.0));
}

#[tokio::test]
async fn patch_refused_for_remaining_work_goes_without_it_later() {
    let logging = Logging::new().await;
    logging.azure().fault_times("contoso", PATCH, Fault::Hang, 1);
    let entry = logging.log("01:00").await;
    logging.time_passes(LONG).await;
    let rule = Fault::RuleViolation("Microsoft.VSTS.Scheduling.RemainingWork");
    logging.azure().fault_times("contoso", PATCH, rule, 1);
    logging.write_due().await;
    assert_eq!(logging.situation(&entry).await["estado"], "sincronizado");
    assert_eq!(
        logging.azure().hours(logging.item),
        (Some(START + 1.0), Some(6.5))
    );
}

/// Azure DevOps shows an old revision for a minute, while it is not known whether the last patch was applied.
#[tokio::test]
async fn lag_of_a_minute_with_an_unclear_patch_counts_once() {
    for (count, fault) in [
        (2, Fault::applied(Fault::Reset)),
        (1, Fault::Hang),
        (1, Fault::late(Duration::from_secs(1), Fault::Nothing)),
    ] {
        let name = format!("{fault:?}");
        let logging = Logging::new().await;
        for _ in 0..2 {
            logging.log("01:00").await;
        }
        logging.azure().fault_times("contoso", PATCH, fault, 1);
        let entry = logging.log("01:00").await;
        lag(&logging, count);
        for _ in 0..3 {
            logging.write_due().await;
            logging.time_passes("1 minute").await;
        }
        assert_eq!(logging.situation(&entry).await["estado"], "pendente", "{name}");
        lag(&logging, 0);
        logging.azure().late_requests_end().await;
        logging.write_due().await;
        assert_eq!(
            logging.situation(&entry).await["estado"],
            "sincronizado",
            "{name}"
        );
        assert_eq!(completed(&logging), Some(START + 3.0), "{name}");
    }
}

/// Our database was restored, and the last patch that it sent is on its way when an administrator compares.
#[tokio::test]
async fn patch_that_arrives_after_a_comparison_counts_once() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    delay_next_patch(&logging);
    let entry = logging.log("01:00").await;
    let db = &logging.tenants.app.app.db;
    aponta::services::outbox::pause_restored(db).await.unwrap();
    let report = logging.reconcile_item().await;
    assert_eq!(report["diferencas"][0]["reparado"], false, "{report}");

    logging.azure().late_requests_end().await;
    logging.time_passes(LONG).await;
    logging.reconcile_item().await;
    assert_eq!(logging.situation(&entry).await["estado"], "sincronizado");
    assert_eq!(completed(&logging), Some(START + 2.0));
}
