//! Azure DevOps is restored from a backup: some of our writes never happened, and revisions count from below
//! again.

use azure_devops_fake::Fault;
use serde_json::{Value, json};

use crate::support::Logging;

/// Hours that people typed before.
const START: f64 = 3.5;

/// Longer than a part of Azure DevOps lags, and than a patch may take to arrive.
const LONG: &str = "11 minutes";

fn roll_back(logging: &Logging, count: usize) {
    logging
        .azure()
        .edit_work_items("contoso", |items| items.roll_back(logging.item, count));
}

fn completed(logging: &Logging) -> Option<f64> {
    logging.azure().hours(logging.item).0
}

/// Logs an hour while Azure DevOps shows an old revision, and lets the background find out why.
async fn log_and_settle(logging: &Logging) -> Value {
    let entry = logging.log("01:00").await;
    assert_eq!(
        entry["sincronizacao"],
        json!({
            "estado": "pendente",
            "motivo": "O Azure DevOps ainda não mostra a última gravação neste Work Item"
        })
    );
    logging.write_due().await;
    assert_eq!(
        logging.situation(&entry).await["estado"],
        "pendente",
        "it may only lag"
    );
    logging.time_passes(LONG).await;
    logging.write_due().await;
    logging.situation(&entry).await
}

#[tokio::test]
async fn item_restored_between_our_writes_gets_all_hours_once() {
    let logging = Logging::new().await;
    for _ in 0..3 {
        logging.log("01:00").await;
    }
    assert_eq!(completed(&logging), Some(START + 3.0));
    // One hour of ours is left, two are gone.
    roll_back(&logging, 2);
    assert_eq!(completed(&logging), Some(START + 1.0));
    let situation = log_and_settle(&logging).await;
    assert_eq!(situation["estado"], "sincronizado", "{situation}");
    assert_eq!(completed(&logging), Some(START + 4.0));
    // What follows builds on it.
    let next = logging.log("00:30").await;
    assert_eq!(next["sincronizacao"]["estado"], "sincronizado");
    assert_eq!(completed(&logging), Some(START + 4.5));
}

#[tokio::test]
async fn item_restored_to_a_revision_of_people_keeps_their_hours() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", START + 3.0);
    });
    logging.log("01:00").await;
    assert_eq!(completed(&logging), Some(START + 4.0));
    roll_back(&logging, 1);
    let situation = log_and_settle(&logging).await;
    assert_eq!(situation["estado"], "sincronizado", "{situation}");
    assert_eq!(completed(&logging), Some(START + 5.0));
}

#[tokio::test]
async fn item_restored_to_before_our_first_write_gets_all_hours() {
    let logging = Logging::new().await;
    logging.azure().edit_work_items("contoso", |items| {
        items.repeat_revision(logging.item, 2);
    });
    for _ in 0..2 {
        logging.log("01:00").await;
    }
    roll_back(&logging, 4);
    let situation = log_and_settle(&logging).await;
    assert_eq!(situation["estado"], "sincronizado", "{situation}");
    assert_eq!(completed(&logging), Some(START + 3.0));
}

#[tokio::test]
async fn item_restored_while_a_patch_is_unclear_counts_hours_once() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let lost = Fault::Applied(Box::new(Fault::Hang));
    logging
        .azure()
        .fault_times("contoso", "update_work_item", lost, 1);
    logging.log("01:00").await;
    roll_back(&logging, 2);
    let situation = log_and_settle(&logging).await;
    assert_eq!(situation["estado"], "sincronizado", "{situation}");
    assert_eq!(completed(&logging), Some(START + 3.0));
}

#[tokio::test]
async fn part_of_azure_devops_that_lags_is_not_taken_for_restored() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    logging.log("01:00").await;
    // The read shows the first write only, long enough; the patch is refused, because the second one stands
    // there.
    logging
        .azure()
        .edit_work_items("contoso", |items| items.lag(logging.item, 1));
    let situation = log_and_settle(&logging).await;
    assert_eq!(situation["estado"], "pendente");
    logging
        .azure()
        .edit_work_items("contoso", |items| items.lag(logging.item, 0));
    logging.write_due().await;
    assert_eq!(completed(&logging), Some(START + 3.0));
}

#[tokio::test]
async fn item_whose_writes_are_not_remembered_waits_for_reconcile() {
    let logging = Logging::new().await;
    let first = logging.log("01:00").await;
    logging.log("01:00").await;
    // As an installation has it that comes from a release before.
    sqlx::query("UPDATE write_back SET escritas = '[]'")
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
    roll_back(&logging, 1);
    let situation = log_and_settle(&logging).await;
    assert_eq!(situation["estado"], "falhou", "{situation}");
    assert_eq!(completed(&logging), Some(START + 1.0), "nothing is guessed");

    let report = logging.reconcile_item().await;
    assert_eq!(report["diferencas"][0]["reparado"], true, "{report}");
    assert_eq!(logging.situation(&first).await["estado"], "sincronizado");
    assert!(completed(&logging) >= Some(3.0));
}

