//! Transactions that one entry takes, on the way that nearly all entries go.

use crate::support::{Logging, Request};

/// Returns the number of the next transaction that writes.
async fn next_transaction(logging: &Logging) -> i64 {
    sqlx::query_scalar("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        .fetch_one(&logging.tenants.app.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn new_entry_takes_three_writing_transactions() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let before = next_transaction(&logging).await;
    let request = Request::post("/api/v1/apontamentos")
        .bearer(&logging.tenants.member)
        .header("idempotency-key", "k")
        .json(&logging.body());
    let entry = logging.tenants.app.send(request).await.expect(201);
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    // The entry with its key; the lease with the patch; the outcome. Beside them one read finds the project.
    assert_eq!(next_transaction(&logging).await - before, 3);
}
