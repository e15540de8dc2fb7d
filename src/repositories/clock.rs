//! The database's clock: one for all replicas.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// The time now.
pub async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(conn)
        .await
}
