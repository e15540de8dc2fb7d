//! The application in process: router, database, no socket.

use aponta::app::App;
use aponta::config::{Config, Env};
use azure_devops_fake::FakeAzure;
use serde_json::Value;
use sqlx::PgPool;

use super::client::{Reply, Request};
use super::database::TestDatabase;
use super::pooler;

/// An application over a database of its own: authentication off, rate limit off, unless a test says
/// otherwise.
pub struct TestApp {
    service: axum::Router,
    pub app: App,
    /// For looking at tables and for preparing rows.
    pub pool: PgPool,
    env: Env,
    /// `None`: that of another person.
    _database: Option<TestDatabase>,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with([]).await
    }

    /// With these variables besides.
    pub async fn with<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let database = TestDatabase::new().await;
        let env = environment(&database.url, variables);
        let app = App::new(&Config::load(&env).unwrap()).unwrap();
        Self {
            service: app.service.clone(),
            app,
            pool: database.pool().await,
            env,
            _database: Some(database),
        }
    }

    /// Over this Azure DevOps, whose `contoso` is the default organisation; authentication on, waits short.
    pub async fn over<'a>(
        azure: &FakeAzure,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let quick = [
            ("AZURE_DEVOPS_CONNECT_TIMEOUT_MS", "500"),
            ("AZURE_DEVOPS_TIMEOUT_MS", "800"),
            ("AZURE_DEVOPS_BREAKER_OPEN_MS", "100"),
        ];
        let mut all: Vec<(String, String)> = Vec::new();
        all.extend(
            azure
                .variables("contoso")
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let variables: Vec<(&str, &str)> = variables.into_iter().collect();
        // Background work must not be less patient than a test lets people be.
        let own_patience = variables
            .iter()
            .any(|(name, _)| *name == "AZURE_DEVOPS_TIMEOUT_MS");
        let background = (!own_patience).then_some(("AZURE_DEVOPS_BACKGROUND_TIMEOUT_SECONDS", "1"));
        let others = quick.into_iter().chain(background).chain(variables);
        all.extend(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self::with(all.iter().map(|(name, value)| (name.as_str(), value.as_str()))).await
    }

    /// Another process over the same database, configured alike.
    pub fn replica(&self) -> Self {
        self.replica_from(self.env.clone())
    }

    /// The same, but for one variable.
    pub fn replica_with(&self, name: &str, value: &str) -> Self {
        self.replica_from(self.env.clone().with(name, value))
    }

    /// The same with these variables instead.
    pub fn replica_as(&self, variables: &[(&str, &str)]) -> Self {
        let env = variables
            .iter()
            .fold(self.env.clone(), |env, (name, value)| env.with(name, *value));
        self.replica_from(env)
    }

    /// The same, after this change of its configuration.
    pub fn replica_after(&self, edit: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::load(&self.env).unwrap();
        edit(&mut config);
        self.replica_of(self.env.clone(), &config)
    }

    fn replica_from(&self, env: Env) -> Self {
        let config = Config::load(&env).unwrap();
        self.replica_of(env, &config)
    }

    fn replica_of(&self, env: Env, config: &Config) -> Self {
        let app = App::new(config).unwrap();
        Self {
            service: app.service.clone(),
            app,
            pool: self.pool.clone(),
            env,
            _database: None,
        }
    }

    /// Where its database is.
    pub fn database_url(&self) -> &str {
        self.env.get("DATABASE_URL").unwrap()
    }

    /// `GET` with `Authorization: Bearer`.
    pub async fn get_as(&self, token: &str, path: &str) -> Reply {
        self.send(Request::get(path).bearer(token)).await
    }

    pub async fn send(&self, request: Request) -> Reply {
        request.send_to(self.service.clone()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Request::post(path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Request::put(path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Request::delete(path)).await
    }
}

/// Authentication on, over an Azure DevOps that cannot be reached.
pub const AUTH_ON: [(&str, &str); 2] = [
    ("AUTH_ENABLED", "true"),
    ("AZURE_DEVOPS_ORG_URL", "http://127.0.0.1:1/contoso"),
];

/// The configuration of a test server over the database at `url`.
pub fn config<'a>(url: &str, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Config {
    Config::load(&environment(url, variables)).unwrap()
}

fn environment<'a>(url: &str, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Env {
    let mut env = Env::from_pairs([
        ("ENVIRONMENT", "test"),
        ("API_HOST", "127.0.0.1"),
        ("API_PORT", "0"),
        ("AUTH_ENABLED", "false"),
        ("RATE_LIMIT_ENABLED", "false"),
        ("DATABASE_POOL_MAX", "4"),
        ("SHUTDOWN_DELAY_SECONDS", "0"),
        // Days in tests are dates that grow old.
        ("ENTRY_MAX_AGE_DAYS", "36500"),
    ])
    .with("DATABASE_URL", url);
    for (name, value) in variables {
        env = env.with(name, value);
    }
    // The pooler tells all connections of the one schema that it knows.
    match env.get("DATABASE_SCHEMA") {
        Some(_) => env,
        None => env.with("DATABASE_URL", pooler::through_pooler(url)),
    }
}
