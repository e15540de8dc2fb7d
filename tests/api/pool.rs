//! The pool of connections while all is well: which one is lent, and how long one lives. How it bears trouble is in `faults` and `outage`.

use std::collections::BTreeSet;
use std::time::Duration;

use aponta::db::{Db, ReadTx};
use aponta::models::organizacao::Scope;
use futures_util::poll;

use crate::support::app::config;
use crate::support::{TestDatabase, eventually};

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
    eventually("the pool fills", async || is_at_rest(&db)).await;
    db
}

/// All connections are there, and nobody uses one.
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
async fn one_request_after_the_other_takes_the_same_connection() {
    let database = TestDatabase::new().await;
    let db = pool(&database, Duration::from_hours(1)).await;
    let mut backends = BTreeSet::new();
    for _ in 0..10 {
        backends.insert(next_backend(&db).await);
        eventually("it is given back", async || is_at_rest(&db)).await;
    }
    assert_eq!(backends.len(), 1, "{backends:?}");
}

#[tokio::test]
async fn a_connection_that_grew_old_is_replaced_and_nobody_notices() {
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
async fn a_transaction_is_over_also_when_the_one_who_was_to_have_its_connection_gives_up() {
    let database = TestDatabase::new().await;
    let db = pool(&database, Duration::from_hours(1)).await;
    let scope = Scope::Everything;
    let mut held = Vec::new();
    let mut backends = Vec::new();
    for _ in 0..SIZE {
        let mut tx = db.begin_read(&scope).await.unwrap();
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()");
        let pid: i32 = pid.fetch_one(tx.conn()).await.unwrap();
        held.push(tx);
        backends.push(pid);
    }
    let mut waiting = Box::pin(db.begin_read(&scope));
    assert!(poll!(&mut waiting).is_pending());
    held.pop().unwrap().end();
    drop(waiting);
    held.into_iter().for_each(ReadTx::end);

    // Had its transaction been ended, its connection would still be there, as the others are.
    let watching = database.pool().await;
    let left = backends.split_off(backends.len() - 1);
    let states = "SELECT state FROM pg_stat_activity WHERE pid = ANY($1)";
    let states = async |pids: &[i32]| -> Vec<String> {
        let states = sqlx::query_scalar(states).bind(pids);
        states.fetch_all(&watching).await.unwrap()
    };
    eventually("the one that was left to somebody is ended", async || {
        states(&left).await.is_empty()
    })
    .await;
    eventually("the others are at rest", async || {
        states(&backends).await == ["idle"; 2]
    })
    .await;
    eventually("the pool is whole", async || is_at_rest(&db)).await;
}
