//! The connection to the database is reset in the middle of a transaction, wherever that is. A client without
//! an answer sends the request again, with the same `Idempotency-Key`.
//!
//! `APONTA_RESET_STEPS=500 cargo test --test api faults::reset` is the long form.

use serde_json::{Value, json};

use crate::support::chaos::{Chaos, Direction};
use crate::support::logging::{APONTAMENTOS, day};
use crate::support::{Logging, Reply, Request, TestApp, eventually};

/// Resets each way by default.
const STEPS: u64 = 20;

fn steps() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "asked for on the command line")]
    let asked = std::env::var("APONTA_RESET_STEPS");
    asked.map_or(STEPS, |text| text.parse().expect("a number of resets"))
}

struct Writer<'a> {
    logging: &'a Logging,
    /// The application behind the proxy.
    app: TestApp,
    /// Entries so far, each on a day and under a key of its own.
    entries: i64,
}

impl Writer<'_> {
    async fn post(&self, entry: i64) -> Reply {
        // Days are not to be full.
        let body = json!({"duracao": "00:15", "data_apontamento": day(-(entry % 300)),
            "comentario": entry.to_string()});
        let request = Request::post(APONTAMENTOS)
            .bearer(&self.logging.tenants.member)
            .header("idempotency-key", &format!("entry-{entry}"))
            .json(&self.logging.body_with(&body));
        self.app.send(request).await
    }

    /// An entry to which nothing happens; the connection knows all statements then.
    async fn warm_up(&mut self) {
        self.entries += 1;
        eventually("a request is served", async || {
            self.post(self.entries).await.status == 201
        })
        .await;
    }

    /// Repeats the request of an entry until it is served, and returns the answer.
    async fn repeat(&self, entry: i64) -> Value {
        let mut again = None;
        eventually("the repeated request is served", async || {
            let reply = self.post(entry).await;
            match reply.status.as_u16() {
                201 => again = Some(reply.json()),
                // The database may not know yet that the connection is gone, nor may the pool.
                409 => assert_eq!(reply.problem(409)["code"], "requisicao_em_andamento"),
                _ => drop(reply.problem(503)),
            }
            again.is_some()
        })
        .await;
        again.unwrap()
    }

    /// How often it is in the database, and as what.
    async fn stored(&self, entry: i64) -> Vec<String> {
        sqlx::query_scalar("SELECT id::text FROM apontamentos WHERE comentario = $1")
            .bind(entry.to_string())
            .fetch_all(&self.logging.tenants.app.pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn reset_anywhere_in_a_write_counts_it_once() {
    // One connection, or the byte that a request fails at would depend on which one it got.
    let logging = Logging::with(&[
        ("DATABASE_POOL_MAX", "1"),
        ("DATABASE_POOL_MIN", "0"),
        ("DATABASE_IDLE_PING_SECONDS", "60"),
        // For so long, and a second, an answer is kept back that could not be finished.
        ("WRITEBACK_BUDGET", "1"),
    ])
    .await;
    let chaos = Chaos::before(logging.tenants.app.database_url());
    let mut writer = Writer {
        app: logging.tenants.app.replica_with("DATABASE_URL", chaos.url()),
        logging: &logging,
        entries: 0,
    };
    let (mut acknowledged, mut committed, mut refused) = (0, 0, 0);
    for direction in [Direction::ToDatabase, Direction::FromDatabase] {
        writer.warm_up().await;
        writer.warm_up().await;
        let before = chaos.sent(direction);
        writer.warm_up().await;
        let whole = chaos.sent(direction) - before;
        println!("{direction:?}: {whole} bytes a request");
        for step in 0..steps() {
            writer.warm_up().await;
            writer.entries += 1;
            let entry = writer.entries;
            let bytes = whole * step / steps();
            chaos.reset_after(direction, bytes);
            let first = writer.post(entry).await;
            let first: Option<Value> = if first.status == 201 {
                acknowledged += 1;
                Some(first.json())
            } else {
                assert_eq!(
                    first.problem(503)["code"],
                    "banco_indisponivel",
                    "after {bytes} bytes"
                );
                assert_eq!(first.header("retry-after"), "1");
                refused += 1;
                None
            };
            chaos.heal();
            let stored = writer.stored(entry).await;
            assert!(stored.len() <= 1, "stored twice");
            if first.is_none() {
                committed += stored.len();
            }

            let again = writer.repeat(entry).await;
            assert_eq!(writer.stored(entry).await, [again["id"].as_str().unwrap()]);
            if let Some(first) = first {
                assert_eq!(first["id"], again["id"], "acknowledged as another one");
            }
        }
    }
    println!("{refused} refused, {committed} of them committed all the same; {acknowledged} acknowledged");
    assert!(refused > 0, "no reset was felt");
    assert_eq!(logging.count().await, writer.entries);
    assert_hours_are_written(&logging, writer.entries).await;
}

/// Waits until Azure DevOps has the hours of so many entries.
async fn assert_hours_are_written(logging: &Logging, entries: i64) {
    // A write-back that could not note its end holds the work item until its lease ends; that minute is
    // skipped.
    sqlx::query("UPDATE write_back SET lease_ate = now()")
        .execute(&logging.tenants.app.pool)
        .await
        .unwrap();
    eventually("all hours are written", async || {
        logging.write_due().await;
        let hours = logging.azure().hours(logging.item).0.unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand quarters")]
        let expected = 3.5 + entries as f64 / 4.0;
        (hours - expected).abs() < 0.001
    })
    .await;
}
