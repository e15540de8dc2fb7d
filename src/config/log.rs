//! Settings of the log: format and filter.

use crate::telemetry::{LogConfig, LogFormat};
use tracing_subscriber::filter::Targets;

use super::Environment;
use super::env::Reader;

/// Reads the settings of the log.
pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> LogConfig {
    let default = if environment == Environment::Production {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    let format = reader.parse("LOG_FORMAT", default, "json", |text| match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("is neither json nor text".to_owned()),
    });
    let debug = reader.boolean("API_DEBUG", false);
    let level = if debug { "info,aponta=debug" } else { "info" };
    let filter = reader.parse("RUST_LOG", level.to_owned(), "info,aponta=debug", |text| {
        text.parse::<Targets>()
            .map(|_| text.to_owned())
            .map_err(|e| format!("is not a log filter: {e}"))
    });
    LogConfig { format, filter }
}
