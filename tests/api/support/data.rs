//! Rows that tests start from.

use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::eventually;

/// A project whose key is its Azure DevOps GUID, as a sync makes it.
pub async fn projeto(pool: &PgPool, nome: &str) -> Uuid {
    let id = Uuid::new_v4();
    projeto_with_ids(pool, id, id, nome).await;
    id
}

/// A project as older databases hold it: key and GUID differ.
pub async fn projeto_with_ids(pool: &PgPool, id: Uuid, external_id: Uuid, nome: &str) {
    sqlx::query("INSERT INTO projetos (id, external_id, nome) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(external_id)
        .bind(nome)
        .execute(pool)
        .await
        .unwrap();
}

/// How many rows a table has.
pub async fn count(pool: &PgPool, table: &'static str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(pool)
        .await
        .unwrap()
}

/// For a service whose queries wait for [`block_projetos`] until the test is done with it.
pub const PATIENT: [(&str, &str); 2] = [
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "60000"),
    ("DATABASE_LOCK_TIMEOUT_MS", "50000"),
];

/// Makes every query of `projetos` wait until the transaction ends.
pub async fn block_projetos(pool: &PgPool) -> Transaction<'static, Postgres> {
    let mut blocker = pool.begin().await.unwrap();
    let lock = sqlx::query("LOCK TABLE projetos IN ACCESS EXCLUSIVE MODE");
    lock.execute(&mut *blocker).await.unwrap();
    blocker
}

/// Returns once a query waits for what [`block_projetos`] holds.
pub async fn a_query_waits(pool: &PgPool) {
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'projetos'::regclass";
    eventually("a query waits for the lock", async || {
        sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(pool)
            .await
            .unwrap()
            > 0
    })
    .await;
}
