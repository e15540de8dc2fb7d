//! What tests are written with. `TestApp` is the whole application in process; `RunningServer` listens on a
//! port.

pub mod app;
pub mod app_token;
pub mod chaos;
pub mod client;
pub mod data;
pub mod database;
pub mod logging;
pub mod measured;
pub mod openapi;
pub mod pooler;
pub mod process;
pub mod server;
pub mod snapshot;
pub mod tenants;

pub use app::{AUTH_ON, TestApp};
pub use client::{Reply, Request};
pub use database::TestDatabase;
pub use logging::Logging;
pub use openapi::resolved_document;
pub use server::RunningServer;
pub use tenants::Tenants;

use std::time::{Duration, Instant};

use aponta::db::Db;

/// Opens `count` connections of the service's pool, and waits until they are idle.
pub async fn fill(db: &Db, count: u32) {
    eventually("the connections are open", async || {
        let opened = (0..count).map(|_| db.acquire());
        let opened = futures_util::future::join_all(opened).await;
        opened.iter().all(Result::is_ok)
    })
    .await;
    eventually("the connections are idle", async || {
        db.pool_states()
            .next()
            .is_some_and(|primary| primary.idle >= count)
    })
    .await;
}

/// Waits until `condition` holds; panics after ten seconds.
pub async fn eventually<F: AsyncFnMut() -> bool>(what: &str, condition: F) {
    within(Duration::from_secs(10), what, condition).await;
}

/// Waits until `condition` holds; panics after `limit`.
pub async fn within<F: AsyncFnMut() -> bool>(limit: Duration, what: &str, mut condition: F) {
    let deadline = Instant::now() + limit;
    while !condition().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
