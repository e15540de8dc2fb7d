//! Properties of the configuration for arbitrary environments.

use std::collections::BTreeMap;
use std::str::FromStr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::http::OriginPattern;
use super::*;
use crate::arbitrary;

/// Part of every secret value.
const CANARY: &str = "c4n4ry";

/// Variables with a secret, and values of a valid form; `{}` is the secret.
const SECRETS: [(&str, &str); 14] = [
    ("DATABASE_URL", "postgres://ana:{}@db/aponta"),
    ("DATABASE_URL", "{}"),
    ("DATABASE_READ_URL", "postgresql+psycopg2://ana:{}@db:x/aponta"),
    ("DATABASE_PASSWORD", "{}"),
    ("AZURE_DEVOPS_ORG_URL", "https://ana:{}@dev.azure.com/contoso"),
    ("AZURE_DEVOPS_PAT", "{}"),
    ("AZURE_DEVOPS_ORG_PATS", "contoso={}"),
    ("AZURE_DEVOPS_ORG_PATS", "contoso=x, fabrikam {}"),
    ("AZURE_EXTENSION_SECRETS", "{}"),
    (
        "AZURE_EXTENSION_SECRET",
        "{}0123456789012345678901234567890123456789",
    ),
    ("PAT_ENCRYPTION_KEY", "{}"),
    ("PAT_ENCRYPTION_KEYS", "{}"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "api-key={}"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://ana:{}@otel"),
];

/// Variables without secrets.
const PLAIN: [&str; 45] = [
    "ENVIRONMENT",
    "API_HOST",
    "API_PORT",
    "API_BODY_MEMORY_BYTES",
    "API_MAX_BODY_BYTES",
    "API_MAX_CONNECTIONS",
    "API_MAX_CONNECTIONS_PER_ADDRESS",
    "API_REQUEST_TIMEOUT_SECONDS",
    "API_WRITE_TIMEOUT_SECONDS",
    "SHUTDOWN_DELAY_SECONDS",
    "TRUSTED_PROXIES",
    "CORS_ORIGINS",
    "DOCS_ENABLED",
    "RATE_LIMIT_ENABLED",
    "RATE_LIMIT_PER_SECOND",
    "RATE_LIMIT_BURST",
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_NAME",
    "DATABASE_USER",
    "DATABASE_SCHEMA",
    "DATABASE_APPLICATION_NAME",
    "DATABASE_POOL_MAX",
    "DATABASE_POOL_MIN",
    "DATABASE_LOCK_TIMEOUT_MS",
    "AZURE_DEVOPS_BASE_URL",
    "AZURE_DEVOPS_IDENTITY_URL",
    "AZURE_DEVOPS_BACKGROUND_TIMEOUT_SECONDS",
    "AZURE_DEVOPS_CONCURRENCY",
    "AUTH_ENABLED",
    "ALLOW_INSECURE_AUTH",
    "AZURE_EXTENSION_APP_ID",
    "ADMIN_USERS",
    "ACTIVITY_WRITE_ROLE",
    "APP_TIMEZONE",
    "ENTRY_MAX_AGE_DAYS",
    "WORK_ITEM_TYPES",
    "WRITEBACK_MODE",
    "WRITEBACK_ORG_MODES",
    "WRITEBACK_BUDGET",
    "LOG_FORMAT",
    "LOG_REQUESTS_PER_SECOND",
    "RUST_LOG",
    "METRICS_ADDR",
    "OTEL_TRACES_SAMPLER_ARG",
];

/// Values that are valid for some variable.
const USUAL: [&str; 22] = [
    "production",
    "development",
    "true",
    "off",
    "0",
    "1",
    "8000",
    "99999999999999999999",
    "-1",
    "0.5",
    "NaN",
    "inf",
    "127.0.0.1",
    "::",
    "10.0.0.0/8,::1",
    "https://*.a.example",
    "http://tfs.example/tfs",
    "admin",
    "delta",
    "fabrikam=absolute",
    "America/Fortaleza",
    "info,aponta=debug",
];

fn environment() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let plain = (
        select(&PLAIN[..]),
        prop_oneof![3 => select(&USUAL[..]).prop_map(str::to_owned), 1 => arbitrary::text()],
    );
    let around = || arbitrary::text().prop_map(|text| text.replace([',', '\0'], ""));
    let secrets =
        (subsequence(&SECRETS[..], 0..=SECRETS.len()), around(), around()).prop_map(|(chosen, a, b)| {
            let secret = format!("{a}{CANARY}{b}");
            chosen
                .into_iter()
                .map(move |(name, form)| (name, form.replace("{}", &secret)))
                .collect::<Vec<_>>()
        });
    (prop::collection::vec(plain, 0..8), secrets)
        .prop_map(|(plain, secrets)| plain.into_iter().chain(secrets).collect())
}

