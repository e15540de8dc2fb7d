//! Settings of the database connection and its pool.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::Environment;
use super::env::Reader;

/// Connection and pool settings. The pool and the server enforce the durations.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// URL of the database with its credentials.
    pub url: SecretString,
    /// URL of a replica for lists and reports.
    pub read_url: Option<SecretString>,
    /// Schema of all database objects of this service.
    pub schema: Identifier,
    /// Name shown in `pg_stat_activity`.
    pub application_name: String,
    /// Minimum number of connections, open even when idle.
    pub pool_min: u32,
    /// Maximum number of connections.
    pub pool_max: u32,
    /// Maximum time that a request waits for a free connection before the response 503.
    pub acquire_timeout: Duration,
    /// Timeout of one statement.
    pub statement_timeout: Duration,
    /// Maximum time that one statement waits for a lock; shorter than `acquire_timeout`.
    pub lock_timeout: Duration,
    /// Idle time after which a connection is pinged before use.
    pub idle_ping_after: Duration,
    /// Age at which a connection is replaced.
    pub max_lifetime: Duration,
    /// Maximum time that a starting server waits for the database.
    pub startup_timeout: Duration,
    /// `true` if `serve` applies migrations at start.
    pub auto_migrate: bool,
}

impl DatabaseConfig {
    pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Self {
        let url = read_url(reader, environment);
        let schema = reader.parse("DATABASE_SCHEMA", Identifier::default(), "api_aponta", |text| {
            // Role names contain the schema, and PostgreSQL truncates them at 63 bytes.
            let schema = Identifier::parse(text)?;
            (text.len() <= 48)
                .then_some(schema)
                .ok_or_else(|| "is longer than 48 characters".into())
        });
        let application_name = reader.parse("DATABASE_APPLICATION_NAME", "aponta".into(), "aponta", |text| {
            // PostgreSQL silently truncates longer names (NAMEDATALEN).
            if text.len() < 64 {
                Ok(text.to_owned())
            } else {
                Err("is longer than 63 bytes".into())
            }
        });
        let pool_max = reader.number("DATABASE_POOL_MAX", 10, 1, 500);
        // In production a cold pool would turn the first burst into a connection storm.
        let warm = if environment == Environment::Production {
            pool_max
        } else {
            1
        };
        let pool_min = reader.number("DATABASE_POOL_MIN", warm, 0, 500);
        if pool_min > pool_max {
            reader.problem(
                "DATABASE_POOL_MIN",
                "is larger than DATABASE_POOL_MAX",
                &pool_max.to_string(),
            );
        }
        let acquire_timeout = reader.millis("DATABASE_ACQUIRE_TIMEOUT_MS", 3_000, 100, 60_000);
        Self {
            url,
            read_url: read_replica_url(reader, environment),
            schema,
            application_name,
            pool_min,
            pool_max,
            lock_timeout: read_lock_timeout(reader, acquire_timeout),
            acquire_timeout,
            statement_timeout: reader.millis("DATABASE_STATEMENT_TIMEOUT_MS", 10_000, 100, 600_000),
            idle_ping_after: reader.seconds("DATABASE_IDLE_PING_SECONDS", 1, 0, 3_600),
            max_lifetime: reader.seconds("DATABASE_MAX_LIFETIME_SECONDS", 1_800, 10, 86_400),
            startup_timeout: reader.seconds("DATABASE_STARTUP_TIMEOUT_SECONDS", 30, 1, 600),
            auto_migrate: reader.boolean("AUTO_MIGRATE", true),
        }
    }
}

