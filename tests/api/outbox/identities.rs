//! One change that is sent by several identities, which revisions name differently (field report, row 3.1).

use std::time::Duration;

use azure_devops_fake::Fault;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Logging, Request, eventually};

/// The item's start: 3.5 hours done by people.
const START: f64 = 3.5;
const PATCH: &str = "update_work_item";

/// Makes a second member, whose revisions carry another id than `connectionData` tells.
fn second_identity(logging: &Logging, nome: &str) -> String {
    let azure = logging.azure();
    let person = azure.person(nome, &["contoso", "fabrikam"]);
    azure.edit_person(person.id, |person| {
        person.changes_as = Some(Uuid::from_u128(0xbea));
    });
    azure.pat(&person)
}

fn next_write(logging: &Logging, fault: Fault) {
    logging.azure().fault_times("contoso", PATCH, fault, 1);
}

/// Waits until all of these are written, by the background of `app`.
async fn until_written(logging: &Logging, app: &crate::support::TestApp, entries: &[&Value]) {
    eventually("the entries are written", async || {
        sqlx::query("UPDATE write_back SET proxima_em = now() - interval '1 second'")
            .execute(&logging.tenants.app.pool)
            .await
            .unwrap();
        app.app.outbox.write_due().await.unwrap();
        let pending: i64 =
            sqlx::query_scalar("SELECT count(*) FROM write_back WHERE estado <> 'sincronizado'")
                .fetch_one(&logging.tenants.app.pool)
                .await
                .unwrap();
        pending == 0
    })
    .await;
    for entry in entries {
        assert_eq!(logging.situation(entry).await["estado"], "sincronizado");
    }
}

/// What becomes of the first write and of the second one.
fn fates() -> [(Fault, Fault); 6] {
    let applied = Fault::applied;
    let late = |then: Fault| Fault::late(Duration::from_secs(1), then);
    [
        (Fault::Status(503, None), applied(Fault::Reset)),
        (Fault::Status(503, None), applied(Fault::Hang)),
        (late(Fault::Nothing), applied(Fault::Reset)),
        (late(Fault::Status(503, None)), applied(late(Fault::Nothing))),
        (applied(Fault::Reset), Fault::Status(503, None)),
        (applied(late(Fault::Nothing)), late(Fault::Nothing)),
    ]
}

/// In an organisation without a PAT the first caller's write fails, a second caller's credential sends it
/// again, and the PAT that the organisation then gets finds out what became of it.
#[tokio::test]
async fn change_sent_by_two_callers_and_a_pat_counts_once() {
    for (first, second) in fates() {
        let name = format!("{first:?}, {second:?}");
        let logging = Logging::with(&[("AZURE_DEVOPS_ORG_PATS", "")]).await;
        let bea = second_identity(&logging, "Bea Example");
        // Both have written before, so that their names are known.
        logging.log("01:00").await;
        logging.post_as(&bea, &logging.body()).await.expect(201);
        next_write(&logging, first);
        let of_ada = logging.log("01:00").await;
        assert_eq!(of_ada["sincronizacao"]["estado"], "pendente", "{name}");
        next_write(&logging, second);
        let of_bea = logging.post_as(&bea, &logging.body()).await.expect(201);
        let pats = format!("contoso={}", logging.tenants.service_pat);
        let with_pat = logging.tenants.app.replica_with("AZURE_DEVOPS_ORG_PATS", &pats);
        until_written(&logging, &with_pat, &[&of_ada, &of_bea]).await;
        logging.azure().late_requests_end().await;
        logging.log("00:30").await;
        until_written(&logging, &with_pat, &[]).await;
        assert_eq!(logging.azure().hours(logging.item).0, Some(START + 4.5), "{name}");
    }
}

/// The vault's PAT is replaced by another account's while the service runs, between two sends of one change.
#[tokio::test]
async fn change_sent_before_and_after_a_new_pat_counts_once() {
    for (first, second) in fates() {
        let name = format!("{first:?}, {second:?}");
        let logging = Logging::new().await;
        let stored = logging.tenants.stored_pat().await;
        logging.log("01:00").await;
        next_write(&logging, first);
        let entry = logging.log("01:00").await;
        assert_eq!(entry["sincronizacao"]["estado"], "pendente", "{name}");
        let pat = second_identity(&logging, "Service 2");
        let path = format!("/api/v1/organization-pats/{stored}?validate_first=false");
        let put = Request::put(&path).bearer(&logging.tenants.admin);
        let replaced = put.json(&json!({ "pat": pat }));
        logging.tenants.app.send(replaced).await.expect(200);
        next_write(&logging, second);
        logging.write_due().await;
        until_written(&logging, &logging.tenants.app, &[&entry]).await;
        logging.azure().late_requests_end().await;
        logging.log("00:30").await;
        until_written(&logging, &logging.tenants.app, &[]).await;
        assert_eq!(logging.azure().hours(logging.item).0, Some(START + 2.5), "{name}");
    }
}