proptest! {
    #[test]
    fn any_environment_never_panics_nor_prints_secrets(variables in environment()) {
        let env = Env::from_pairs(variables.iter().map(|(name, value)| (*name, value.as_str())));
        let printed = match Config::load(&env) {
            Ok(config) => {
                prop_assert!(config.database.pool_min <= config.database.pool_max);
                prop_assert!(config.database.lock_timeout < config.database.acquire_timeout);
                prop_assert!(config.auth.mode == AuthMode::Off || !config.azure_devops.client.organizacoes.is_empty());
                format!("{config:?}")
            }
            Err(problems) => {
                let required = ["DATABASE_URL", "AZURE_DEVOPS_ORG_URL", "DATABASE_POOL_MIN", "AUTH_ENABLED"];
                for name in problems.variables() {
                    prop_assert!(variables.contains_key(name) || required.contains(&name), "{}", name);
                }
                format!("{problems} {problems:?}")
            }
        };
        prop_assert!(!printed.to_lowercase().contains(CANARY), "{}", printed);
        // Reading only a part agrees with reading the whole configuration.
        if Config::load(&env).is_ok() {
            prop_assert!(Config::load_database(&env).is_ok() && Config::load_http(&env).is_ok());
        }
    }

    #[test]
    fn valid_configuration_prints_no_secret(
        secret in "[A-Za-z0-9]{34,40}",
        key: [u8; 32],
        plain in select(&["", "production"][..]),
    ) {
        use base64::Engine;
        let key = base64::engine::general_purpose::STANDARD.encode(key);
        let url = format!("postgres://ana:{secret}@db/aponta");
        let pats = format!("fabrikam={secret}, tailspin={secret}");
        let headers = format!("api-key={secret}");
        let config = Config::load(&Env::from_pairs([
            ("ENVIRONMENT", plain), ("DATABASE_URL", &url), ("DATABASE_READ_URL", &url),
            ("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/contoso"), ("AZURE_DEVOPS_PAT", &secret),
            ("AZURE_DEVOPS_ORG_PATS", &pats), ("AZURE_EXTENSION_SECRETS", &secret), ("AZURE_EXTENSION_SECRET", &secret),
            ("PAT_ENCRYPTION_KEY", &key), ("PAT_ENCRYPTION_KEYS", &key),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel"), ("OTEL_EXPORTER_OTLP_HEADERS", &headers),
        ])).unwrap();
        let printed = format!("{config:?}");
        prop_assert!(!printed.contains(&secret) && !printed.contains(&key), "{}", printed);
    }

    #[test]
    fn database_parts_give_their_own_address(
        user in arbitrary::text(), password in arbitrary::text(), name in arbitrary::text(), port in 1_u16..,
        host in select(&["db", "10.0.0.7", "[::1]", "/run/postgresql"][..]),
    ) {
        let [user, password, name] = [user, password, name].map(|text| {
            let text = text.replace('\0', "").trim().to_owned();
            // A blank value counts as unset; no database has the other names, and no URL can contain them.
            if ["", ".", ".."].contains(&text.as_str()) { "x".to_owned() } else { text }
        });
        let port_text = port.to_string();
        let env = Env::from_pairs([
            ("DATABASE_HOST", host), ("DATABASE_PORT", &port_text), ("DATABASE_USER", &user),
            ("DATABASE_PASSWORD", &password), ("DATABASE_NAME", &name),
        ]);
        let (database, _) = Config::load_database(&env).unwrap();
        let url = database.url.expose_secret();
        let options = PgConnectOptions::from_str(url).unwrap();
        prop_assert_eq!(options.get_username(), user);
        prop_assert_eq!(options.get_database(), Some(name.as_str()));
        if let Some(socket) = options.get_socket() {
            prop_assert_eq!(socket.to_str(), Some(host));
        } else {
            prop_assert_eq!((options.get_host(), options.get_port()), (host, port));
        }
        let encoded = Url::parse(url).unwrap().password().unwrap().replace('&', "%26").replace('+', "%2B");
        let query = format!("={encoded}");
        prop_assert_eq!(&form_urlencoded::parse(query.as_bytes()).next().unwrap().1, &password);
    }

    #[test]
    fn address_of_a_database_stays_one(
        text in prop_oneof![
            arbitrary::text(),
            ("postgres(ql)?(\\+[a-z0-9]{0,8})?", arbitrary::text())
                .prop_map(|(scheme, rest)| format!("{scheme}://{rest}")),
            ("postgresql(\\+psycopg2)?://([a-z]{1,5}(:[!-~]{0,9})?@)?[a-z.]{1,9}(:[0-9]{1,6})?/[a-z]{0,5}",
                "(\\?(sslmode|port|host|options|options\\[a\\]|user|x)=[a-z0-9/]{0,9})?")
                .prop_map(|(base, query)| base + &query),
        ],
    ) {
        if let Some(url) = postgres_url(&text) {
            prop_assert!(url.starts_with("postgres://") || url.starts_with("postgresql://"));
            prop_assert!(PgConnectOptions::from_str(&url).is_ok());
            prop_assert_eq!(postgres_url(&url), Some(url.clone()));
            prop_assert_eq!(url.split_once("://").unwrap().1, text.split_once("://").unwrap().1);
        }
    }

    /// Covers every notation: in the URL, percent-encoded, as a parameter, as a part.
    #[test]
    fn production_refuses_well_known_passwords(
        password in select(&["postgres", "password", "admin", "aponta", "changeme", "123456"][..]),
        encoded in any::<[bool; 8]>(),
        form in select(&[
            "postgres://ana:{}@db/x",
            "postgresql+asyncpg://ana:{}@db?sslmode=require",
            "postgres://ana:y@db/x?password={}",
        ][..]),
    ) {
        let written: String = password.chars().zip(encoded).map(|(c, encode)| {
            if encode { format!("%{:02X}", u32::from(c)) } else { c.to_string() }
        }).collect();
        let url = form.replace("{}", &written);
        let of = |pairs: &[(&str, &str)]| {
            let env = Env::from_pairs(pairs.iter().copied()).with("ENVIRONMENT", "production");
            Config::load_database(&env).is_err()
        };
        prop_assert!(of(&[("DATABASE_URL", &url)]), "{}", url);
        prop_assert!(of(&[("DATABASE_HOST", "db"), ("DATABASE_PASSWORD", password)]));
        let other = form.replace("{}", &format!("{written}-7"));
        prop_assert!(!of(&[("DATABASE_URL", &other)]), "{}", other);
    }

    #[test]
    fn identifier_needs_no_quotes(text in prop_oneof![arbitrary::text(), "[a-z_][a-z0-9_]{0,66}", "pg_[a-z]{0,3}"]) {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let expected = (1..=63).contains(&text.len())
            && text.chars().all(allowed)
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && !text.starts_with("pg_")
            && text != "information_schema";
        let found = Identifier::parse(&text);
        prop_assert_eq!(found.is_ok(), expected);
        prop_assert!(found.is_err() || found.unwrap().as_str() == text);
    }

    #[test]
    fn origin_that_matches_is_the_host_or_below_it(
        pattern in prop_oneof![
            arbitrary::text().prop_map(|rest| format!("https://{rest}")),
            "https?://(\\*\\.)?[a-z]{1,3}\\.[a-z]{1,3}(:[0-9]{2,4})?/?",
        ],
        labels in prop_oneof![arbitrary::text(), "([a-z0-9-]{1,4}\\.){0,3}", "evil\\.example[/@?#]"],
        origin in arbitrary::text(),
    ) {
        let Ok(parsed) = OriginPattern::parse(&pattern) else { return Ok(()) };
        let bare = pattern.strip_suffix('/').unwrap_or(&pattern).to_lowercase();
        let (scheme, host) = bare.split_once("://").unwrap();
        let below = host.strip_prefix("*.");
        for origin in [format!("{scheme}://{labels}{}", below.unwrap_or(host)), origin] {
            let matches = parsed.matches(&origin);
            prop_assert_eq!(below.is_none() && origin == bare, matches && below.is_none());
            if let (true, Some(domain)) = (matches, below) {
                let rest = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).unwrap();
                let labels = rest.strip_suffix(domain).and_then(|labels| labels.strip_suffix('.')).unwrap();
                prop_assert!(!labels.is_empty() && labels.chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'));
            }
        }
    }

    #[test]
    fn vault_key_is_32_bytes_in_any_spelling(
        key: [u8; 32],
        text in arbitrary::text(),
        other in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        use base64::Engine;
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
        for spelling in [STANDARD.encode(key), STANDARD_NO_PAD.encode(key), URL_SAFE.encode(key),
            URL_SAFE_NO_PAD.encode(key)] {
            prop_assert_eq!(vault::decode(&spelling), Ok(key));
        }
        prop_assert!(vault::decode(&text).is_err() || text.trim_end_matches('=').len() == 43);
        prop_assert_eq!(vault::decode(&STANDARD.encode(&other)).is_ok(), other.len() == 32);
    }
}
