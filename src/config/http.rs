//! Listener, limits, CORS and rate limit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

use super::Environment;
use super::env::{Reader, no_blank};

/// What the HTTP edge needs.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Memory in bytes that request bodies above 16 KiB share while they are read; beyond it 503.
    pub body_memory_bytes: usize,
    /// Most connections held open at once; further ones wait in the listener's queue.
    pub max_connections: usize,
    /// Most of them from one address (IPv6: from one /64); further ones are closed at once.
    pub max_connections_per_address: usize,
    /// How long a request may take in all.
    pub request_timeout: Duration,
    /// How long a client may take to send the head of a request; also how long an idle connection is kept.
    pub header_read_timeout: Duration,
    /// How long an answer may wait for its client to take more of it.
    pub write_timeout: Duration,
    /// How long readiness is red before the listener closes, so that balancers look away first.
    pub shutdown_delay: Duration,
    /// How long running requests may go on after the listener closed.
    pub shutdown_timeout: Duration,
    /// Networks whose `X-Forwarded-For` is believed, and whose connections are not counted by address.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<OriginPattern>,
    /// Lines that the requests of one address may write into the log in a second; 0 for no bound.
    pub log_requests_per_second: u32,
    /// `None` switches the limit off.
    pub rate_limit: Option<RateLimitConfig>,
    /// Whether `/docs`, `/redoc` and `/openapi.json` are served.
    pub docs_enabled: bool,
}

/// A token bucket per caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Requests a second that a caller may make for ever.
    pub per_second: NonZeroU32,
    /// Requests that a caller may make at once after a pause.
    pub burst: NonZeroU32,
}

/// Largest rate or burst that the limiter's arithmetic in nanoseconds keeps exact enough.
pub(crate) const RATE_MAX: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

/// More than the kernel gives a process.
const MOST_CONNECTIONS: usize = 1 << 20;

impl HttpConfig {
    pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Self {
        let host = reader.parse(
            "API_HOST",
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "127.0.0.1",
            parse_host,
        );
        let port = reader.number("API_PORT", 8000, 0, u16::MAX);
        Self {
            host,
            port,
            max_body_bytes: reader.number("API_MAX_BODY_BYTES", 1 << 20, 1_024, 1 << 26),
            body_memory_bytes: reader.number("API_BODY_MEMORY_BYTES", 1 << 24, 1 << 16, 1 << 32),
            max_connections: reader.number("API_MAX_CONNECTIONS", 16_384, 1, MOST_CONNECTIONS),
            max_connections_per_address: reader.number(
                "API_MAX_CONNECTIONS_PER_ADDRESS",
                256,
                1,
                MOST_CONNECTIONS,
            ),
            request_timeout: reader.seconds("API_REQUEST_TIMEOUT_SECONDS", 30, 1, 600),
            header_read_timeout: reader.seconds("API_HEADER_READ_TIMEOUT_SECONDS", 15, 1, 600),
            write_timeout: reader.seconds("API_WRITE_TIMEOUT_SECONDS", 30, 1, 600),
            shutdown_delay: reader.seconds("SHUTDOWN_DELAY_SECONDS", 2, 0, 120),
            shutdown_timeout: reader.seconds("SHUTDOWN_TIMEOUT_SECONDS", 30, 1, 600),
            trusted_proxies: reader.list(
                "TRUSTED_PROXIES",
                Vec::new(),
                "10.0.0.0/8,172.16.0.0/12",
                parse_network,
            ),
            cors_origins: reader.list(
                "CORS_ORIGINS",
                default_origins(environment),
                "https://dev.azure.com,https://*.gallerycdn.vsassets.io",
                OriginPattern::parse,
            ),
            log_requests_per_second: reader.number("LOG_REQUESTS_PER_SECOND", 100, 0, 1_000_000),
            rate_limit: read_rate_limit(reader),
            docs_enabled: reader.boolean("DOCS_ENABLED", true),
        }
    }

    /// Whether no other machine can connect.
    #[must_use]
    pub fn listens_on_loopback_only(&self) -> bool {
        self.host.is_loopback()
    }

