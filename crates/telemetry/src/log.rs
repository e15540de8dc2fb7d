//! Set-up of the log: output, format and filter. Each line that is written during a request contains its id.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{JsonFields, debug_fn};
use tracing_subscriber::fmt::{self, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

use crate::json::JsonLine;
use crate::lines::ServerLog;
use crate::trace::{Exporter, FOR_COLLECTOR};
use crate::{LogConfig, LogFormat};

/// Targets added to `RUST_LOG`. Our spans stay enabled, because log lines take the request id from them. A
/// module of sqlx is disabled, because it logs unknown parameters of the database address with their values.
const FIXED_TARGETS: [(&str, LevelFilter); 2] = [
    ("aponta::spans", LevelFilter::INFO),
    ("sqlx_postgres::options::parse", LevelFilter::OFF),
];

/// Starts logging as [`init`] does, for a server: no request waits for standard output. Spans are sent to the
/// exporter, if there is one.
#[must_use]
pub fn init_server(config: &LogConfig, exporter: Option<&Exporter>) -> ServerLog {
    let (lines, log) = ServerLog::start();
    start(subscriber(config, lines, exporter));
    log
}

/// Starts logging to standard output and logs panics. Only the first call in a process has an effect.
pub fn init(config: &LogConfig) {
    start(subscriber(config, std::io::stdout, None));
}

fn start(subscriber: impl Subscriber + Send + Sync) {
    if subscriber.try_init().is_ok() {
        log_panics();
    }
}

fn subscriber<W>(
    config: &LogConfig,
    writer: W,
    exporter: Option<&Exporter>,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let all = || Targets::new().with_default(LevelFilter::INFO);
    let filter: Targets = config.filter.parse().unwrap_or_else(|_| all());
    let filter = filter.with_targets(FIXED_TARGETS);
    let lines = fmt::layer().with_writer(writer);
    let lines = match config.format {
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(JsonLine).boxed(),
        LogFormat::Text => {
            let color = std::io::stdout().is_terminal();
            let lines = lines.compact().with_target(false).with_ansi(color);
            lines.fmt_fields(text_fields()).boxed()
        }
    };
    registry()
        .with(filter)
        .with(exporter.map(Exporter::layer))
        .with(lines)
}

/// Returns the default format of fields, without the fields for the collector and those of the crate `log`.
fn text_fields() -> impl for<'a> FormatFields<'a> + Send + Sync + 'static {
    let fields = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if name.starts_with(FOR_COLLECTOR) || name.starts_with("log.") => Ok(()),
        name => write!(writer, "{name}={value:?}"),
    });
    fields.delimited(" ")
}

fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string);
        let message = info.payload_as_str().unwrap_or("(no message)");
        tracing::error!(location, message, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::IpAddr;
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use opentelemetry::Context;
    use tracing::Instrument;

    use super::*;
    use crate::request::{self, RequestContext};
    use crate::trace;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// Returns the log lines written before a request, in the request and in a task of the request.
    async fn logged(filter: &str, format: LogFormat) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let config = LogConfig {
            filter: filter.to_owned(),
            format,
        };
        let subscriber = subscriber(&config, move || writer.clone(), None);
        let _guard = tracing::subscriber::set_default(subscriber);
        let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01").parse().unwrap();
        let headers = [("traceparent".parse().unwrap(), traceparent)]
            .into_iter()
            .collect();
        let parent: Context = trace::parent(&headers);
        let span = trace::of_request("r-1", "GET", "/{id}", &parent);
        let context = RequestContext {
            id: "r-1".into(),
            parent,
            network: IpAddr::from([127, 0, 0, 1]),
            deadline: Instant::now(),
            caller: Arc::default(),
            stale: Arc::default(),
        };
        tracing::warn!("before");
        let work = async {
            // A line break in a value must not break the line.
            tracing::warn!(text = "a\nb\"}", "during");
            let task = request::inherit(async { tracing::warn!("beside") });
            tokio::spawn(task).await.unwrap();
        };
        request::scope(context, work.instrument(span)).await;
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[tokio::test]
    async fn json_lines_stay_json_and_name_the_request() {
        for filter in ["info", "warn", "aponta_telemetry=warn"] {
            let text = logged(filter, LogFormat::Json).await;
            let lines: Vec<serde_json::Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            assert_eq!(lines.len(), 3, "{text}");
            assert_eq!(lines[0].get("request_id"), None);
            assert_eq!(
                (&lines[1]["text"], &lines[1]["message"]),
                (&"a\nb\"}".into(), &"during".into())
            );
            for line in &lines[1..] {
                let keys = ["request_id", "method", "route", "trace_id", "level"];
                let values = keys.map(|key| line[key].as_str().unwrap());
                assert_eq!(values, ["r-1", "GET", "/{id}", TRACE, "WARN"]);
                assert_eq!(line.get("otel.kind"), None);
            }
        }
    }

    #[tokio::test]
    async fn text_lines_name_the_request() {
        let text = logged("info", LogFormat::Text).await;
        let lines: Vec<&str> = text.lines().collect();
        assert!(!lines[0].contains("r-1"), "{text}");
        for line in &lines[1..] {
            for part in ["request_id=r-1", "method=GET", "route=/{id}", TRACE] {
                assert!(line.contains(part), "{text}");
            }
            assert!(!line.contains("otel"), "{text}");
        }
    }
}
