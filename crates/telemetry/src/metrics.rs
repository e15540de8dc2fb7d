//! Metrics: names, labels, and one function per event; metrics of calls to Azure DevOps are in
//! `azure_devops::metrics`. Before [`install`] is called, events are discarded.
//!
//! Names follow the semantic conventions of OpenTelemetry in the spelling of Prometheus; all other names
//! begin with `aponta_`. No label contains an id, so the number of series is bounded by the routes and
//! operations of the program.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
pub use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use reqwest::Method;

use azure_devops::metrics as azure_devops;

const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
const REQUESTS_ACTIVE: &str = "http_server_active_requests";
const POOL_CONNECTIONS: &str = "db_client_connection_count";
const POOL_MAX: &str = "db_client_connection_max";
const POOL_PENDING: &str = "db_client_connection_pending_requests";
const POOL_TIMEOUTS: &str = "db_client_connection_timeouts_total";
const POOL_WAIT: &str = "db_client_connection_wait_time_seconds";
const TRANSACTION_DURATION: &str = "aponta_db_transaction_duration_seconds";
const DATABASE_UP: &str = "aponta_database_up";
const OUTBOX_PENDING: &str = "aponta_outbox_pending";
const OUTBOX_FAILED: &str = "aponta_outbox_failed";
const OUTBOX_AGE: &str = "aponta_outbox_oldest_age_seconds";
const OUTBOX_ATTEMPTS: &str = "aponta_outbox_attempts_total";
const AUTH_CACHE: &str = "aponta_auth_cache_total";
const ORGANIZATION_REPLACED: &str = "aponta_organization_replaced_total";
const RATE_LIMITED: &str = "aponta_ratelimit_rejected_total";
const BODIES_REFUSED: &str = "aponta_bodies_refused_total";
const PROOFS_REFUSED: &str = "aponta_proofs_refused_total";
const LOG_LINES_OMITTED: &str = "aponta_log_lines_omitted_total";
const CONNECTIONS_REFUSED: &str = "aponta_connections_refused_total";
const ENTRIES: &str = "aponta_entries_total";
const BREAKERS_OPEN: &str = "aponta_upstream_breakers_open";
const LANES_OPEN: &str = "aponta_upstream_lanes_open";
const PAT_EXPIRES: &str = "aponta_pat_expires_in_seconds";
const LOG_LINES_LOST: &str = "aponta_log_lines_lost_total";
const JOB_RESTARTS: &str = "aponta_job_restarts_total";
const REPLICA_USED: &str = "aponta_replica_used";
const TASKS: &str = "aponta_tasks";
const BUILD_INFO: &str = "aponta_build_info";

const METHOD: &str = "http_request_method";
const ROUTE: &str = "http_route";
const STATUS: &str = "http_response_status_code";
const ERROR_TYPE: &str = "error_type";
const POOL: &str = "db_client_connection_pool_name";
const STATE: &str = "db_client_connection_state";
const RESULT: &str = "result";
const OP: &str = "op";
const JOB: &str = "job";

/// Bucket limits in seconds, those of OpenTelemetry for the duration of HTTP requests.
const HTTP_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Bucket limits in seconds, those of OpenTelemetry for the duration of database operations.
const DATABASE_BUCKETS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Installs the recorder, once per process. Returns the handle from which the metrics are read.
///
/// # Errors
/// Returns an error if another recorder is installed in this process.
pub fn install(version: &'static str) -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(REQUEST_DURATION.to_owned()), &HTTP_BUCKETS)?
        .set_buckets_for_metric(
            Matcher::Full(azure_devops::CALL_DURATION.to_owned()),
            &HTTP_BUCKETS,
        )?
        .set_buckets(&DATABASE_BUCKETS)?;
    let handle = builder.install_recorder()?;
    describe();
    azure_devops::describe();
    start_at_zero();
    gauge!(BUILD_INFO, "version" => version).set(1);
    Ok(handle)
}

