//! The application in process: router, database, no socket.

use aponta::app::App;
use aponta::config::{Config, Env};
use axum::Router;
use serde_json::Value;
use sqlx::PgPool;

use super::client::{Reply, Request};
use super::database::TestDatabase;

/// An application over a database of its own: authentication off, rate limit off, unless a test says otherwise.
#[derive(Debug)]
pub struct TestApp {
    router: Router,
    pub app: App,
    /// For looking at tables and for preparing rows.
    pub pool: PgPool,
    _database: TestDatabase,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with([]).await
    }

    /// With these variables besides.
    pub async fn with<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let database = TestDatabase::new().await;
        let app = App::new(&config(&database.url, variables)).unwrap();
        Self {
            router: app.router.clone(),
            app,
            pool: database.pool().await,
            _database: database,
        }
    }

    pub async fn send(&self, request: Request) -> Reply {
        request.send_to(self.router.clone()).await
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

/// The configuration of a test server over the database at `url`.
pub fn config<'a>(url: &str, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Config {
    let mut env = Env::from_pairs([
        ("ENVIRONMENT", "test"),
        ("API_HOST", "127.0.0.1"),
        ("API_PORT", "0"),
        ("AUTH_ENABLED", "false"),
        ("RATE_LIMIT_ENABLED", "false"),
        ("DATABASE_POOL_MAX", "4"),
        ("SHUTDOWN_DELAY_SECONDS", "0"),
    ])
    .with("DATABASE_URL", url);
    for (name, value) in variables {
        env = env.with(name, value);
    }
    Config::load(&env).unwrap()
}