/// Reads the lock timeout, which is below the acquire timeout: statements that wait for one locked table
/// release their connections before requests for other tables time out. The default shrinks with a shortened
/// acquire timeout.
fn read_lock_timeout(reader: &mut Reader<'_>, acquire_timeout: Duration) -> Duration {
    let usual = LOCK_TIMEOUT.min(acquire_timeout * 2 / 3);
    let usual_millis = u64::try_from(usual.as_millis()).unwrap_or(u64::MAX);
    let lock_timeout = reader.millis("DATABASE_LOCK_TIMEOUT_MS", usual_millis, 10, 60_000);
    if lock_timeout >= acquire_timeout {
        reader.problem(
            "DATABASE_LOCK_TIMEOUT_MS",
            "is not smaller than DATABASE_ACQUIRE_TIMEOUT_MS",
            &usual_millis.to_string(),
        );
    }
    lock_timeout
}

impl DatabaseConfig {
    /// Returns the hosts of databases that are reached over a network although their URL does not require
    /// TLS.
    #[must_use]
    pub fn hosts_in_clear(&self) -> Vec<String> {
        let urls = std::iter::once(&self.url).chain(&self.read_url);
        let read = urls.filter_map(|url| PgConnectOptions::from_str(url.expose_secret()).ok());
        let in_clear = read.filter(|options| crosses_a_network(options) && !demands_tls(options));
        in_clear.map(|options| options.get_host().to_owned()).collect()
    }
}

/// Returns `true` if the host is on another machine. A name without a dot is this machine or a container on
/// it: the network of `docker-compose.yml` has no route to the outside.
fn crosses_a_network(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    let elsewhere = match host.parse::<IpAddr>() {
        Ok(address) => !address.is_loopback(),
        Err(_) => host.contains('.'),
    };
    options.get_socket().is_none() && elsewhere
}

/// Returns `true` if the URL requires TLS. The default, `prefer`, falls back to clear text if the server, or
/// an attacker in its place, offers no TLS.
fn demands_tls(options: &PgConnectOptions) -> bool {
    use PgSslMode::{Require, VerifyCa, VerifyFull};
    matches!(options.get_ssl_mode(), Require | VerifyCa | VerifyFull)
}

