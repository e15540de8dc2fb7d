//! Settings of telemetry: the address of the metrics endpoint, and the collector of traces.

use std::net::{Ipv4Addr, SocketAddr};

use secrecy::SecretString;
use url::Url;

use super::env::Reader;
use crate::telemetry::TraceConfig;

/// Port that OpenTelemetry assigns to Prometheus exporters.
const METRICS_PORT: u16 = 9464;

/// Metrics and traces.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// Address of the metrics endpoint; `None`: off.
    pub metrics: Option<SocketAddr>,
    /// `true` if the operator set the address: a port in use is then an error, and not just a second process.
    pub metrics_chosen: bool,
    /// Trace export; `None`: off.
    pub traces: Option<TraceConfig>,
}

impl TelemetryConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, METRICS_PORT));
        let example = "127.0.0.1:9464, or off";
        let metrics = reader.parse("METRICS_ADDR", Some(loopback), example, |text| match text {
            "off" => Ok(None),
            _ => text
                .parse()
                .map(Some)
                .map_err(|_| "is neither an IP address with a port nor off".to_owned()),
        });
        let sample_ratio = reader.parse("OTEL_TRACES_SAMPLER_ARG", 1.0, "0.1", |text| {
            text.parse()
                .ok()
                .filter(|ratio| (0.0..=1.0).contains(ratio))
                .ok_or_else(|| "is not a number from 0 to 1".to_owned())
        });
        let service_name = reader.get("OTEL_SERVICE_NAME").unwrap_or("aponta").to_owned();
        let headers = reader.get("OTEL_EXPORTER_OTLP_HEADERS").map(SecretString::from);
        let endpoint = reader.parse(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            None,
            "http://localhost:4318",
            |text| parse_endpoint(text).map(Some),
        );
        Self {
            metrics,
            metrics_chosen: reader.get("METRICS_ADDR").is_some(),
            traces: endpoint.map(|endpoint| TraceConfig {
                endpoint,
                headers,
                sample_ratio,
                service_name,
            }),
        }
    }
}

/// Derives the URL of traces from that of the collector (OTLP exporter specification).
fn parse_endpoint(text: &str) -> Result<Url, String> {
    let wrong = || "is not the http:// or https:// address of a collector".to_owned();
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    if text.contains('@') {
        return Err(
            "holds a user or a password; OTEL_EXPORTER_OTLP_HEADERS is the place for those".to_owned(),
        );
    }
    url.path_segments_mut()
        .map_err(|()| wrong())?
        .pop_if_empty()
        .extend(["v1", "traces"]);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::super::Env;
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<TelemetryConfig, super::super::Problems> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = TelemetryConfig::read(&mut reader);
        reader.finish(config)
    }

    #[test]
    fn metrics_listen_on_loopback_by_default() {
        let metrics = |pairs: &[_]| read(pairs).unwrap().metrics.map(|addr| addr.to_string());
        assert_eq!(metrics(&[]).as_deref(), Some("127.0.0.1:9464"));
        assert_eq!(metrics(&[("METRICS_ADDR", "off")]), None);
        assert_eq!(
            metrics(&[("METRICS_ADDR", "[::]:9000")]).as_deref(),
            Some("[::]:9000")
        );
    }

    #[test]
    fn traces_go_below_the_address_of_the_collector() {
        let endpoint = |text| {
            let config = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", text)]).unwrap();
            config.traces.unwrap().endpoint.to_string()
        };
        assert_eq!(endpoint("http://otel:4318"), "http://otel:4318/v1/traces");
        assert_eq!(endpoint("https://otel/tenant/"), "https://otel/tenant/v1/traces");
        assert!(read(&[]).unwrap().traces.is_none());
    }

    #[test]
    fn invalid_endpoint_is_named() {
        let problems = read(&[
            ("METRICS_ADDR", "9464"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel:4317"),
        ])
        .unwrap_err();
        assert_eq!(
            problems.variables(),
            [
                "METRICS_ADDR",
                "OTEL_TRACES_SAMPLER_ARG",
                "OTEL_EXPORTER_OTLP_ENDPOINT"
            ]
        );
    }

    #[test]
    fn collector_key_is_not_printed() {
        let config = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2"),
        ]);
        assert!(!format!("{config:?}").contains("hunter2"));
        // A URL may be printed, so that a password in it must not be quoted.
        let problems = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://ana:hunter2@otel")]).unwrap_err();
        assert!(!problems.to_string().contains("hunter2"));
    }
}
