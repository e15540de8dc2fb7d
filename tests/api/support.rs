//! What tests are written with. `TestApp` is the whole application in process; `RunningServer` listens on a port.

pub mod app;
pub mod app_token;
pub mod azure;
pub mod chaos;
pub mod client;
pub mod data;
pub mod database;
pub mod logging;
pub mod measured;
pub mod pooler;
pub mod process;
pub mod server;
pub mod tenants;

pub use app::{AUTH_ON, TestApp};
pub use azure::{FakeAzure, Fault, Gaps, NewWorkItem};
pub use client::{Reply, Request};
pub use database::TestDatabase;
pub use logging::Logging;
pub use server::RunningServer;
pub use tenants::Tenants;

use std::time::{Duration, Instant};

/// Waits until `condition` holds; panics after ten seconds.
pub async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut condition: F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
