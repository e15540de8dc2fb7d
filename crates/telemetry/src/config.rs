//! Configuration of logs and traces.

use secrecy::SecretString;
use url::Url;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Configuration of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Format of the lines.
    pub format: LogFormat,
    /// Directives of `RUST_LOG`.
    pub filter: String,
}

/// Collector of traces that accepts OTLP over HTTP.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// Address to which spans are sent.
    pub endpoint: Url,
    /// Headers for the collector, which may contain its key: `name=value,name=value`.
    pub headers: Option<SecretString>,
    /// Share of the requests that start a trace, 0 to 1. A request with a trace follows the decision of its
    /// caller.
    pub sample_ratio: f64,
    /// Name of the service in traces.
    pub service_name: String,
}
