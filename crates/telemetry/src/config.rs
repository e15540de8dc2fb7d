//! Settings of the log and of traces.

use secrecy::SecretString;
use url::Url;

/// Shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Log settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Shape of lines.
    pub format: LogFormat,
    /// Directives of `RUST_LOG`.
    pub filter: String,
}

/// A collector of traces that speaks OTLP over HTTP.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// Address that spans are posted to.
    pub endpoint: Url,
    /// Headers for the collector, which may hold its key: `name=value,name=value`.
    pub headers: Option<SecretString>,
    /// Share of the requests that begin a trace here, 0 to 1. A caller with a trace has decided already.
    pub sample_ratio: f64,
    /// Name of the service in traces.
    pub service_name: String,
}