    /// Where to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

fn read_rate_limit(reader: &mut Reader<'_>) -> Option<RateLimitConfig> {
    let one = NonZeroU32::MIN;
    let ten = NonZeroU32::new(10).unwrap_or(one);
    let twenty = NonZeroU32::new(20).unwrap_or(one);
    let enabled = reader.boolean("RATE_LIMIT_ENABLED", true);
    let per_second = reader.number("RATE_LIMIT_PER_SECOND", ten, one, RATE_MAX);
    let burst = reader.number("RATE_LIMIT_BURST", twenty, one, RATE_MAX);
    enabled.then_some(RateLimitConfig { per_second, burst })
}

fn parse_host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => text.parse().map_err(|_| "is not an IP address".to_owned()),
    }
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    no_blank(text)?;
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text} is neither an IP address nor a network"))
}

/// The origins of the extension, and on a developer's machine those of the usual dev servers.
fn default_origins(environment: Environment) -> Vec<OriginPattern> {
    let mut origins: Vec<String> = [
        "https://dev.azure.com",
        "https://*.dev.azure.com",
        "https://*.visualstudio.com",
        "https://*.gallerycdn.vsassets.io",
    ]
    .map(str::to_owned)
    .into();
    if environment == Environment::Development {
        for host in ["localhost", "127.0.0.1"] {
            origins.push(format!("http://{host}"));
            origins.extend([3000, 5000, 5002, 5173, 8082].map(|port| format!("http://{host}:{port}")));
        }
    }
    origins
        .iter()
        .filter_map(|text| OriginPattern::parse(text).ok())
        .collect()
}

/// An origin (RFC 6454), or one with `*.` in place of any number of sub-domain labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    /// `https://` or `http://`, and what must stand directly behind it unless `any_subdomain`.
    scheme: String,
    /// Host and port; for a wildcard the part behind `*`, with its dot.
    rest: String,
    any_subdomain: bool,
}

impl OriginPattern {
    /// Reads `scheme://host[:port]` or `scheme://*.host[:port]`.
    ///
    /// # Errors
    /// A phrase that says what is wrong. `*` and `null` are refused: credentials are allowed, so an open list
    /// would let every web page call with them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{text} {why}"));
        no_blank(text)?;
        let text = text.strip_suffix('/').unwrap_or(text);
        let Some((scheme, host)) = text.split_once("://") else {
            return wrong("is not scheme://host[:port]");
        };
        if scheme != "https" && scheme != "http" {
            return wrong("is neither https:// nor http://");
        }
        let (any_subdomain, rest) = match host.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') && rest[1..].contains('.') => (true, rest),
            Some(_) => return wrong("has a * that does not stand for sub-domains of a domain"),
            None => (false, host),
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if rest.is_empty() || !rest.chars().all(allowed) {
            return wrong("is not an origin (a scheme and a host, no path)");
        }
        Ok(Self {
            scheme: format!("{scheme}://"),
            rest: rest.to_ascii_lowercase(),
            any_subdomain,
        })
    }

    /// Whether a browser's `Origin` header falls under the pattern.
    #[must_use]
    pub fn matches(&self, origin: &str) -> bool {
        let Some(host) = origin.strip_prefix(self.scheme.as_str()) else {
            return false;
        };
        if !self.any_subdomain {
            return host == self.rest;
        }
        host.strip_suffix(self.rest.as_str()).is_some_and(|labels| {
            let label_ok =
                |l: &str| !l.is_empty() && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            labels.split('.').all(label_ok)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_sub_domains_only() {
        let pattern = OriginPattern::parse("https://*.gallerycdn.vsassets.io").unwrap();
        assert!(pattern.matches("https://sefaz-ceara.gallerycdn.vsassets.io"));
        assert!(pattern.matches("https://a.b.gallerycdn.vsassets.io"));
        for stranger in [
            "https://gallerycdn.vsassets.io",
            "https://.gallerycdn.vsassets.io",
            "https://evilgallerycdn.vsassets.io",
            "http://a.gallerycdn.vsassets.io",
            "https://a.gallerycdn.vsassets.io.evil.com",
            "https://evil.com/.gallerycdn.vsassets.io",
            "https://a.gallerycdn.vsassets.io:8443",
            "null",
        ] {
            assert!(!pattern.matches(stranger), "{stranger}");
        }
    }

    #[test]
    fn an_open_list_is_refused() {
        for text in [
            "*",
            "null",
            "https://*",
            "https://*.io",
            "ftp://a.b",
            "https://dev.azure.com/org",
            "https://",
        ] {
            assert!(OriginPattern::parse(text).is_err(), "{text}");
        }
        assert!(
            OriginPattern::parse("http://localhost:5173/")
                .unwrap()
                .matches("http://localhost:5173")
        );
    }
}