fn describe() {
    let seconds = Unit::Seconds;
    describe_histogram!(
        REQUEST_DURATION,
        seconds,
        "Requests, by route template and outcome"
    );
    describe_gauge!(REQUESTS_ACTIVE, "Requests being worked on");
    describe_gauge!(POOL_CONNECTIONS, "Connections to the database");
    describe_gauge!(POOL_MAX, "Connections to the database at the most");
    describe_gauge!(POOL_PENDING, "Those who wait for a connection");
    describe_counter!(POOL_TIMEOUTS, "Waits for a connection that were in vain");
    describe_histogram!(POOL_WAIT, seconds, "Waits for a connection");
    describe_histogram!(TRANSACTION_DURATION, seconds, "Transactions, from begin to end");
    describe_gauge!(DATABASE_UP, "Whether the database answered when last looked at");
    describe_gauge!(OUTBOX_PENDING, "Work items whose hours wait for Azure DevOps");
    describe_gauge!(OUTBOX_FAILED, "Work items whose hours could not be written");
    describe_gauge!(OUTBOX_AGE, seconds, "How long the oldest hours have waited");
    describe_counter!(OUTBOX_ATTEMPTS, "Attempts to write hours");
    describe_counter!(
        AUTH_CACHE,
        "Questions who a caller is, by where the answer came from"
    );
    describe_counter!(
        ORGANIZATION_REPLACED,
        "Answers of another organisation under a name that is known here"
    );
    describe_counter!(RATE_LIMITED, "Requests refused because of the rate limit");
    describe_counter!(
        BODIES_REFUSED,
        "Request bodies refused because others used up API_BODY_MEMORY_BYTES"
    );
    describe_counter!(
        PROOFS_REFUSED,
        "Unknown tokens refused because their address showed too many"
    );
    describe_counter!(
        LOG_LINES_OMITTED,
        "Lines of requests left out of the log because their address wrote too many"
    );
    describe_counter!(
        CONNECTIONS_REFUSED,
        "Connections refused because their address held as many as it may"
    );
    describe_counter!(ENTRIES, "Time entries written");
    describe_gauge!(
        BREAKERS_OPEN,
        "Hosts of Azure DevOps whose circuit breaker is open"
    );
    describe_gauge!(
        LANES_OPEN,
        "Identities whose own circuit breaker is open because Azure DevOps delays them"
    );
    describe_gauge!(
        PAT_EXPIRES,
        seconds,
        "Time left to the PAT of the vault that expires first"
    );
    describe_counter!(
        LOG_LINES_LOST,
        "Log lines that are missing because the log is read too slowly"
    );
    describe_counter!(JOB_RESTARTS, "Background jobs that panicked and began anew");
    describe_gauge!(REPLICA_USED, "Whether lists and reports read the replica");
    describe_gauge!(TASKS, "Tasks of the runtime that are not done");
    describe_gauge!(BUILD_INFO, "Always 1; the label says what runs");
}

/// Initialises counters to zero: an alert on the rate of an absent series would miss the first event.
fn start_at_zero() {
    counter!(RATE_LIMITED).absolute(0);
    counter!(BODIES_REFUSED).absolute(0);
    counter!(PROOFS_REFUSED).absolute(0);
    counter!(LOG_LINES_OMITTED).absolute(0);
    counter!(CONNECTIONS_REFUSED).absolute(0);
    counter!(ORGANIZATION_REPLACED).absolute(0);
    counter!(LOG_LINES_LOST).absolute(0);
    for result in ["hit", "miss", "refused"] {
        counter!(AUTH_CACHE, RESULT => result).absolute(0);
    }
    for result in ["written", "postponed", "failed", "lease_lost"] {
        counter!(OUTBOX_ATTEMPTS, RESULT => result).absolute(0);
    }
    for op in [EntryOp::Create, EntryOp::Update, EntryOp::Delete] {
        counter!(ENTRIES, OP => op.as_str()).absolute(0);
    }
}

/// Counts a response of another organisation under a known name.
pub fn organization_replaced() {
    counter!(ORGANIZATION_REPLACED).increment(1);
}

