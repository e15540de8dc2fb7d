//! Metrics of the client; without an installed recorder, recorded values are discarded.

use std::time::Duration;

use metrics::{Unit, describe_gauge, describe_histogram, gauge, histogram};

/// Name of the histogram of calls.
pub const CALL_DURATION: &str = "http_client_request_duration_seconds";
const UPSTREAM_VERSION: &str = "aponta_upstream_api_version";

const SERVER: &str = "server_address";
const OPERATION: &str = "operation";
const ERROR_TYPE: &str = "error_type";

/// Registers the descriptions of the metrics with the recorder.
pub fn describe() {
    describe_histogram!(
        CALL_DURATION,
        Unit::Seconds,
        "Calls of Azure DevOps, retries included"
    );
    describe_gauge!(
        UPSTREAM_VERSION,
        "API version of a host of Azure DevOps, at most 7.1; 0 while it has not told it"
    );
}

/// Records the API version of a host; `None` (reported as 0) if the host has not reported one.
pub(super) fn upstream_version(server: &str, version: Option<f64>) {
    gauge!(UPSTREAM_VERSION, SERVER => server.to_owned()).set(version.unwrap_or_default());
}

/// Records a call; `error` is the kind of the error, or `None` for a success.
pub(super) fn call(server: &str, operation: &'static str, error: Option<&'static str>, elapsed: Duration) {
    let server = server.to_owned();
    let duration = match error {
        None => histogram!(CALL_DURATION, SERVER => server, OPERATION => operation),
        Some(error) => {
            histogram!(CALL_DURATION, SERVER => server, OPERATION => operation, ERROR_TYPE => error)
        }
    };
    duration.record(elapsed);
}
