//! The connection for `/ready`, outside the pool of the requests: a pool whose connections are all busy is no dead
//! database, and would be as busy in every other replica.

use std::time::Duration;

use super::connect_options;
use super::pool::{Pool, Settings};
use crate::config::DatabaseConfig;

/// How long a statement for `/ready` may take; a slower database is as good as none.
const PATIENCE: Duration = Duration::from_millis(900);

/// The pool of one connection for `/ready`. Its name in `pg_stat_activity` tells it from the others.
pub(super) fn connect_lazy(config: &DatabaseConfig) -> Result<Pool, sqlx::Error> {
    let name = format!("{}-ready", config.application_name);
    let options = connect_options(config, &config.url)?.application_name(&name);
    let settings = Settings {
        name: "readiness",
        min: config.pool_min.min(1),
        max: 1,
        acquire_timeout: config.acquire_timeout,
        patience: PATIENCE,
        ping_after: config.idle_ping_after,
    };
    Ok(Pool::connect_lazy(config, options, settings))
}
