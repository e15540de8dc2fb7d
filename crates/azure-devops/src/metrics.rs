//! Metrics of the client. Until a recorder is installed they do nothing.

use std::time::Duration;

use metrics::{Unit, describe_gauge, describe_histogram, gauge, histogram};

/// Name of the histogram of calls.
pub const CALL_DURATION: &str = "http_client_request_duration_seconds";
const UPSTREAM_VERSION: &str = "aponta_upstream_api_version";

const SERVER: &str = "server_address";
const OPERATION: &str = "operation";
const ERROR_TYPE: &str = "error_type";

/// Describes the metrics to the recorder.
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

/// Notes the API version of a host; `None`: the host did not tell it.
pub(super) fn upstream_version(server: &str, version: Option<f64>) {
    gauge!(UPSTREAM_VERSION, SERVER => server.to_owned()).set(version.unwrap_or_default());
}

/// Notes a call; `error` is the kind of the failure, if it was one.
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
