//! Refills the pool after an outage. sqlx restores `min_connections` only when a connection is returned, so a
//! pool that lost all of them under no load would meet the next burst cold.

use std::time::Duration;

use sqlx::PgPool;

/// How often the size is looked at, and so how late a refill may begin.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the pool for ever.
pub(super) async fn watch(pool: PgPool) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if pool.size() < pool.options().get_min_connections() {
            refill(&pool).await;
        }
    }
}

/// Holds connections until the pool has its minimum, then lets all go. Idle ones come first, so the held ones
/// force new ones to be opened.
async fn refill(pool: &PgPool) {
    let missing_from = pool.size();
    let mut held = Vec::new();
    while pool.size() < pool.options().get_min_connections() {
        match pool.acquire().await {
            Ok(connection) => held.push(connection),
            Err(error) => {
                tracing::debug!(%error, "the pool cannot be refilled yet");
                return;
            }
        }
    }
    tracing::info!(
        from = missing_from,
        to = pool.size(),
        "refilled the connection pool"
    );
}
