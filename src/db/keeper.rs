//! Fills the pool up to its minimum, at first and after an outage, load or not: a cold pool would make the next burst wait. Ends
//! connections that grew old or were left behind.

use std::time::Duration;

use super::pool::Pool;

/// How often the size is looked at, and so how late a refill may begin.
const INTERVAL: Duration = Duration::from_secs(1);

/// Keeps at least `min` connections open, for ever.
pub(super) async fn watch(pool: Pool, min: u32) {
    let mut was_full = false;
    loop {
        pool.retire().await;
        let before = pool.size();
        if before < min {
            fill(&pool, min).await;
        }
        let now = pool.size();
        if was_full && before < min && now >= min {
            tracing::info!(from = before, to = now, "refilled the connection pool");
        }
        was_full |= now >= min;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Holds connections until the pool has its minimum, then lets all go. Idle ones come first, so the held ones
/// force new ones to be opened.
async fn fill(pool: &Pool, min: u32) {
    let mut held = Vec::new();
    while pool.size() < min {
        match pool.acquire().await {
            Ok(connection) => held.push(connection),
            Err(error) => {
                tracing::debug!(%error, "the pool cannot be filled yet");
                return;
            }
        }
    }
}
