//! Configuration: read once, validated as a whole, then passed on in parts.
//!
//! The environment takes precedence over `.env`. All problems are reported together, each with the variable,
//! the fault and an example.
//!
//! Only the crate `aponta-env` reads the environment. README and `.env.example` list the variables.

pub mod apontamentos;
pub mod auth;
pub mod azure_devops;
pub mod database;
#[cfg(test)]
mod env_tests;
pub mod http;
pub mod log;
#[cfg(test)]
mod secret_file_tests;
pub mod telemetry;
pub mod vault;

pub use crate::telemetry::{LogConfig, LogFormat, TraceConfig};
use std::fmt;

use aponta_env as env;
use aponta_env::Reader;
pub use aponta_env::{Env, Problem, Problems, SECRETS};
pub use apontamentos::{ApontamentosConfig, WhenUpstreamDown, WriteBackConfig};
pub use auth::{AdminEntry, AdminName, AuthConfig, AuthMode};
pub use azure_devops::{AzureDevOpsConfig, FreshTimes};
pub use database::{DatabaseConfig, Identifier, postgres_url};
pub use http::{HttpConfig, RateLimitConfig};
pub use telemetry::TelemetryConfig;
pub use vault::VaultConfig;

/// Configuration of `aponta serve`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Deployment environment of this process.
    pub environment: Environment,
    /// Listener, limits, CORS, rate limit.
    pub http: HttpConfig,
    /// Database connection and pool.
    pub database: DatabaseConfig,
    /// Azure DevOps organisations and limits of the client.
    pub azure_devops: AzureDevOpsConfig,
    /// Authentication and authorization.
    pub auth: AuthConfig,
    /// Keys of the PAT vault.
    pub vault: VaultConfig,
    /// Rules of time entries and of their write-back to Azure DevOps.
    pub apontamentos: ApontamentosConfig,
    /// Log format and filter.
    pub log: LogConfig,
    /// Metrics and traces.
    pub telemetry: TelemetryConfig,
    /// `true` if `aponta dev` inserts sample data into an empty database.
    pub seed_initial_data: bool,
}

impl Config {
    /// Reads and validates the whole configuration.
    ///
    /// # Errors
    /// All problems found, in the order in which the variables are read.
    pub fn load(env: &Env) -> Result<Self, Problems> {
        let mut reader = Reader::new(env);
        reader.check_files("");
        let environment = read_environment(&mut reader);
        let http = HttpConfig::read(&mut reader, environment);
        let database = DatabaseConfig::read(&mut reader, environment);
        let azure_devops = AzureDevOpsConfig::read(&mut reader, environment);
        let auth = AuthConfig::read(&mut reader, environment, &http, &azure_devops);
        let vault = VaultConfig::read(&mut reader, environment);
        let apontamentos = ApontamentosConfig::read(&mut reader, http.request_timeout);
        if apontamentos.outbox.budget >= http.request_timeout {
            reader.problem(
                "WRITEBACK_BUDGET",
                "leaves a request no time to answer: it must be shorter than API_REQUEST_TIMEOUT_SECONDS",
                "1.5",
            );
        }
        let log = log::read(&mut reader, environment);
        let telemetry = TelemetryConfig::read(&mut reader);
        let seed_initial_data = reader.boolean("SEED_INITIAL_DATA", true);
        reader.finish(Self {
            environment,
            http,
            database,
            azure_devops,
            auth,
            vault,
            apontamentos,
            log,
            telemetry,
            seed_initial_data,
        })
    }

    /// Reads only the settings of commands that do not serve requests: database and log.
    ///
    /// # Errors
    /// All problems found.
    pub fn load_database(env: &Env) -> Result<(DatabaseConfig, LogConfig), Problems> {
        let mut reader = Reader::new(env);
        reader.check_files("DATABASE_");
        let environment = read_environment(&mut reader);
        let database = DatabaseConfig::read(&mut reader, environment);
        let log = log::read(&mut reader, environment);
        reader.finish((database, log))
    }

    /// Reads only the settings of the HTTP server.
    ///
    /// # Errors
    /// All problems found.
    pub fn load_http(env: &Env) -> Result<HttpConfig, Problems> {
        let mut reader = Reader::new(env);
        let environment = read_environment(&mut reader);
        let http = HttpConfig::read(&mut reader, environment);
        reader.finish(http)
    }
}

/// Deployment environment of a process; `/health` reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine.
    Development,
    /// An automated test.
    Test,
    /// A pre-production system.
    Staging,
    /// Production: insecure settings are refused.
    Production,
}

impl Environment {
    /// Returns the value of `ENVIRONMENT`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        [Self::Development, Self::Test, Self::Staging, Self::Production]
            .into_iter()
            .find(|e| e.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| "is none of development, test, staging, production".to_owned())
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn read_environment(reader: &mut Reader<'_>) -> Environment {
    reader.parse(
        "ENVIRONMENT",
        Environment::Development,
        "production",
        Environment::parse,
    )
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_environment_lacks_a_database_and_an_organisation() {
        let problems = Config::load(&Env::from_pairs([])).unwrap_err();
        assert_eq!(problems.variables(), ["DATABASE_URL", "AZURE_DEVOPS_ORG_URL"]);
    }

    #[test]
    fn authentication_is_on_unless_switched_off() {
        let config = Config::load(&Env::from_pairs([
            ("DATABASE_HOST", "db"),
            ("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/contoso"),
        ]))
        .unwrap();
        assert_eq!(config.auth.mode, AuthMode::Required);
        assert_eq!(config.database.schema.as_str(), "api_aponta");
    }

    #[test]
    fn config_with_many_problems_lists_all() {
        let problems = Config::load(&Env::from_pairs([
            ("ENVIRONMENT", "prod"),
            ("API_PORT", "eighty"),
            ("CORS_ORIGINS", "*"),
            ("DATABASE_URL", "mysql://db/aponta"),
            ("DATABASE_SCHEMA", "api aponta; DROP"),
            ("AZURE_DEVOPS_ORG_URL", "contoso"),
            ("AUTH_ENABLED", "talvez"),
            ("TRUSTED_PROXIES", "10.0.0.0/99"),
            ("RATE_LIMIT_PER_SECOND", "0"),
            ("LOG_FORMAT", "xml"),
        ]))
        .unwrap_err();
        assert_eq!(
            problems.variables(),
            [
                "ENVIRONMENT",
                "API_PORT",
                "TRUSTED_PROXIES",
                "CORS_ORIGINS",
                "RATE_LIMIT_PER_SECOND",
                "DATABASE_URL",
                "DATABASE_SCHEMA",
                "AZURE_DEVOPS_ORG_URL",
                "AUTH_ENABLED",
                "LOG_FORMAT",
            ]
        );
    }
}
