//! The database's clock, shared by all replicas.

use chrono::{DateTime, Utc};

use crate::db::Tx;

/// Returns the present time.
pub async fn now(tx: &mut Tx) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(tx.conn())
        .await
}
