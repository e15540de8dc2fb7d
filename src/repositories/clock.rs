//! The database's clock: one for all replicas.

use chrono::{DateTime, Utc};

use crate::db::Tx;

/// The time now.
pub async fn now(tx: &mut Tx) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(tx.conn())
        .await
}
