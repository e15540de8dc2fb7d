//! The service is killed while clients write and Azure DevOps fails now and then. A client does what a
//! careful one does: a request whose answer it did not get it sends again, with the same `Idempotency-Key`.
//! Clients belong to two people; the PAT that writes is the organisation's, another account's, or each
//! caller's own. Work items are restored from a backup between rounds.
//!
//! `APONTA_CRASH_ROUNDS=50 cargo test --test api crash` is the long form.

mod clients;
mod rounds;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_devops_fake::NewWorkItem;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::logging::PROJECT;
use crate::support::process::{Running, open_folder};
use crate::support::{Logging, Request, eventually};
use clients::Client;
use rounds::{Rounds, Writer};

/// Clients of each person that write at once.
const CLIENTS: usize = 2;
/// Longest life of a process after it began to serve.
const LONGEST_LIFE_MS: u64 = 800;
/// Work items that they share, and the hours that people typed there before.
const ITEMS: usize = 5;
const START: f64 = 2.25;

/// Kills the service after a while; in every other round not before an entry is stored, however slow the
/// machine is.
async fn kill(running: Running, round: usize, acknowledged: &AtomicUsize) {
    let before = acknowledged.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(..LONGEST_LIFE_MS))).await;
    if round.is_multiple_of(2) {
        eventually("an entry is stored", async || {
            acknowledged.load(Ordering::Relaxed) > before
        })
        .await;
    }
    running.signal("KILL").await;
}

/// Skips pauses after failures, and the time in which Azure DevOps may only lag.
async fn let_time_pass(logging: &Logging) {
    skip(logging, "atras_desde = atras_desde - interval '1 minute'").await;
}

/// Skips pauses after failures, and something else.
async fn skip(logging: &Logging, what: &str) {
    let skip = format!("UPDATE write_back SET proxima_em = now(), {what} WHERE estado = 'pendente'");
    sqlx::query(sqlx::AssertSqlSafe(skip))
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
}

/// Everything that a client ever asked for is acknowledged, what was acknowledged before with the same id.
async fn acknowledge(client: &mut Client, base: &str) {
    for place in 0..client.wishes.len() {
        let before = client.wishes[place].id.take();
        eventually("it is acknowledged", async || {
            client.send(base, place).await.unwrap();
            client.wishes[place].id.is_some()
        })
        .await;
        assert!(before.is_none() || before == client.wishes[place].id);
    }
}

/// Restores a work item from a backup in every other round, so that some of our hours there are gone.
async fn restored_upstream(logging: &Logging, items: &[i32], round: usize) {
    if round % 2 == 1 {
        let item = items[fastrand::usize(..items.len())];
        logging
            .azure()
            .restore_backup("contoso", item, fastrand::usize(1..4));
    }
    let_time_pass(logging).await;
}

/// Work items that are pending, but for those that were restored while a patch for them may still arrive.
const UNSETTLED: &str =
    "estado = 'pendente' AND (intencao_em IS NULL OR motivo NOT LIKE 'O Azure DevOps ainda não mostra%')";

/// Compares the project with Azure DevOps, which finds work items that were restored and have no new entry,
/// and waits until no work item is `pending`. The dead hold their work items until their leases end; that
/// minute is skipped.
async fn settle(logging: &Logging, pending: &str) {
    let pool = &logging.tenants.app.pool;
    sqlx::query("UPDATE write_back SET lease_ate = now()")
        .execute(pool)
        .await
        .unwrap();
    let body = json!({ "organization_name": "contoso", "project_id": logging.tenants.projeto });
    let compare = Request::post("/api/v1/integracao/reconciliar").bearer(&logging.tenants.admin);
    logging.tenants.app.send(compare.json(&body)).await.expect(200);
    eventually("everything is written", async || {
        let_time_pass(logging).await;
        let status = logging.get("/api/v1/integracao/sincronizacao").await.expect(200);
        assert_eq!(status["falhas"], 0, "{status}");
        let pending = format!("SELECT EXISTS (SELECT FROM write_back WHERE {pending})");
        let pending = sqlx::query_scalar(sqlx::AssertSqlSafe(pending));
        let pending: bool = pending.fetch_one(pool).await.unwrap();
        !pending
    })
    .await;
}

/// The work items whose hours are written.
async fn settled(logging: &Logging) -> Vec<i32> {
    sqlx::query_scalar("SELECT work_item_id FROM write_back WHERE estado = 'sincronizado'")
        .fetch_all(&logging.tenants.app.pool)
        .await
        .unwrap()
}

/// Each figure is what people typed and what is logged here.
async fn check_figures(logging: &Logging, items: &[i32]) {
    for &item in items {
        let minutes: i64 =
            sqlx::query_scalar("SELECT coalesce(sum(minutos), 0) FROM apontamentos WHERE work_item_id = $1")
                .bind(item)
                .fetch_one(&logging.tenants.app.pool)
                .await
                .unwrap();
        let typed = logging
            .azure()
            .edit_work_items("contoso", |items| items.typed_hours(item));
        #[expect(clippy::cast_precision_loss, reason = "a few thousand minutes")]
        let expected = typed + minutes as f64 / 60.0;
        assert_eq!(logging.azure().hours(item).0, Some(expected), "work item {item}");
    }
}

#[tokio::test]
async fn kill_at_random_loses_and_doubles_nothing() {
    let logging = Logging::new().await;
    let new_item = |_| {
        let item = NewWorkItem::task(PROJECT).completed(START);
        logging.azure().work_item("contoso", item)
    };
    let items: Vec<i32> = (0..ITEMS).map(new_item).collect();
    let folder = open_folder();
    let acknowledged = Arc::<AtomicUsize>::default();
    let second = logging.azure().person("Bea Example", &["contoso"]);
    let people = [logging.tenants.member.clone(), logging.azure().pat(&second)];
    let mut clients: Vec<Client> = (0..2 * CLIENTS)
        .map(|n| Client::new(&people[n % 2], &acknowledged))
        .collect();
    let rounds = Rounds::new(&logging);
    for round in 0..rounds.count {
        restored_upstream(&logging, &items, round).await;
        let (running, base) = rounds.serve(&logging, folder.path(), Rounds::writer(round)).await;
        rounds.begin(&logging, round);
        let writes = join_all(
            clients
                .iter_mut()
                .map(|client| client.write(&base, &logging, &items)),
        );
        tokio::join!(kill(running, round, &acknowledged), writes);
    }

    logging.azure().heal();
    let (running, base) = rounds.serve(&logging, folder.path(), Writer::Service).await;
    for client in &mut clients {
        acknowledge(client, &base).await;
    }
    let wishes: usize = clients.iter().map(|client| client.wishes.len()).sum();
    assert_eq!(logging.count().await, i64::try_from(wishes).unwrap());
    assert!(
        wishes > rounds.count,
        "{wishes} entries in {} rounds",
        rounds.count
    );
    eprintln!("{} kills, {wishes} entries", rounds.count);
    // A request that Azure DevOps took its time for may still arrive: the restored work item that it is for
    // waits.
    settle(&logging, UNSETTLED).await;
    check_figures(&logging, &settled(&logging).await).await;
    logging.azure().late_requests_end().await;
    skip(&logging, "intencao_em = intencao_em - interval '10 minutes'").await;
    settle(&logging, "estado = 'pendente'").await;
    check_figures(&logging, &items).await;
    assert_eq!(running.signal("TERM").await, 0);
}
