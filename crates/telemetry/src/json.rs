//! JSON log lines: one flat object per event, with the fields of our enclosing spans at the top level.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_serde::fields::{AsMap, SerializeFieldMap};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::trace::{FOR_COLLECTOR, TARGET};

/// Formats events as JSON; requires that the fields of spans are formatted as JSON, too.
#[derive(Debug)]
pub(super) struct JsonLine;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    level: &'a str,
    #[serde(flatten)]
    event: SerializeFieldMap<'a, Event<'a>>,
    #[serde(flatten)]
    spans: Map<String, Value>,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut spans = Map::new();
        let around = ctx.event_scope().into_iter().flat_map(Scope::from_root);
        for span in around.filter(|span| span.metadata().target() == TARGET) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                let fields: Map<_, _> = serde_json::from_str(fields).map_err(|_| fmt::Error)?;
                spans.extend(fields);
            }
        }
        spans.retain(|name, _| !name.starts_with(FOR_COLLECTOR));
        let line = Line {
            timestamp: &timestamp,
            level: event.metadata().level().as_str(),
            event: event.field_map(),
            spans,
        };
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}
