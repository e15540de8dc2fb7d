//! Our database is restored to an earlier moment: Azure DevOps has hours that it does not remember.

use azure_devops_fake::Fault;
use serde_json::json;

use crate::support::Logging;

/// Hours that people typed before.
const START: f64 = 3.5;

/// The rows of one moment, to go back to.
struct Backup(Vec<(&'static str, String)>);

impl Backup {
    async fn take(logging: &Logging) -> Self {
        let mut tables = Vec::new();
        for table in ["apontamentos", "minutos_do_dia", "write_back"] {
            let sql = format!("SELECT coalesce(jsonb_agg(t), '[]')::text FROM {table} t");
            let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_one(&logging.tenants.app.pool)
                .await
                .unwrap();
            tables.push((table, rows));
        }
        Self(tables)
    }

    async fn restore(&self, logging: &Logging) {
        let mut tx = logging.tenants.app.pool.begin().await.unwrap();
        sqlx::raw_sql(
            "SET LOCAL session_replication_role = replica; DELETE FROM apontamentos;
                       DELETE FROM minutos_do_dia; DELETE FROM write_back",
        )
        .execute(&mut *tx)
        .await
        .unwrap();
        for (table, rows) in &self.0 {
            let sql = format!(
                "INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb)"
            );
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(rows)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        // The documented first step, before the service starts.
        let db = &logging.tenants.app.app.db;
        aponta::services::outbox::pause_restored(db).await.unwrap();
    }
}

fn completed(logging: &Logging) -> Option<f64> {
    logging.azure().hours(logging.item).0
}

#[tokio::test]
async fn pending_hours_of_a_restored_database_count_once() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    logging
        .azure()
        .fault_times("contoso", "update_work_item", Fault::Status(503, None), 3);
    let pending = logging.log("02:00").await;
    let backup = Backup::take(&logging).await;
    logging.azure().heal();
    while logging.write_due().await > 0 {}
    assert_eq!(completed(&logging), Some(START + 3.0));

    backup.restore(&logging).await;
    assert_eq!(
        logging.write_due().await,
        0,
        "nothing is written before the comparison"
    );
    let situation = logging.situation(&pending).await;
    assert_eq!(
        situation,
        json!({
            "estado": "pendente",
            "motivo": "O banco de dados foi restaurado; a gravação espera que um administrador reconcilie"
        })
    );
    let status = logging.get("/api/v1/integracao/sincronizacao").await.expect(200);
    assert_eq!(status["a_conferir"], 1);

    // The backup's patch has no clear answer: it may arrive for ten minutes.
    logging.reconcile_item().await;
    assert_eq!(logging.situation(&pending).await, situation);
    logging.time_passes("11 minutes").await;
    logging.reconcile_item().await;
    assert_eq!(completed(&logging), Some(START + 3.0));
    assert_eq!(logging.situation(&pending).await["estado"], "sincronizado");
    let status = logging.get("/api/v1/integracao/sincronizacao").await.expect(200);
    assert_eq!(status["a_conferir"], 0);
    logging.log("00:30").await;
    assert_eq!(completed(&logging), Some(START + 3.5));
}

#[tokio::test]
async fn hours_of_entries_that_a_restore_lost_are_taken_back() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let backup = Backup::take(&logging).await;
    logging.log("02:00").await;
    // People type hours of their own after it.
    logging.azure().edit_work_items("contoso", |items| {
        items.set_hours(logging.item, "CompletedWork", START + 4.0);
    });
    backup.restore(&logging).await;
    let waiting = logging.log("00:30").await;
    assert_eq!(waiting["sincronizacao"]["estado"], "pendente");
    let report = logging.reconcile_item().await;
    assert_eq!(report["diferencas"][0]["reparado"], true, "{report}");
    // 3.5 and 1 that people typed, 1 and 0.5 that are logged here.
    assert_eq!(completed(&logging), Some(START + 1.0 + 1.5));
    assert_eq!(logging.situation(&waiting).await["estado"], "sincronizado");
}

#[tokio::test]
async fn work_item_that_nothing_happened_to_is_released_silently() {
    let logging = Logging::new().await;
    let entry = logging.log("01:00").await;
    Backup::take(&logging).await.restore(&logging).await;
    let report = logging.reconcile_item().await;
    assert_eq!(
        report,
        json!({"verificados": 1, "diferencas": [], "proximo": null})
    );
    assert_eq!(
        logging.situation(&entry).await,
        json!({"estado": "sincronizado", "motivo": null})
    );
    assert_eq!(completed(&logging), Some(START + 1.0));
}