/// After a restore people go on working: their edits reach the number of our last revision before hours are
/// logged.
#[tokio::test]
async fn item_restored_and_edited_by_people_gets_all_hours_once() {
    for lost in 1..=2 {
        for edits in 1..=3 {
            let logging = Logging::new().await;
            for _ in 0..3 {
                logging.log("01:00").await;
            }
            roll_back(&logging, lost);
            for _ in 0..edits {
                logging.azure().edit_work_items("contoso", |items| {
                    let before = items.hours(logging.item, "CompletedWork").unwrap();
                    items.set_hours(logging.item, "CompletedWork", before + 0.125);
                });
            }
            let entry = logging.log("01:00").await;
            logging.time_passes(LONG).await;
            logging.write_due().await;
            logging.time_passes(LONG).await;
            logging.write_due().await;
            let situation = logging.situation(&entry).await;
            let name = format!("{lost} lost, {edits} edits: {situation}");
            assert_eq!(situation["estado"], "sincronizado", "{name}");
            let typed = START + 0.125 * f64::from(edits);
            assert_eq!(completed(&logging), Some(typed + 4.0), "{name}");
        }
    }
}

/// The old revision that is shown holds exactly what is logged now, but it is not the last one.
#[tokio::test]
async fn lagging_item_with_nothing_to_write_is_not_settled() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let second = logging.log("01:00").await;
    let lag = |count| {
        let edit = |items: &mut azure_devops_fake::WorkItems| items.lag(logging.item, count);
        logging.azure().edit_work_items("contoso", edit);
    };
    lag(1);
    logging.delete(&second).await.expect(204);
    logging.time_passes(LONG).await;
    logging.write_due().await;
    lag(0);
    logging.write_due().await;
    assert_eq!(completed(&logging), Some(START + 1.0));
    logging.log("00:30").await;
    assert_eq!(completed(&logging), Some(START + 1.5));
}

/// The first patch after a restore is applied and its answer lost; its revision is below, at or above our
/// last one.
#[tokio::test]
async fn lost_answer_of_the_first_patch_after_a_restore_counts_once() {
    for lost in 1..=3 {
        for edits in 0..=2 {
            let logging = Logging::new().await;
            for _ in 0..4 {
                logging.log("01:00").await;
            }
            roll_back(&logging, lost);
            for _ in 0..edits {
                logging.azure().edit_work_items("contoso", |items| {
                    let before = items.hours(logging.item, "CompletedWork").unwrap();
                    items.set_hours(logging.item, "CompletedWork", before + 0.125);
                });
            }
            let fault = Fault::applied(Fault::Reset);
            logging
                .azure()
                .fault_times("contoso", "update_work_item", fault, 1);
            let entry = logging.log("01:00").await;
            for _ in 0..4 {
                logging.time_passes(LONG).await;
                logging.write_due().await;
            }
            let situation = logging.situation(&entry).await;
            let name = format!("{lost} lost, {edits} edits: {situation}");
            assert_eq!(situation["estado"], "sincronizado", "{name}");
            let typed = START + 0.125 * f64::from(edits);
            assert_eq!(completed(&logging), Some(typed + 5.0), "{name}");
        }
    }
}

/// No entry follows: the comparison alone finds that the hours are gone.
#[tokio::test]
async fn item_restored_and_edited_without_an_entry_is_reconciled() {
    for edits in 1..=3 {
        let logging = Logging::new().await;
        for _ in 0..3 {
            logging.log("01:00").await;
        }
        roll_back(&logging, 2);
        for _ in 0..edits {
            logging.azure().edit_work_items("contoso", |items| {
                let before = items.hours(logging.item, "CompletedWork").unwrap();
                items.set_hours(logging.item, "CompletedWork", before + 4.0);
            });
        }
        let typed = START + 4.0 * f64::from(edits);
        let mut report = logging.reconcile_item().await;
        if edits == 1 {
            // The revision is below our last one: it may only lag.
            assert_eq!(report["diferencas"][0]["reparado"], false, "{report}");
            logging.time_passes(LONG).await;
            report = logging.reconcile_item().await;
        }
        let difference = &report["diferencas"][0];
        assert_eq!(difference["reparado"], true, "{edits} edits: {report}");
        assert_eq!(difference["completed_work_antes"], typed + 1.0, "{edits} edits");
        assert_eq!(completed(&logging), Some(typed + 3.0), "{edits} edits");
        let clean = logging.reconcile_item().await;
        assert_eq!(clean["diferencas"], json!([]), "{edits} edits");
    }
}
