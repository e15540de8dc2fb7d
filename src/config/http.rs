//! Listener, limits, CORS and rate limit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

use super::Environment;
use super::env::{Reader, no_blank};

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 chooses a free one.
    pub port: u16,
    /// Maximum size of a request body, in bytes.
    pub max_body_bytes: usize,
    /// Memory, in bytes, shared by request bodies above 16 KiB while they are read; bodies beyond it get 503.
    pub body_memory_bytes: usize,
    /// Maximum number of open connections; further ones wait in the listener's queue.
    pub max_connections: usize,
    /// Maximum number of connections per address (IPv6: per /64); further ones are closed at once.
    pub max_connections_per_address: usize,
    /// Timeout of a request.
    pub request_timeout: Duration,
    /// Timeout of reading a request's head, and of an idle connection.
    pub header_read_timeout: Duration,
    /// Timeout of a write to a client that does not read the response.
    pub write_timeout: Duration,
    /// Time between failing readiness and closing the listener, so that load balancers stop routing first.
    pub shutdown_delay: Duration,
    /// Maximum time that in-flight requests may run after the listener closed.
    pub shutdown_timeout: Duration,
    /// Networks whose `X-Forwarded-For` is trusted, and whose connections are not counted by address.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins that are allowed by CORS.
    pub cors_origins: Vec<OriginPattern>,
    /// Maximum number of log lines per second for the requests of one address; 0: no limit.
    pub log_requests_per_second: u32,
    /// Rate limit per caller; `None`: off.
    pub rate_limit: Option<RateLimitConfig>,
    /// `true` if `/docs`, `/redoc`, `/openapi.json` and `/openapi-3.0.json` are served.
    pub docs_enabled: bool,
}

/// Token bucket per caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Sustained requests per second.
    pub per_second: NonZeroU32,
    /// Maximum burst after an idle period, in requests.
    pub burst: NonZeroU32,
}

/// Maximum rate and burst for which the limiter's arithmetic in nanoseconds is exact enough.
pub(crate) const RATE_MAX: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

/// Maximum of `API_MAX_CONNECTIONS`; above the kernel's limit per process.
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

    /// Returns `true` if no other machine can connect.
    #[must_use]
    pub fn listens_on_loopback_only(&self) -> bool {
        self.host.is_loopback()
    }

    /// Returns the socket address to listen on.
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

/// Returns the origins of the extension and, in development, those of common dev servers.
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

/// An origin (RFC 6454), or a pattern with `*.` in place of any number of sub-domain labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    /// `https://` or `http://`.
    scheme: String,
    /// Host and port; for a wildcard the part after `*`, including its dot.
    rest: String,
    any_subdomain: bool,
}

impl OriginPattern {
    /// Parses `scheme://host[:port]` or `scheme://*.host[:port]`.
    ///
    /// # Errors
    /// A phrase that names the fault. `*` and `null` are refused: credentials are allowed, so an open list
    /// would let every web page send them.
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

    /// Returns `true` if a browser's `Origin` header matches the pattern.
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
    fn open_list_is_refused() {
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
