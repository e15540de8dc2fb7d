//! Requests that wait for the database end in the middle: the client went away, or the request took too long.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use aponta::db::{Db, DbError};
use aponta::models::organizacao::Scope;
use aponta::repositories::atividades;

use crate::support::TestDatabase;
use crate::support::app::config;
use crate::support::chaos::{Chaos, Toxic};

const OPEN: &str = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND state LIKE 'idle in transaction%'";

/// Begins, reads, ends.
async fn read(db: &Db) -> Result<(), DbError> {
    let mut tx = db.begin(&Scope::Everything).await?;
    atividades::find(&mut tx, aponta::models::ids::AtividadeId::generate()).await?;
    tx.commit().await
}

/// Gives `work` up when it waits for the `n`th time; `None` if it ends before.
async fn interrupt<T>(work: impl Future<Output = T>, n: usize) -> Option<T> {
    let (mut work, mut waits) = (pin!(work), 0);
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => {
            waits += 1;
            if waits == n {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        }
    })
    .await
}

#[tokio::test]
async fn cancelled_transaction_leaves_none_open() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let chaos = Chaos::before(&database.url);
    let settings = [("DATABASE_POOL_MAX", "1"), ("DATABASE_POOL_MIN", "1")];
    let db = Db::connect_lazy(&config(chaos.url(), settings).database).unwrap();
    read(&db).await.unwrap();
    // So that each answer is waited for.
    chaos.set(Toxic::Latency(Duration::from_millis(5)));
    let mut interrupted = 0;
    while interrupt(read(&db), interrupted + 1).await.is_none() {
        interrupted += 1;
        // There is one connection, so this is the one that was left behind.
        let left = db.acquire().await.unwrap();
        let open: i64 = sqlx::query_scalar(OPEN).fetch_one(&pool).await.unwrap();
        assert_eq!(open, 0, "given up at wait {interrupted}");
        drop(left);
    }
    // At least: for the connection, for BEGIN, for the statement, for COMMIT.
    assert!(interrupted >= 4, "given up only {interrupted} times");
}

#[tokio::test]
async fn request_behind_a_cancelled_read_gets_its_own_rows() {
    let database = TestDatabase::new().await;
    let chaos = Chaos::before(&database.url);
    let settings = [("DATABASE_POOL_MAX", "1"), ("DATABASE_POOL_MIN", "1")];
    let db = Db::connect_lazy(&config(chaos.url(), settings).database).unwrap();
    read(&db).await.unwrap();
    chaos.set(Toxic::Latency(Duration::from_millis(5)));
    let reading = async |asked: i64| {
        let mut tx = db.begin_read(&Scope::Everything).await?;
        let question = sqlx::query_scalar("SELECT $1::bigint").bind(asked);
        let told: i64 = question.fetch_one(tx.conn()).await?;
        drop(tx);
        Ok::<_, DbError>(told)
    };
    let mut interrupted = 0;
    loop {
        // They see the same rows, so the second goes on with the transaction of the first, if that ends.
        let first = interrupt(reading(-1), interrupted + 1);
        let (first, second) = futures_util::join!(first, reading(1));
        assert_eq!(
            second.unwrap(),
            1,
            "behind one given up at wait {}",
            interrupted + 1
        );
        if let Some(told) = first {
            assert_eq!(told.unwrap(), -1);
            break;
        }
        interrupted += 1;
    }
    assert!(interrupted >= 2, "given up only {interrupted} times");
}
