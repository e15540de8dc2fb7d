//! The pool of connections while all is well: how long one lives, and how it comes back. Trouble is in
//! `faults` and `outage`.

use std::time::Duration;

use aponta::db::Db;
use aponta::models::organizacao::Scope;

use crate::support::app::config;
use crate::support::{TestDatabase, eventually, fill};

const SIZE: u32 = 3;

/// A pool of its full size, straight to the server: a pooler between them lends backends as it likes.
async fn pool(database: &TestDatabase, max_lifetime: Duration) -> Db {
    let mut config = config(
        &database.url,
        [("DATABASE_POOL_MIN", "3"), ("DATABASE_POOL_MAX", "3")],
    );
    config.database.url = database.url.clone().into();
    config.database.max_lifetime = max_lifetime;
    let db = Db::connect_lazy(&config.database).unwrap();
    fill(&db, SIZE).await;
    db
}

/// All connections are there and idle.
fn is_at_rest(db: &Db) -> bool {
    db.pool_states()
        .all(|state| state.idle == SIZE && state.used == 0)
}

/// The server's process behind the connection that is lent next.
async fn next_backend(db: &Db) -> i32 {
    let mut tx = db.begin(&Scope::Everything).await.unwrap();
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()");
    pid.fetch_one(tx.conn()).await.unwrap()
}

#[tokio::test]
async fn aged_connection_is_replaced_without_errors() {
    let database = TestDatabase::new().await;
    let db = pool(&database, Duration::from_secs(2)).await;
    let first = next_backend(&db).await;
    // The number of a process comes back much later than a test takes.
    eventually("another one is lent", async || next_backend(&db).await != first).await;
    eventually("the pool is whole", async || is_at_rest(&db)).await;
    let watching = database.pool().await;
    let gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $1";
    eventually("the server has let go of the first", async || {
        let gone = sqlx::query_scalar(gone).bind(first);
        gone.fetch_one(&watching).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn dropped_transaction_rolls_back_and_returns_connection() {
    let database = TestDatabase::new().await;
    let db = pool(&database, Duration::from_hours(1)).await;
    let mut held = Vec::new();
    for _ in 0..SIZE {
        held.push(db.begin_read(&Scope::Everything).await.unwrap());
    }
    drop(held);
    let watching = database.pool().await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
    AND datname = current_database()";
    eventually("no transaction is left open", async || {
        sqlx::query_scalar::<_, i64>(open)
            .fetch_one(&watching)
            .await
            .unwrap()
            == 0
    })
    .await;
    eventually("the pool is whole", async || is_at_rest(&db)).await;
}