/// A PostgreSQL identifier that needs no quoting: `[a-z_][a-z0-9_]*`, at most 63 bytes, not `pg_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// Parses an identifier.
    ///
    /// # Errors
    /// A phrase that names the fault.
    pub fn parse(text: &str) -> Result<Self, String> {
        let first_ok = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let rest_ok = text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !first_ok || !rest_ok || text.len() > 63 {
            return Err("is not a lower-case identifier of at most 63 letters, digits and _".into());
        }
        if text.starts_with("pg_") || text == "information_schema" {
            return Err("names a schema of PostgreSQL itself".into());
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the identifier, which can be inserted into SQL without quoting.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Identifier {
    fn default() -> Self {
        Self("api_aponta".to_owned())
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Default lock timeout.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

const URL_EXAMPLE: &str = "postgres://aponta:secret@localhost:5432/aponta";

/// Passwords that scanners try first.
const WELL_KNOWN_PASSWORDS: [&str; 6] = ["postgres", "password", "admin", "aponta", "changeme", "123456"];

/// Reads `DATABASE_URL`, or builds a URL from `DATABASE_HOST`, `_PORT`, `_NAME`, `_USER`, `_PASSWORD`.
fn read_url(reader: &mut Reader<'_>, environment: Environment) -> SecretString {
    // Validated even if unused, because a wrong value is always a mistake.
    let port: u16 = reader.number("DATABASE_PORT", 5432, 1, u16::MAX);
    let (variable, url) = if let Some(url) = reader.get("DATABASE_URL") {
        ("DATABASE_URL", without_driver(url))
    } else if let Some(host) = reader.get("DATABASE_HOST") {
        ("DATABASE_HOST", url_from_parts(reader, host, port))
    } else {
        if !reader.is_given("DATABASE_URL") {
            reader.problem(
                "DATABASE_URL",
                "is required (or DATABASE_HOST and its companions)",
                URL_EXAMPLE,
            );
        }
        return SecretString::default();
    };
    check_url(reader, variable, &url, environment);
    SecretString::from(url)
}

fn read_replica_url(reader: &mut Reader<'_>, environment: Environment) -> Option<SecretString> {
    let url = without_driver(reader.get("DATABASE_READ_URL")?);
    check_url(reader, "DATABASE_READ_URL", &url, environment);
    Some(SecretString::from(url))
}

fn check_url(reader: &mut Reader<'_>, variable: &'static str, url: &str, environment: Environment) {
    if !is_postgres_url(url) {
        reader.problem(
            variable,
            "is not an address of a PostgreSQL database",
            URL_EXAMPLE,
        );
    }
    if environment == Environment::Production && has_well_known_password(url) {
        reader.problem(variable, "has a well-known default password", URL_EXAMPLE);
    }
}

/// Returns `true` if the text is the URL of a PostgreSQL database.
fn is_postgres_url(url: &str) -> bool {
    let scheme_ok = url.starts_with("postgres://") || url.starts_with("postgresql://");
    scheme_ok && PgConnectOptions::from_str(url).is_ok()
}

/// Normalizes a database URL to the form that sqlx accepts, without the driver that `SQLAlchemy` adds.
/// Returns `None` if the text is not the URL of a PostgreSQL database.
#[must_use]
pub fn postgres_url(url: &str) -> Option<String> {
    Some(without_driver(url)).filter(|url| is_postgres_url(url))
}

/// Removes the driver from a URL written for SQLAlchemy: `postgresql+psycopg2://`.
fn without_driver(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.starts_with("postgresql+") => format!("postgresql://{rest}"),
        _ => url.to_owned(),
    }
}

fn url_from_parts(reader: &Reader<'_>, host: &str, port: u16) -> String {
    let encode = |text: &str| {
        form_urlencoded::byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
    };
    let user = encode(reader.get("DATABASE_USER").unwrap_or("postgres"));
    let name = encode(reader.get("DATABASE_NAME").unwrap_or("aponta_db"));
    let password = reader
        .get("DATABASE_PASSWORD")
        .map(|p| format!(":{}", encode(p)))
        .unwrap_or_default();
    if host.starts_with('/') {
        let host = encode(host);
        return format!("postgres://{user}{password}@localhost:{port}/{name}?host={host}");
    }
    format!("postgres://{user}{password}@{host}:{port}/{name}")
}

fn has_well_known_password(url: &str) -> bool {
    // The driver also reads percent-encoded passwords and those among the parameters; its `to_url_lossy`
    // encodes no letter and no digit. The other parts are replaced, because it cannot write all of them.
    let plain = |options: PgConnectOptions| options.host("db").username("x").database("x").to_url_lossy();
    let read = PgConnectOptions::from_str(url).map(plain);
    read.is_ok_and(|url| url.password().is_some_and(|p| WELL_KNOWN_PASSWORDS.contains(&p)))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Env};
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<DatabaseConfig, super::super::Problems> {
        Config::load_database(&Env::from_pairs(pairs.iter().copied())).map(|(database, _)| database)
    }

    #[test]
    fn parts_and_url_give_the_same_address() {
        let parts = load(&[
            ("DATABASE_HOST", "db"),
            ("DATABASE_PORT", "6543"),
            ("DATABASE_USER", "ana"),
            ("DATABASE_PASSWORD", "p@ss/wörd +1"),
            ("DATABASE_NAME", "gestao"),
        ])
        .unwrap();
        let options = PgConnectOptions::from_str(parts.url.expose_secret()).unwrap();
        assert_eq!(options.get_host(), "db");
        assert_eq!(options.get_port(), 6543);
        assert_eq!(options.get_username(), "ana");
        assert_eq!(options.get_database(), Some("gestao"));
        assert!(parts.url.expose_secret().contains("p%40ss%2Fw%C3%B6rd%20%2B1"));
    }

    #[test]
    fn sqlalchemy_address_is_parsed() {
        let database = load(&[("DATABASE_URL", "postgresql+psycopg2://ana:x@db/gestao")]).unwrap();
        let options = PgConnectOptions::from_str(database.url.expose_secret()).unwrap();
        assert_eq!(options.get_host(), "db");
    }

    #[test]
    fn production_refuses_the_default_password() {
        let problems = load(&[
            ("ENVIRONMENT", "production"),
            ("DATABASE_URL", "postgres://postgres:postgres@db/a"),
        ])
        .unwrap_err();
        assert_eq!(problems.variables(), ["DATABASE_URL"]);
        assert!(!problems.to_string().contains("postgres:postgres"));
        for url in [
            "postgres://ana:%70ostgres@db/a",
            "postgres://ana@db/a?password=postgres",
        ] {
            let production = ("ENVIRONMENT", "production");
            assert!(load(&[production, ("DATABASE_URL", url)]).is_err(), "{url}");
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let database = load(&[("DATABASE_URL", "postgres://ana:hunter2@db/a")]).unwrap();
        assert!(!format!("{database:?}").contains("hunter2"));
    }

    #[test]
    fn address_in_a_network_without_tls_is_in_clear() {
        for (url, in_clear) in [
            ("postgres://ana@db.example/a", true),
            ("postgres://ana@10.0.0.7/a?sslmode=prefer", true),
            ("postgres://ana@[2001:db8::7]/a?sslmode=disable", true),
            ("postgres://ana@db.example/a?sslmode=require", false),
            ("postgres://ana@db.example/a?sslmode=verify-full", false),
            ("postgres://ana@postgres/a", false),
            ("postgres://ana@localhost/a", false),
            ("postgres://ana@127.0.0.1/a", false),
            ("postgres://ana@[::1]/a", false),
            ("postgres://ana@db.example/a?host=/run/postgresql", false),
        ] {
            let hosts = |pairs: &[(&str, &str)]| load(pairs).unwrap().hosts_in_clear().len();
            let primary = hosts(&[("DATABASE_URL", url)]);
            let replica = hosts(&[("DATABASE_HOST", "db"), ("DATABASE_READ_URL", url)]);
            assert_eq!((primary, replica), (in_clear.into(), in_clear.into()), "{url}");
        }
    }

    #[test]
    fn lock_timeout_not_below_acquire_timeout_is_refused() {
        let url = ("DATABASE_URL", "postgres://ana@db/a");
        let lock_timeout = |more: &[(&str, &str)]| load(&[&[url], more].concat()).map(|d| d.lock_timeout);
        let acquire = "DATABASE_ACQUIRE_TIMEOUT_MS";
        let lock = "DATABASE_LOCK_TIMEOUT_MS";
        assert_eq!(lock_timeout(&[]).unwrap(), Duration::from_secs(2));
        assert_eq!(
            lock_timeout(&[(lock, "2999")]).unwrap(),
            Duration::from_millis(2_999)
        );
        assert_eq!(
            lock_timeout(&[(acquire, "600")]).unwrap(),
            Duration::from_millis(400)
        );
        assert_eq!(
            lock_timeout(&[(acquire, "9000")]).unwrap(),
            Duration::from_secs(2)
        );
        for pairs in [&[(lock, "3000")][..], &[(acquire, "500"), (lock, "500")]] {
            let problems = lock_timeout(pairs).unwrap_err();
            assert_eq!(problems.variables(), [lock], "{pairs:?}");
        }
    }

    #[test]
    fn schema_name_is_an_identifier() {
        for good in ["api_aponta", "_x", "a1"] {
            assert!(Identifier::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "1a",
            "Api",
            "a-b",
            "a\"b",
            "pg_temp",
            "information_schema",
            &"a".repeat(64),
        ] {
            assert!(Identifier::parse(bad).is_err(), "{bad}");
        }
    }
}
