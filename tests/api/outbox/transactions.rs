//! Transactions that one entry takes, on the way that nearly all entries go.

use crate::support::{Logging, Request};

/// Notes the transactions that write into these tables from now on.
const WATCH: &str = "
CREATE TABLE writing_transactions (id text PRIMARY KEY);
CREATE FUNCTION note_transaction() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO writing_transactions VALUES (pg_current_xact_id()::text) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
DO $$
DECLARE
    written text;
BEGIN
    FOREACH written IN ARRAY ARRAY['apontamentos', 'write_back', 'idempotencia', 'auditoria', 'projetos'] LOOP
        EXECUTE format('CREATE TRIGGER note_transaction AFTER INSERT OR UPDATE OR DELETE ON %I
                            FOR EACH STATEMENT EXECUTE FUNCTION note_transaction()', written);
    END LOOP;
END
$$";

#[tokio::test]
async fn new_entry_takes_three_writing_transactions() {
    let logging = Logging::new().await;
    logging.log("01:00").await;
    let pool = &logging.tenants.app.pool;
    sqlx::raw_sql(WATCH).execute(pool).await.unwrap();
    let request = Request::post("/api/v1/apontamentos")
        .bearer(&logging.tenants.member)
        .header("idempotency-key", "k")
        .json(&logging.body());
    let entry = logging.tenants.app.send(request).await.expect(201);
    assert_eq!(entry["sincronizacao"]["estado"], "sincronizado");
    // The entry with its key; the lease with the patch; the outcome. Beside them one read finds the project.
    let transactions: i64 = sqlx::query_scalar("SELECT count(*) FROM writing_transactions")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(transactions, 3);
}