/// Sets the number of log lines dropped since the start.
pub fn log_lines_lost(lines: u64) {
    counter!(LOG_LINES_LOST).absolute(lines);
}

/// Initialises the restarts of a background job to zero: an alert on their rate would miss the first one.
pub fn job_started(job: &'static str) {
    counter!(JOB_RESTARTS, JOB => job).increment(0);
}

/// Counts the restart of a background job after a panic.
pub fn job_restarted(job: &'static str) {
    counter!(JOB_RESTARTS, JOB => job).increment(1);
}

/// Sets whether lists and reports read the replica.
pub fn replica_used(used: bool) {
    gauge!(REPLICA_USED).set(i32::from(used));
}

/// Sets the number of tasks of the runtime: connections, background work, and work left by finished requests.
pub fn tasks(alive: usize) {
    gauge!(TASKS).set(u32::try_from(alive).unwrap_or(u32::MAX));
}

/// Methods with their own series; the last one stands for all other methods that clients may send.
const METHODS: [&str; 8] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "_OTHER",
];

fn index_of(method: &Method) -> usize {
    let known = METHODS.iter().position(|known| *known == method.as_str());
    known.unwrap_or(METHODS.len() - 1)
}

/// Gauges of the requests in flight, by method. The gauges are created by the first request.
#[derive(Debug, Default)]
pub struct ActiveRequests(OnceLock<[metrics::Gauge; METHODS.len()]>);

impl ActiveRequests {
    /// Counts a request as in flight until the returned value is dropped.
    pub fn enter(&self, method: &Method) -> Active {
        let gauges = self
            .0
            .get_or_init(|| METHODS.map(|method| gauge!(REQUESTS_ACTIVE, METHOD => method)));
        let active = gauges[index_of(method)].clone();
        active.increment(1);
        Active(active)
    }
}

/// Request in flight; counted until dropped.
#[derive(Debug)]
pub struct Active(metrics::Gauge);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Records the duration of a request; `code` is that of the problem, if there was one.
pub fn request(method: &Method, route: Arc<str>, status: u16, code: Option<&str>, elapsed: Duration) {
    let method = METHODS[index_of(method)];
    let status_text = status.to_string();
    let duration = if status < 400 {
        histogram!(REQUEST_DURATION, METHOD => method, ROUTE => route, STATUS => status_text)
    } else {
        let error = code.map_or_else(|| status_text.clone(), str::to_owned);
        histogram!(REQUEST_DURATION, METHOD => method, ROUTE => route, STATUS => status_text, ERROR_TYPE => error)
    };
    duration.record(elapsed);
}

/// Histogram of the successful requests of one kind, looked up once.
#[derive(Debug)]
pub struct Answered(metrics::Histogram);

/// Returns the histogram of the requests with this method, route and status.
#[must_use]
pub fn answered(method: &Method, route: &'static str, status: u16) -> Answered {
    let method = METHODS[index_of(method)];
    Answered(histogram!(REQUEST_DURATION, METHOD => method, ROUTE => route, STATUS => status.to_string()))
}

impl Answered {
    /// Records the duration of one more request.
    pub fn after(&self, elapsed: Duration) {
        self.0.record(elapsed);
    }
}

/// Wait for a connection of a pool; counted as pending until dropped.
#[derive(Debug)]
pub struct PoolWait {
    pool: &'static str,
    pending: metrics::Gauge,
    since: std::time::Instant,
}

/// Starts the wait of a request for a connection.
#[must_use]
pub fn pool_wait(pool: &'static str) -> PoolWait {
    let pending = gauge!(POOL_PENDING, POOL => pool);
    pending.increment(1);
    PoolWait {
        pool,
        pending,
        since: std::time::Instant::now(),
    }
}

impl PoolWait {
    /// Records that a connection was acquired.
    pub fn served(self) {
        histogram!(POOL_WAIT, POOL => self.pool).record(self.since.elapsed());
    }

    /// Counts a wait that timed out.
    pub fn timed_out(self) {
        counter!(POOL_TIMEOUTS, POOL => self.pool).increment(1);
    }
}

