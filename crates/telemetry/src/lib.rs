//! Log, metrics and traces. Each log line that is written during a request contains the request id.

mod config;
mod json;
mod lines;
mod log;
pub mod metrics;
pub mod request;
pub mod trace;

pub use config::{LogConfig, LogFormat, TraceConfig};
pub use lines::{ServerLog, lost as lines_lost};
pub use log::{init, init_server};
