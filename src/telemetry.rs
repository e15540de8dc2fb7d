//! Where log lines go and what they look like: every line that is written while a request runs bears its id. What is measured
//! stands in [`metrics`], what is traced in [`trace`].

mod lines;
pub mod metrics;
pub mod request;
pub mod trace;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{MakeWriter, format};

use crate::config::{LogConfig, LogFormat};
pub use lines::{ServerLog, lost as lines_lost};
use request::WithRequest;

/// sqlx logs the parameters of a database's address that it does not know, values and all: a mistyped `password` among them.
const TELLS_SECRETS: &str = "sqlx_postgres::options::parse=off";

/// Starts logging as [`init`] does, for a process that logs every request: no request waits for standard output.
#[must_use]
pub fn init_server(config: &LogConfig) -> ServerLog {
    let (lines, log) = ServerLog::start();
    start(config, lines);
    log
}

/// Starts logging to standard output and makes panics log lines. The first call of a process counts.
pub fn init(config: &LogConfig) {
    start(config, std::io::stdout);
}

fn start(config: &LogConfig, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let mut filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    if let Ok(silence) = TELLS_SECRETS.parse() {
        filter = filter.add_directive(silence);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    let started = match config.format {
        LogFormat::Json => {
            let inner = format()
                .json()
                .with_target(false)
                .flatten_event(true)
                .with_current_span(false);
            builder
                .json()
                .event_format(WithRequest::new(inner, config.format))
                .try_init()
        }
        LogFormat::Text => {
            let color = std::io::stdout().is_terminal();
            let inner = format().compact().with_target(false).with_ansi(color);
            builder
                .with_ansi(color)
                .event_format(WithRequest::new(inner, config.format))
                .try_init()
        }
    };
    if started.is_ok() {
        log_panics();
    }
}

fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string);
        let message = info.payload_as_str().unwrap_or("(no message)");
        tracing::error!(location, message, "panic");
    }));
}