impl Drop for PoolWait {
    fn drop(&mut self) {
        self.pending.decrement(1);
    }
}

/// Records the duration of a transaction.
pub fn transaction(pool: &'static str, elapsed: Duration) {
    histogram!(TRANSACTION_DURATION, POOL => pool).record(elapsed);
}

/// State of a connection pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolState {
    /// Name of the pool.
    pub pool: &'static str,
    /// Maximum number of connections.
    pub max: u32,
    /// Number of idle connections.
    pub idle: u32,
    /// Number of connections in use.
    pub used: u32,
}

/// Sets the gauges of a pool.
pub fn pool_state(state: PoolState) {
    let PoolState {
        pool,
        max,
        idle,
        used,
    } = state;
    gauge!(POOL_MAX, POOL => pool).set(max);
    gauge!(POOL_CONNECTIONS, POOL => pool, STATE => "idle").set(idle);
    gauge!(POOL_CONNECTIONS, POOL => pool, STATE => "used").set(used);
    gauge!(POOL_PENDING, POOL => pool).increment(0);
    counter!(POOL_TIMEOUTS, POOL => pool).increment(0);
}

/// Sets whether the database responds.
pub fn database_up(up: bool) {
    gauge!(DATABASE_UP).set(i32::from(up));
}

/// Sets the state of the outbox: pending and failed work items, and the age of the oldest pending hours.
pub fn outbox(pending: i64, failed: i64, oldest_age: Duration) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; counts are far below 2^53"
    )]
    for (name, count) in [(OUTBOX_PENDING, pending), (OUTBOX_FAILED, failed)] {
        gauge!(name).set(count as f64);
    }
    gauge!(OUTBOX_AGE).set(oldest_age);
}

/// Counts the end of an attempt to write hours.
pub fn outbox_attempt(result: &'static str) {
    counter!(OUTBOX_ATTEMPTS, RESULT => result).increment(1);
}

/// Sets the seconds until the first PAT expires, negative if it has expired; `None` if no PAT expires.
pub fn pat_expires_in(seconds: Option<f64>) {
    // A series cannot be removed, so it is set to infinity, which triggers no alert.
    gauge!(PAT_EXPIRES).set(seconds.unwrap_or(f64::INFINITY));
}

/// Sets the number of hosts of Azure DevOps whose circuit breaker is open.
pub fn breakers_open(count: u32) {
    gauge!(BREAKERS_OPEN).set(count);
}

/// Sets the number of identities that Azure DevOps delays so long that their own circuit breaker is open.
pub fn lanes_open(count: u32) {
    gauge!(LANES_OPEN).set(count);
}

/// Counts a lookup of a caller's identity: `hit`, `miss` or `refused`.
pub fn auth_cache(result: &'static str) {
    counter!(AUTH_CACHE, RESULT => result).increment(1);
}

/// Counts a request rejected by the rate limit.
pub fn rate_limited() {
    counter!(RATE_LIMITED).increment(1);
}

/// Counts a request rejected by the limit of unknown tokens of its address.
pub fn proof_refused() {
    counter!(PROOFS_REFUSED).increment(1);
}

/// Counts a request whose log line was omitted.
pub fn log_line_omitted() {
    counter!(LOG_LINES_OMITTED).increment(1);
}

/// Counts a request rejected by the memory limit for bodies.
pub fn body_refused() {
    counter!(BODIES_REFUSED).increment(1);
}

/// Counts a connection rejected by the limit of its address.
pub fn connection_refused() {
    counter!(CONNECTIONS_REFUSED).increment(1);
}

/// Operation on a time entry.
#[derive(Debug, Clone, Copy)]
pub enum EntryOp {
    /// Created.
    Create,
    /// Changed.
    Update,
    /// Deleted.
    Delete,
}

impl EntryOp {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Counts a write of a time entry.
pub fn entry(op: EntryOp) {
    counter!(ENTRIES, OP => op.as_str()).increment(1);
}
